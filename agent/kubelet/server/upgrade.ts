/**
 * exec, attach and port-forward: the runtime names a streaming server on loopback, and the client's upgraded connection is
 * relayed to it byte by byte. Source: upstream `pkg/kubelet/server` (paths and parameters), CRI streaming.
 */

import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { type Duplex, Writable } from 'node:stream';
import { pathSegments, requestTarget } from '#agent/host/listener.ts';
import type { ContainerRuntime } from '#agent/runtime/runtime.ts';
import { errorText } from '#api/error-text.ts';
import { queryBool } from '#api/query-options.ts';
import { passRefusalOn, requestUpgrade, switchedHead, type UpgradeAnswer } from '#client/upgrade.ts';
import { findContainer, isRunning, readySandbox } from '../pod/observed.ts';
import type { PodWorker } from '../pod/pod-worker.ts';

/** A request that is answered with an error in place of the upgrade. */
export class UpgradeError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.name = 'UpgradeError';
    this.status = status;
  }
}

/** The target of a stream. `query`: the client's parameters. */
export interface StreamTarget {
  action: 'exec' | 'attach' | 'portForward';
  namespace: string;
  pod: string;
  uid: string | undefined;
  container: string;
  query: URLSearchParams;
}

/** `/exec/<namespace>/<pod>[/<uid>]/<container>`, `/portForward/<namespace>/<pod>[/<uid>]`. Pure. */
export function parseStreamPath(target: string): StreamTarget | undefined {
  const { path, query } = requestTarget(target) ?? {};
  const [action, namespace, pod, ...rest] = (path === undefined ? undefined : pathSegments(path)) ?? [];
  if (namespace === undefined || pod === undefined || query === undefined) return undefined;
  if (action === 'portForward') return { action, namespace, pod, uid: rest[0], container: '', query };
  const container = rest.at(-1);
  if ((action !== 'exec' && action !== 'attach') || container === undefined) return undefined;
  return { action, namespace, pod, uid: rest.length > 1 ? rest[0] : undefined, container, query };
}

/** Whether the query has one of these parameters set. */
const isSet = (query: URLSearchParams, ...names: readonly string[]): boolean => names.some((name) => queryBool(query, name));

/** How long the runtime's streaming server, which is on this machine, may take to answer, in ms. */
const upgradeTimeoutMs = 30_000;

/**
 * The streams that the client requests. Reads the parameter names of both the API server and the kubelet. Pure.
 * @throws UpgradeError
 */
export function streamsOf(query: URLSearchParams): { tty: boolean; stdin: boolean; stdout: boolean; stderr: boolean } {
  const tty = isSet(query, 'tty');
  const streams = {
    tty,
    stdin: isSet(query, 'input', 'stdin'),
    stdout: isSet(query, 'output', 'stdout'),
    stderr: isSet(query, 'error', 'stderr') && !tty,
  };
  if (!streams.stdin && !streams.stdout && !streams.stderr)
    throw new UpgradeError(400, 'you must specify at least 1 of stdin, stdout, stderr');
  return streams;
}

/** A WebSocket has 256 channels, and each port takes two of them. */
const maxPorts = 128;

/** The ports that a WebSocket client names in the query; an SPDY client names each with its stream. @throws UpgradeError */
function portsOf(query: URLSearchParams): number[] {
  const texts = query.getAll('port').flatMap((value) => value.split(','));
  if (texts.length > maxPorts) throw new UpgradeError(400, `too many ports: ${texts.length}, at most ${maxPorts}`);
  return texts.map((text) => {
    if (text === '') throw new UpgradeError(400, "query parameter 'port' cannot be empty");
    if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535)
      throw new UpgradeError(400, `unable to parse ${JSON.stringify(text)} as a port`);
    if (Number(text) < 1) throw new UpgradeError(400, `port ${Number(text)} must be > 0`);
    return Number(text);
  });
}

