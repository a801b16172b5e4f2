/**
 * A WebSocket on which only the server speaks: each message is sent when the client has taken those before, and what the client says is
 * dropped.
 *
 * Source: k8s.io/streaming `pkg/httpstream/wsstream/{conn,stream}.go` (IgnoreReceives, Reader).
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { ServerLog } from './server-log.ts';

/** What a client may send at once, to be dropped. */
const maxPayloadBytes = 64 * 1024;

/** A connection that asked to become a WebSocket. */
export interface UpgradeRequest {
  request: IncomingMessage;
  socket: Duplex;
  /** Bytes that the client sent after the request head (Node's `head`). */
  head: Buffer;
}

/**
 * Sends all messages, strings as text, and closes. Settles when the connection has ended. The caller ends `messages` when the client
 * leaves.
 * @param protocol the agreed subprotocol; empty for none
 */
export async function sendToReader(
  messages: AsyncIterable<Uint8Array | string>,
  protocol: string,
  { request, socket, head }: UpgradeRequest,
  log: ServerLog,
): Promise<void> {
  const accept = new WebSocketServer({
    noServer: true,
    maxPayload: maxPayloadBytes,
    skipUTF8Validation: true,
    handleProtocols: () => (protocol === '' ? false : protocol),
  });
  const { promise: refused, resolve: refuse } = Promise.withResolvers<undefined>();
  // A handshake that is not valid is answered by the library, which then closes the connection.
  socket.once('close', () => refuse(undefined));
  const opened = new Promise<WebSocket>((resolve) => accept.handleUpgrade(request, socket, head, resolve));
  const client = await Promise.race([opened, refused]);
  if (client === undefined) return;
  const closed = new Promise<void>((resolve) => client.once('close', () => resolve()));
  client.on('error', (error) => {
    log.debug({ err: error }, 'a WebSocket broke off');
    client.terminate();
  });
  try {
    for await (const message of messages) {
      if (client.readyState !== client.OPEN) break;
      await new Promise<void>((resolve) => client.send(message, () => resolve()));
    }
  } catch (error) {
    // The answer has begun: nothing can be told to the client any more.
    log.warn({ err: error }, 'what a WebSocket told broke off');
  }
  client.close(1000);
  await closed;
}
