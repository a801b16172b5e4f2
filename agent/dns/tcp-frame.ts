/** DNS over TCP: each message after its length in two bytes (RFC 1035, 4.2.2). */

const lengthBytes = 2;

export function frame(message: Buffer): Buffer {
  const length = Buffer.alloc(lengthBytes);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

/** A listener for a stream's chunks that calls `onMessage` for every whole message. Holds one message at most. */
export function splitFrames(onMessage: (message: Buffer) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= lengthBytes && rest.length >= lengthBytes + rest.readUInt16BE(0)) {
      const end = lengthBytes + rest.readUInt16BE(0);
      const message = rest.subarray(lengthBytes, end);
      rest = rest.subarray(end);
      onMessage(message);
    }
  };
}
