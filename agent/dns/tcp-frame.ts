/** Framing of DNS over TCP: two bytes of length before each message (RFC 1035, 4.2.2). */

const lengthBytes = 2;

/** The message with its length before it. `message` has at most 65535 bytes. */
export function frame(message: Buffer): Buffer {
  const length = Buffer.alloc(lengthBytes);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

/**
 * Returns a listener for a stream's chunks, which calls `onMessage` for each whole message. It holds at most one message, and
 * copies each byte once even when the chunks are small.
 */
export function splitFrames(onMessage: (message: Buffer) => void): (chunk: Buffer) => void {
  const length = Buffer.alloc(lengthBytes);
  let lengthRead = 0;
  let message: Buffer | undefined;
  let read = 0;
  return (chunk) => {
    for (let offset = 0; offset < chunk.length; ) {
      if (message === undefined) {
        length[lengthRead++] = chunk[offset++] ?? 0;
        if (lengthRead < lengthBytes) continue;
        message = Buffer.alloc(length.readUInt16BE(0));
        [lengthRead, read] = [0, 0];
      }
      const taken = chunk.copy(message, read, offset, offset + message.length - read);
      read += taken;
      offset += taken;
      if (read < message.length) continue;
      const whole = message;
      message = undefined;
      onMessage(whole);
    }
  };
}