/** The streaming server's URL for this request; it serves once. @throws UpgradeError; RuntimeError when the runtime refuses */
export async function streamingUrl(runtime: ContainerRuntime, worker: PodWorker | undefined, target: StreamTarget): Promise<URL> {
  const observed = worker?.observed;
  if (observed === undefined) throw new UpgradeError(404, `pod "${target.pod}" not found`);
  if (target.action === 'portForward') {
    const sandbox = readySandbox(observed);
    if (sandbox === undefined)
      throw new UpgradeError(
        400,
        `unable to forward port because pod is not running. Current status=${worker?.pod.status?.phase ?? 'Unknown'}`,
      );
    return new URL(await runtime.portForward(sandbox.id, portsOf(target.query)));
  }
  const container = findContainer(observed, target.container);
  if (container === undefined || !isRunning(container))
    throw new UpgradeError(404, `container not found ("${target.container}")`);
  const streams = streamsOf(target.query);
  const containerId = container.status.id;
  if (target.action === 'attach') return new URL(await runtime.attach({ containerId, ...streams }));
  const cmd = target.query.getAll('command');
  if (cmd.length === 0) throw new UpgradeError(400, 'command is required');
  return new URL(await runtime.exec({ containerId, cmd, ...streams }));
}

/**
 * Delays each write until the event loop has read from the connection. If the other side has closed, the write fails and Node drops data
 * that was not read yet, so the last output would be lost.
 */
const afterReading = (connection: Duplex): Writable =>
  new Writable({
    write: (chunk: Buffer, _encoding, done) => void setImmediate(() => connection.write(chunk, done)),
    final: (done) => void setImmediate(() => connection.end(done)),
  }).on('error', () => connection.destroy());

/** Asks the streaming server for the client's upgrade. @throws UpgradeError when there is no answer */
export async function askStreamingServer(
  url: URL,
  method: string,
  headers: Readonly<Record<string, string>>,
): Promise<UpgradeAnswer> {
  try {
    return await requestUpgrade({
      method,
      path: url.pathname + url.search,
      headers: { ...headers, host: url.host },
      connect: () => connect({ host: url.hostname, port: Number(url.port), noDelay: true }),
      timeoutMs: upgradeTimeoutMs,
    });
  } catch (error) {
    throw new UpgradeError(500, `error dialing backend: the runtime's streaming server: ${errorText(error)}`);
  }
}

/** The client's headers, without those of its own connection to us. */
function passedHeaders({ headers }: IncomingMessage): Record<string, string> {
  const dropped = new Set(['host', 'authorization', 'transfer-encoding', 'content-length']);
  const pairs = Object.entries(headers).filter(([name, value]) => value !== undefined && !dropped.has(name));
  return Object.fromEntries(pairs.map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : String(value)]));
}

/**
 * Sends the upgrade request on to the streaming server, and joins the two connections once it has said 101. A refusal is passed to the
 * client as an ordinary HTTP answer. @throws UpgradeError while an HTTP answer can still be sent
 */
export async function relayUpgrade(request: IncomingMessage, client: Duplex, head: Buffer, url: URL): Promise<void> {
  const answer = await askStreamingServer(url, request.method ?? 'GET', passedHeaders(request));
  if (answer.kind === 'answered') {
    const { response } = answer;
    if ((response.statusCode ?? 0) >= 400) return await passRefusalOn(client, response);
    response.destroy();
    throw new UpgradeError(500, `invalid upgrade response: status code ${response.statusCode}`);
  }
  const { socket: server } = answer;
  // The client has left while we waited for the runtime. Its `close` event has passed, so the server's side must be closed here.
  if (client.destroyed) return void server.destroy();
  const end = (): void => void server.destroy();
  client.write(switchedHead(answer.response));
  if (answer.head.length > 0) client.write(answer.head);
  if (head.length > 0) server.write(head);
  server.pipe(client);
  client.pipe(afterReading(server));
  // `close` follows every error. What the server sent before the error is still on its way to the client.
  server.on('error', end);
  client.on('error', end);
  server.once('close', () => {
    client.end();
    // Reads and drops what the client still sends: Node notices the end of a connection only while it reads.
    client.resume();
  });
  client.once('close', end);
}

const refusalMs = 10_000;

/** An HTTP answer in place of an upgrade. */
export function refuseUpgrade(client: Duplex, status: number, message: string): void {
  const reasons: Record<number, string> = {
    400: 'Bad Request',
    401: 'Unauthorized',
    403: 'Forbidden',
    404: 'Not Found',
    500: 'Internal Server Error',
  };
  const body = `${message}\n`;
  // A client that does not read the answer, or does not close, is cut off.
  setTimeout(() => client.destroy(), refusalMs).unref();
  client.end(
    `HTTP/1.1 ${status} ${reasons[status] ?? 'Error'}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
