/**
 * Runs in the network namespace of the bench: serves port 8080, and prints how long a new TCP connection takes to the address that is given, in
 * milliseconds (median of 51).
 */
import { connect, createServer } from 'node:net';

const [host = '', port = ''] = process.argv.slice(2);
const server = createServer((socket) => socket.on('error', () => undefined).end());
await new Promise<void>((resolve) => server.listen(8080, '0.0.0.0', resolve));

const once = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const startMs = performance.now();
    const socket = connect({ host, port: Number(port) }, () => {
      resolve(performance.now() - startMs);
      socket.destroy();
    });
    socket.on('error', reject);
  });

const times: number[] = [];
for (let round = 0; round < 51; round++) times.push(await once());
process.stdout.write(`${times.sort((a, b) => a - b)[25]}`);
process.exit(0);
