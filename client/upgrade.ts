/**
 * Asks another server to switch protocols, and waits for its answer. Two connections may be joined only after the far side has said
 * 101: before that, what a client writes would reach a server that speaks plain HTTP on a connection with somebody else's credentials
 * (CVE-2018-1002105).
 *
 * Source: RFC 9110, 7.8; apimachinery `pkg/util/proxy/upgradeaware.go`.
 */
import { request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import type { Duplex } from 'node:stream';

/** A request to switch protocols. */
export interface UpgradeRequest {
  method: string;
  /** Path and query. */
  path: string;
  /** `connection` and `upgrade` among them. */
  headers: Readonly<OutgoingHttpHeaders>;
  /** Opens the connection to the other server. */
  connect(): Duplex;
  /** Until the whole head of the answer is here, connecting included. */
  timeoutMs: number;
}

/** The other server's answer. */
export type UpgradeAnswer =
  | { kind: 'switched'; response: IncomingMessage; socket: Duplex; head: Buffer }
  /** An ordinary answer: its body is still to be read. */
  | { kind: 'answered'; response: IncomingMessage };

/** Limit of an answer's head. Node's parser closes the connection above it. */
export const maxAnswerHeadBytes = 64 * 1024;
/** Interim answers (100, 103) before the real one; Go's client takes no more either. */
export const maxInterimAnswers = 5;
/** How long the body of a refusal may take. */
const refusalMs = 10_000;

/**
 * Sends the request and waits for the head of the answer.
 * @throws Error when the server cannot be reached, breaks off, or is too slow; then no connection stays open
 */
export function requestUpgrade({ method, path, headers, connect, timeoutMs }: UpgradeRequest): Promise<UpgradeAnswer> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({
      method,
      path,
      headers: { ...headers },
      createConnection: connect,
      maxHeaderSize: maxAnswerHeadBytes,
    });
    const timer = setTimeout(
      () => outgoing.destroy(new Error(`no answer to the upgrade within ${timeoutMs / 1000} s`)),
      timeoutMs,
    );
    let interim = 0;
    outgoing.on('information', () => {
      interim += 1;
      if (interim > maxInterimAnswers) outgoing.destroy(new Error('too many 1xx informational responses'));
    });
    outgoing.once('upgrade', (response, socket, head) => {
      clearTimeout(timer);
      resolve({ kind: 'switched', response, socket, head });
    });
    outgoing.once('response', (response) => {
      clearTimeout(timer);
      // Close it here: because of `Connection: Upgrade`, Node would keep the connection open and unused.
      const { socket } = response;
      response.once('close', () => socket.destroy());
      resolve({ kind: 'answered', response });
    });
    outgoing.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    outgoing.once('close', () => {
      clearTimeout(timer);
      reject(new Error('the connection closed before an answer came'));
    });
    outgoing.end();
  });
}

/** The head of a `101 Switching Protocols` as it came, for the client that asked for it. */
export function switchedHead({ rawHeaders, statusMessage }: IncomingMessage): string {
  const lines: string[] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) lines.push(`${rawHeaders[index]}: ${rawHeaders[index + 1]}\r\n`);
  return `HTTP/1.1 101 ${statusMessage || 'Switching Protocols'}\r\n${lines.join('')}\r\n`;
}

/** Passes a refusal on as an ordinary answer and closes; nothing that the client wrote has gone anywhere. Settles when all is closed. */
export async function passRefusalOn(client: Duplex, response: IncomingMessage): Promise<void> {
  const own = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade']);
  const { rawHeaders, statusCode, statusMessage } = response;
  const lines = [`HTTP/1.1 ${statusCode} ${statusMessage}`, 'Connection: close'];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? '';
    if (!own.has(name.toLowerCase())) lines.push(`${name}: ${rawHeaders[index + 1]}`);
  }
  const closed = new Promise<void>((resolve) => {
    if (client.destroyed) resolve();
    client.once('close', () => resolve());
  });
  const timer = setTimeout(() => client.destroy(), refusalMs);
  client.on('error', () => client.destroy());
  client.resume(); // Bytes of the client that stay unread would turn the end of the connection into a reset.
  client.write(`${lines.join('\r\n')}\r\n\r\n`);
  response.once('error', () => client.destroy());
  response.pipe(client);
  await closed;
  clearTimeout(timer);
  response.destroy();
}
