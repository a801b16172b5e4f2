/**
 * Requests that somebody else answers: a kubelet (logs, exec, attach, port-forward, `nodes/<id>/proxy`) or a pod (`pods/<id>/proxy`,
 * `services/<id>/proxy`). Streams are passed on byte for byte; whether they speak SPDY or WebSocket is between client and kubelet.
 *
 * Source: kubernetes `pkg/registry/core/{pod/rest,node/rest,service}`, apiserver `pkg/endpoints/handlers/rest.go` (ConnectResource).
 */
import { posix } from 'node:path';
import { type ApiError, badRequest, failure, internalError } from '#api/status.ts';
import type { TransportRequest, TransportResponse } from '#client/transport.ts';
import type { Registry } from '../registry/registry.ts';
import type { RequestInfo } from '../rest/request-info.ts';
import { methodNotAllowed } from '../rest/resource-handler.ts';
import type { UpgradingConnection } from '../serving/filter-chain.ts';
import type { ServerLog } from '../serving/server-log.ts';
import { type Resolve, systemResolve } from './address.ts';
import { type BackendOptions, Backends } from './backend.ts';
import type { Connect, ConnectTools, KubeletTarget } from './connect.ts';
import { forward } from './forward.ts';
import { requestKubelet } from './kubelet-request.ts';
import { escapePath } from './links.ts';
import { kubeletOf, type Location } from './location.ts';
import { negotiateReader, sendOverWebSocket } from './log-websocket.ts';
import type { ProxiedRequest, StreamProxy } from './stream-proxy.ts';
import { passUpgradeOn } from './upgrade.ts';

/** How proxied requests reach their servers. */
export interface ProxyOptions extends BackendOptions {
  /** Default: the machine's resolver. */
  resolve?: Resolve;
  /** A number in [0, 1). Default: Math.random. */
  random?: () => number;
  /** `--kubelet-preferred-address-types`. Default: kubeadm's. */
  addressTypes?: readonly string[] | undefined;
  /** Until a backend has answered a request to upgrade. Default 30 s. */
  upgradeTimeoutMs?: number;
}

const proxyMethods: ReadonlySet<string> = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS']);
const streamMethods: ReadonlySet<string> = new Set(['GET', 'POST']);

/**
 * Answers the proxies of nodes, pods and services, and the streams of pods. @throws (its methods) ApiError 4xx of the request, 503
 * when the other side cannot be reached
 */
export class Proxies implements StreamProxy {
  readonly #backends: Backends;
  readonly #options: ProxyOptions;
  readonly #log: ServerLog;

  constructor(options: ProxyOptions, log: ServerLog) {
    this.#options = options;
    this.#backends = new Backends(options);
    this.#log = log;
  }

