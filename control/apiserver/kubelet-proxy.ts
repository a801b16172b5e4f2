/**
 * Requests that a kubelet answers: logs, exec, attach, port-forward, and `nodes/<name>/proxy`. Streams are passed on byte for
 * byte; whether they speak SPDY or WebSocket is between client and kubelet.
 *
 * Source: kubernetes `pkg/registry/core/pod/strategy.go` (LogLocation, streamLocation), `pkg/kubelet/client`.
 */

import type { IncomingMessage } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as tlsConnect } from 'node:tls';
import { validatePodLogOptions } from '#api/pod-log-options.ts';
import { type QueryOptions, readQueryOptions } from '#api/query-options.ts';
import { resourceById } from '#api/resources.ts';
import { badRequest, failure, internalError, invalid } from '#api/status.ts';
import type { Node, Pod } from '#api/types.generated.ts';
import type { TransportRequest, TransportResponse } from '#client/transport.ts';
import type { StreamProxy } from './api-server.ts';
import type { Registry } from './registry.ts';
import type { RequestInfo } from './request-info.ts';
import type { ServerLog } from './server-log.ts';

export interface KubeletProxyOptions {
  /** PEM: how the API server identifies itself to kubelets (`--kubelet-client-certificate`). */
  certificate: string;
  key: string;
  /** PEM: what kubelets' certificates must come from (`--kubelet-certificate-authority`); absent: not checked, as upstream. */
  ca?: string;
  /** How long connecting may take. Default 10 s. */
  connectTimeoutMs?: number;
}

interface Target {
  host: string;
  port: number;
  /** Path and query. */
  path: string;
}

/** How long the other direction of a tunnel may take to end after the first. */
const lingerMs = 5_000;
const streams: ReadonlySet<string> = new Set(['exec', 'attach', 'portforward']);
/** Of one hop only, or the API server's own business. */
const hopHeaders = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'host',
  'authorization',
]);

export class KubeletProxy implements StreamProxy {
  readonly #options: KubeletProxyOptions;
  readonly #log: ServerLog;

  constructor(options: KubeletProxyOptions, log: ServerLog) {
    this.#options = options;
    this.#log = log;
  }

  handles({ group, resource, subresource }: RequestInfo): boolean {
    if (group !== '') return false;
    return (
      (resource === 'pods' && (subresource === 'log' || streams.has(subresource))) ||
      (resource === 'nodes' && subresource === 'proxy')
    );
  }

  async handle(request: TransportRequest, info: RequestInfo, registry: Registry): Promise<TransportResponse> {
    if (info.subresource === 'log') return await this.#logs(request, info, registry);
    if (info.subresource === 'proxy') return await this.#forward(request, await nodeTarget(info, registry), true);
    throw badRequest('Upgrade request required');
  }

  /** Passes an upgraded connection on. @throws ApiError when there is nowhere to pass it to */
  async upgrade(
    request: TransportRequest,
    info: RequestInfo,
    registry: Registry,
    socket: Duplex,
    head: Uint8Array,
  ): Promise<void> {
    if (!this.handles(info) || info.subresource === 'log') throw badRequest('this path does not upgrade connections');
    const target = info.subresource === 'proxy' ? await nodeTarget(info, registry) : await streamTarget(info, registry);
    const backend = await this.#dial(target);
    const headers = Object.entries(request.headers).filter(([name]) => name !== 'host' && name !== 'authorization');
    const lines = [
      `${request.method} ${target.path} HTTP/1.1`,
      `host: ${target.host}:${target.port}`,
      ...headers.map(([name, value]) => `${name}: ${value}`),
    ];
    backend.write(`${lines.join('\r\n')}\r\n\r\n`);
    if (head.length > 0) backend.write(head);
    await tunnel(socket, backend, this.#log);
  }

  async #dial({ host, port }: Target): Promise<Duplex> {
    return await new Promise((resolve, reject) => {
      const fail = (error: Error): void => reject(internalError(`error dialing backend: ${error.message}`));
      const socket = tlsConnect({ host, port, ...this.#tls(), ALPNProtocols: ['http/1.1'] });
      const timer = setTimeout(
        () => socket.destroy(new Error(`dial tcp ${host}:${port}: i/o timeout`)),
        this.#options.connectTimeoutMs ?? 10_000,
      );
      socket.once('error', fail);
      socket.once('secureConnect', () => {
        clearTimeout(timer);
        socket.off('error', fail);
        resolve(socket);
      });
      socket.once('close', () => clearTimeout(timer));
    });
  }

  #tls(): Pick<RequestOptions, 'cert' | 'key' | 'ca' | 'rejectUnauthorized'> {
    const { certificate, key, ca } = this.#options;
    return { cert: certificate, key, ...(ca === undefined ? {} : { ca }), rejectUnauthorized: ca !== undefined };
  }

  async #logs(request: TransportRequest, info: RequestInfo, registry: Registry): Promise<TransportResponse> {
    const contentType = 'text/plain';
    const options = readQueryOptions('PodLogOptions', info.query);
    checkLogOptions(options, info.name);
    const pod = await podOf(info, registry);
    const container = containerOf(pod, options.container);
    // Not yet on a node: nothing has been logged.
    if ((pod.spec?.nodeName ?? '') === '') return { status: 204, headers: {}, body: nothing() };
    const path = `/containerLogs/${info.namespace}/${info.name}/${container}?${logQuery(options).toString()}`;
    const target = await kubeletTarget(registry, pod.spec?.nodeName ?? '', path);
    const answer = await this.#forward({ ...request, method: 'GET' }, target, false);
    if (answer.status >= 200 && answer.status <= 206) return { ...answer, headers: { 'content-type': contentType } };
    throw await kubeletError(answer, info);
  }

