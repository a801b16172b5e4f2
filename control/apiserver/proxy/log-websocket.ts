/**
 * A log over a WebSocket: the server sends, and ignores what it is sent. `binary.k8s.io` carries the bytes, `base64.binary.k8s.io` their
 * base64 as text; an empty message comes first.
 *
 * Source: k8s.io/streaming `pkg/httpstream/wsstream/stream.go` (Reader), apiserver `responsewriters.StreamObject`.
 */
import { failure } from '#api/status.ts';
import { sendToReader, type UpgradeRequest } from '../serving/reader-websocket.ts';
import type { ServerLog } from '../serving/server-log.ts';

const base64Protocol = 'base64.binary.k8s.io';
const protocols: ReadonlySet<string> = new Set(['', 'binary.k8s.io', base64Protocol]);

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
  upgrade: UpgradeRequest,
  serverLog: ServerLog,
): Promise<void> {
  await sendToReader(logMessages(log, protocol), protocol, upgrade, serverLog);
}

async function* logMessages(log: AsyncIterable<Uint8Array>, protocol: string): AsyncGenerator<Uint8Array | string> {
  const encode = (chunk: Uint8Array): Uint8Array | string =>
    protocol === base64Protocol ? Buffer.from(chunk).toString('base64') : chunk;
  yield encode(new Uint8Array());
  for await (const chunk of log) yield encode(chunk);
}