  async handle({ request, info, connect, registry, admitConnect }: ProxiedRequest): Promise<TransportResponse> {
    const tools = this.#tools(registry);
    if (connect.to === 'log') {
      if (request.method !== 'GET' && request.method !== 'HEAD') throw methodNotAllowed();
      return await this.#logs(info, await connect.target(info, tools), registry, request.signal);
    }
    checkConnect(request, info, connect);
    await admitConnect();
    if (connect.to === 'stream') {
      // What else is wrong with it is told first.
      await this.#kubeletTarget(registry, await connect.target(info, tools));
      throw badRequest('Upgrade request required');
    }
    const location = await connect.location(info, tools);
    const path = backendPath(info);
    const query = queryText(request.path);
    if (path === '' && (request.method === 'GET' || request.method === 'HEAD'))
      return { status: 301, headers: { location: `${escapePath(info.path)}/${query}` }, body: nothing() };
    return await forward(this.#backends, this.#log, request, { location, path: path || '/', query, prefix: proxyPath(info) });
  }

  /** Passes an upgraded connection on, and settles when it has ended. @throws ApiError while an ordinary answer can be given */
  async upgrade({
    request,
    info,
    connect,
    registry,
    admitConnect,
    message,
    socket,
    head,
  }: ProxiedRequest & UpgradingConnection): Promise<void> {
    const tools = this.#tools(registry);
    if (connect.to === 'log') {
      const protocol = negotiateReader(request.headers['sec-websocket-protocol']);
      const gone = new AbortController();
      socket.once('close', () => gone.abort());
      const { body } = await this.#logs(info, await connect.target(info, tools), registry, gone.signal);
      return await sendOverWebSocket(body, protocol, { request: message, socket, head }, this.#log);
    }
    checkConnect(request, info, connect);
    await admitConnect();
    const timeoutMs = this.#options.upgradeTimeoutMs ?? 30_000;
    const target =
      connect.to === 'proxy'
        ? { location: await connect.location(info, tools), path: (backendPath(info) || '/') + queryText(request.path) }
        : await this.#kubeletTarget(registry, await connect.target(info, tools));
    await passUpgradeOn(this.#backends, this.#log, { request, socket, head }, { ...target, timeoutMs });
  }

  #tools(registry: Registry): ConnectTools {
    const { resolve = systemResolve, random = Math.random, addressTypes } = this.#options;
    return { registry, resolve, random, addressTypes };
  }

  async #kubeletTarget(registry: Registry, { nodeName, path }: KubeletTarget): Promise<{ location: Location; path: string }> {
    const { hostname, port } = await kubeletOf(registry, nodeName, this.#options.addressTypes);
    return { location: { scheme: 'https', address: hostname, hostname, port, kubelet: true }, path };
  }

  async #logs(
    info: RequestInfo,
    wanted: KubeletTarget | undefined,
    registry: Registry,
    signal: AbortSignal | undefined,
  ): Promise<TransportResponse> {
    if (wanted === undefined) return { status: 204, headers: {}, body: nothing() };
    const { location, path } = await this.#kubeletTarget(registry, wanted);
    const answer = await requestKubelet(this.#backends, this.#log, location, path, signal);
    if (answer.status >= 200 && answer.status <= 206)
      return { status: 200, headers: { 'content-type': 'text/plain' }, body: answer.body };
    throw await kubeletError(answer, info);
  }
}

/** @throws ApiError for what no connection can be made with */
function checkConnect({ method }: TransportRequest, { query }: RequestInfo, { to }: Connect): void {
  if (!(to === 'proxy' ? proxyMethods : streamMethods).has(method)) throw methodNotAllowed();
  if (query.has('dryRun')) throw badRequest('dryRun is not supported');
}

/** What the backend is asked for: what follows `proxy`, cleaned, with the last slash kept; empty where nothing follows. Pure. */
export function backendPath({ rest, path }: RequestInfo): string {
  const asked = rest.length === 0 ? '' : posix.join('/', ...rest);
  return escapePath(path.endsWith('/') && !asked.endsWith('/') ? `${asked}/` : asked);
}

/** The path of the proxy itself, decoded. */
function proxyPath({ version, namespace, resource, name }: RequestInfo): string {
  return `/api/${version}${namespace === '' ? '' : `/namespaces/${namespace}`}/${resource}/${name}/proxy`;
}

/** With its question mark; empty for none. */
function queryText(target: string): string {
  const mark = target.indexOf('?');
  return mark < 0 || mark === target.length - 1 ? '' : target.slice(mark);
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

/** So much of a kubelet's words is passed on (`maxReadLength`). */
const maxErrorBytes = 50_000;

async function kubeletError(
  { status, body }: { status: number; body: AsyncIterable<Uint8Array> },
  { name }: RequestInfo,
): Promise<ApiError> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > maxErrorBytes) break;
  }
  const text = Buffer.concat(chunks).subarray(0, maxErrorBytes).toString('utf8');
  const details = { name, kind: 'pods/log' };
  switch (status) {
    case 400:
      return badRequest(text.trim());
    case 404:
      return failure(404, 'NotFound', `the server could not find the requested resource ( pods/log ${name})`, details);
    case 500:
      return internalError(text.trim());
    case 403:
      return failure(403, 'Forbidden', `${text.trim()} ( pods/log ${name})`, details);
    case 422:
      return failure(
        422,
        'Invalid',
        `the server rejected our request due to an error in our request ( pods/log ${name})`,
        details,
      );
    default: {
      const what =
        status >= 500
          ? `an error on the server (${JSON.stringify(text)}) has prevented the request from succeeding`
          : `the server responded with the status code ${status} but did not return more information`;
      return failure(status, status >= 500 ? 'InternalError' : '', `${what} ( pods/log ${name})`, details);
    }
  }
}
