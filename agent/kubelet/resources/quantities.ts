/** Numbers of the kubelet (bytes, thousandths of a CPU) as quantities. Pure. The way back is `amount` in `api/pod/requests.ts`. */

/** CPU as a quantity: `2`, or `1500m`. */
export const cpuQuantity = (millis: number): string => (millis % 1000 === 0 ? `${millis / 1000}` : `${millis}m`);

/** Bytes as upstream's node status writes them: in Ki where it divides evenly. */
export const byteQuantity = (bytes: number): string => (bytes !== 0 && bytes % 1024 === 0 ? `${bytes / 1024}Ki` : `${bytes}`);