  /** @param headers whether the client's headers go on to the kubelet */
  async #forward(request: TransportRequest, target: Target, headers: boolean): Promise<TransportResponse> {
    const passed = headers ? Object.fromEntries(Object.entries(request.headers).filter(([name]) => !hopHeaders.has(name))) : {};
    const { host, port, path } = target;
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const outgoing = httpsRequest({ host, port, path, method: request.method, headers: passed, agent: false, ...this.#tls() });
      // An error after the answer began reaches its reader through the answer's own stream.
      outgoing.on('error', (error) =>
        reject(internalError(`${request.method} "https://${host}:${port}${path}": ${error.message}`)),
      );
      outgoing.on('response', resolve);
      request.signal?.addEventListener('abort', () => outgoing.destroy(), { once: true });
      outgoing.end(request.body);
    });
    const plain: Record<string, string> = {};
    for (const [name, value] of Object.entries(response.headers)) {
      if (value !== undefined && !hopHeaders.has(name)) plain[name] = Array.isArray(value) ? value.join(', ') : value;
    }
    return { status: response.statusCode ?? 502, headers: plain, body: bodyOf(response, request.signal, this.#log) };
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

async function* bodyOf(response: IncomingMessage, signal: AbortSignal | undefined, log: ServerLog): AsyncGenerator<Uint8Array> {
  try {
    yield* response as AsyncIterable<Uint8Array>;
  } catch (error) {
    // The client left, or the kubelet broke off in the middle; what came so far has been passed on.
    if (signal?.aborted !== true) log.info({ err: error }, 'a stream from a kubelet broke off');
  } finally {
    response.destroy();
  }
}

async function kubeletError(answer: TransportResponse, info: RequestInfo) {
  const chunks: Uint8Array[] = [];
  for await (const chunk of answer.body) chunks.push(chunk);
  const text = Buffer.concat(chunks).subarray(0, 2048).toString('utf8').trim();
  if (answer.status === 400) return badRequest(text);
  if (answer.status === 404) {
    const message = `the server could not find the requested resource ( pods/log ${info.name})`;
    return failure(404, 'NotFound', message, { name: info.name, kind: 'pods/log' });
  }
  return internalError(text);
}

/**
 * Joins two connections. When one is gone, what it said is flushed to the other, which gets a moment to end by itself; what that one
 * still says is read and dropped. A socket that is closed with bytes unread resets the connection, and the peer would lose the last
 * words (a WebSocket's close frame); so would it with `pipeline`, which destroys both as soon as one closes.
 */
export async function tunnel(client: Duplex, backend: Duplex, log?: ServerLog): Promise<void> {
  const gone = (from: Duplex, to: Duplex): Promise<void> =>
    new Promise((resolve) => {
      const end = (): void => {
        to.end();
        to.unpipe(from);
        to.resume();
        resolve();
      };
      from.on('error', (error) => {
        log?.info({ err: error, side: from === client ? 'client' : 'kubelet' }, 'a stream broke off');
        from.destroy();
      });
      if (from.closed) return end();
      from.once('close', end);
      from.pipe(to);
    });
  const both = [gone(client, backend), gone(backend, client)];
  await Promise.race(both);
  const patience = new AbortController();
  await Promise.race([Promise.all(both), delay(lingerMs, undefined, { signal: patience.signal }).catch(() => undefined)]);
  patience.abort();
  client.destroy();
  backend.destroy();
}

async function podOf(info: RequestInfo, registry: Registry): Promise<Pod> {
  return (await registry.get(resourceById('pods'), info)).object as Pod;
}

/** The container asked for; the only one; the one that the pod's annotation names. @throws ApiError 400 */
function containerOf(pod: Pod, asked: string): string {
  const names = (list: readonly { name: string }[] | undefined): string[] => (list ?? []).map(({ name }) => name);
  const containers = names(pod.spec?.containers);
  const init = names(pod.spec?.initContainers);
  const ephemeral = names(pod.spec?.ephemeralContainers);
  const all = [...containers, ...init, ...ephemeral];
  const { name } = pod.metadata;
  if (asked !== '') {
    if (!all.includes(asked)) throw badRequest(`container ${asked} is not valid for pod ${name}`);
    return asked;
  }
  const preferred = pod.metadata.annotations?.['kubectl.kubernetes.io/default-container'];
  if (preferred !== undefined && all.includes(preferred)) return preferred;
  if (containers.length === 1 && containers[0] !== undefined) return containers[0];
  const alternatives = init.length > 0 ? ` or one of the init containers: [${init.join(' ')}]` : '';
  throw badRequest(`a container name must be specified for pod ${name}, choose one of: [${containers.join(' ')}]${alternatives}`);
}

/** @throws ApiError 422 */
function checkLogOptions(options: QueryOptions<'PodLogOptions'>, podName: string): void {
  const problems = validatePodLogOptions(options);
  if (problems.length > 0) throw invalid({ group: '', name: 'PodLogOptions' }, podName, problems);
}

/** What the kubelet is asked (`LogLocation`): numbers and times in their shortest form, booleans only where they are true. */
function logQuery(options: QueryOptions<'PodLogOptions'>): URLSearchParams {
  const query = new URLSearchParams();
  for (const name of ['follow', 'previous', 'timestamps'] as const) if (options[name]) query.set(name, 'true');
  for (const name of ['sinceSeconds', 'sinceTime', 'tailLines', 'limitBytes'] as const) {
    const value = options[name];
    if (value !== undefined) query.set(name, String(value));
  }
  query.set('stream', options.stream ?? 'All');
  return query;
}

async function streamTarget(info: RequestInfo, registry: Registry): Promise<Target> {
  const query = new URLSearchParams();
  let asked: string | undefined;
  if (info.subresource === 'portforward') {
    const { ports } = readQueryOptions('PodPortForwardOptions', info.query);
    if (ports.length > 0) query.set('port', ports.join(','));
  } else {
    const options = readQueryOptions('PodExecOptions', info.query);
    asked = options.container;
    // The kubelet has names of its own.
    for (const [ours, theirs] of streamNames) if (options[ours]) query.set(theirs, '1');
    if (info.subresource === 'exec') for (const part of options.command) query.append('command', part);
  }
  const pod = await podOf(info, registry);
  const nodeName = pod.spec?.nodeName ?? '';
  const path =
    asked === undefined
      ? `/portForward/${info.namespace}/${info.name}`
      : `/${info.subresource}/${info.namespace}/${info.name}/${containerOf(pod, asked)}`;
  if (nodeName === '') throw badRequest(`pod ${info.name} does not have a host assigned`);
  return await kubeletTarget(registry, nodeName, `${path}?${query.toString()}`);
}

const streamNames = [
  ['stdin', 'input'],
  ['stdout', 'output'],
  ['stderr', 'error'],
  ['tty', 'tty'],
] as const;

async function nodeTarget(info: RequestInfo, registry: Registry): Promise<Target> {
  // `nodes/<name>:<port>/proxy` names another port of the node than the kubelet's.
  const [name = '', port] = info.name.split(':');
  const rest = info.rest.map(encodeURIComponent).join('/');
  const query = info.query.toString();
  const target = await kubeletTarget(registry, name, `/${rest}${query === '' ? '' : `?${query}`}`);
  return port === undefined || port === '' ? target : { ...target, port: Number(port) };
}

/** kubeadm's `--kubelet-preferred-address-types`. */
const addressTypes = ['InternalIP', 'ExternalIP', 'Hostname'];

async function kubeletTarget(registry: Registry, nodeName: string, path: string): Promise<Target> {
  const node = (await registry.get(resourceById('nodes'), { name: nodeName })).object as Node;
  const addresses = node.status?.addresses ?? [];
  const address = addressTypes.map((type) => addresses.find((one) => one.type === type)).find((one) => one !== undefined);
  if (address === undefined) throw internalError(`no preferred addresses found; known addresses: []`);
  return { host: address.address, port: node.status?.daemonEndpoints?.kubeletEndpoint?.Port ?? 10250, path };
}
