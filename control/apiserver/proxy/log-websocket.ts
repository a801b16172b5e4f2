/**
 * A log over a WebSocket: the server sends, and ignores what it is sent. `binary.k8s.io` carries the bytes, `base64.binary.k8s.io` their
 * base64 as text; an empty message comes first.
 *
 * Source: k8s.io/streaming `pkg/httpstream/wsstream/stream.go` (Reader), apiserver `responsewriters.StreamObject`.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { failure } from '#api/status.ts';
import type { ServerLog } from '../serving/server-log.ts';

const base64Protocol = 'base64.binary.k8s.io';
const protocols: ReadonlySet<string> = new Set(['', 'binary.k8s.io', base64Protocol]);
/** What a client may send at once, to be dropped. */
const maxPayloadBytes = 64 * 1024;

/** The first of the client's subprotocols that is served; without any, it is the binary one. @throws ApiError 403 */
export function negotiateReader(offered: string | undefined): string {
  const names = (offered ?? '').split(',').map((name) => name.trim());
  const chosen = names.find((name) => protocols.has(name));
  if (chosen === undefined)
    throw failure(
      403,
      'Forbidden',
      `requested protocol(s) are not supported: [${names.join(' ')}]; supports [ binary.k8s.io ${base64Protocol}]`,
    );
  return chosen;
}

/** Sends `log` to its end, as fast as the client reads, and closes. Settles when the connection has ended. */
export async function sendOverWebSocket(
  log: AsyncIterable<Uint8Array>,
  protocol: string,
  { request, socket, head }: { request: IncomingMessage; socket: Duplex; head: Buffer },
  serverLog: ServerLog,
): Promise<void> {
  const accept = new WebSocketServer({
    noServer: true,
    maxPayload: maxPayloadBytes,
    handleProtocols: () => (protocol === '' ? false : protocol),
  });
  const { promise: refused, resolve: refuse } = Promise.withResolvers<undefined>();
  // A handshake that is none was answered by the library, which closes the connection.
  socket.once('close', () => refuse(undefined));
  const opened = new Promise<WebSocket>((resolve) => accept.handleUpgrade(request, socket, head, resolve));
  const client = await Promise.race([opened, refused]);
  if (client === undefined) return;
  const closed = new Promise<void>((resolve) => client.once('close', () => resolve()));
  client.on('error', (error) => {
    serverLog.debug({ err: error }, 'a log over a WebSocket broke off');
    client.terminate();
  });
  const encode = (chunk: Uint8Array): Uint8Array | string =>
    protocol === base64Protocol ? Buffer.from(chunk).toString('base64') : chunk;
  const send = (data: Uint8Array | string): Promise<void> => new Promise((resolve) => client.send(data, () => resolve()));
  try {
    await send(encode(new Uint8Array()));
    for await (const chunk of log) {
      if (client.readyState !== client.OPEN) break;
      await send(encode(chunk));
    }
  } finally {
    client.close(1000);
  }
  await closed;
}
