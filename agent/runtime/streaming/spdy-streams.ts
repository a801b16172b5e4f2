/** placeholder */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { refuse, type StreamRequest } from './streaming-server.ts';

export async function serveSpdy(_request: StreamRequest, _message: IncomingMessage, socket: Duplex, _head: Buffer): Promise<void> {
  refuse(socket, '501 Not Implemented', 'SPDY is not served yet');
}
