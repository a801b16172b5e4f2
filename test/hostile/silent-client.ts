/** A client that sends a request and never reads the response. */
import type { TLSSocket } from 'node:tls';
import { flags, frame, frameTypes, get, headerBlock, preface } from './http2-frames.ts';
import type { ServerProcess } from './server-process.ts';

/** Sends a GET and stops reading. @returns the open connection */
export async function askWithoutReading(
  server: ServerProcess,
  target: string,
  headers: Record<string, string>,
  protocol: 'http/1.1' | 'h2',
): Promise<TLSSocket> {
  const socket = await server.dial('admin', protocol);
  socket.pause();
  if (protocol === 'h2') {
    const block = headerBlock([...get(target), ...Object.entries(headers)]);
    // The largest possible HTTP/2 window, so that only the TCP connection limits the response.
    const widen = frame(frameTypes.windowUpdate, 0, 0, Buffer.from([0x3f, 0xff, 0, 0]));
    const settings = frame(frameTypes.settings, 0, 0, Buffer.from([0, 4, 0x3f, 0xff, 0, 0]));
    const request = frame(frameTypes.headers, flags.endHeaders | flags.endStream, 1, block);
    socket.write(Buffer.concat([preface, settings, widen, request]));
  } else {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`GET ${target} HTTP/1.1\r\nHost: x\r\n${lines.join('')}\r\n`);
  }
  return socket;
}
