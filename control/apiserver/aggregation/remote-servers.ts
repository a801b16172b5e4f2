/**
 * Connections to aggregated servers. Requests go to a ready endpoint of the service. We authenticate with the front-proxy certificate, and
 * the server must have a certificate for `<service>.<namespace>.svc`. Connections are reused.
 *
 * Source: kube-aggregator `pkg/apiserver/handler_proxy.go`, `pkg/controllers/status/remote` (BuildTransportConfig).
 */
import https from 'node:https';
import { connect as tcpConnect } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import type { ResourceId } from '#api/resources.ts';
import { ApiError } from '#api/status.ts';
import type { TransportRequest, TransportResponse } from '#client/transport.ts';
import { Backends, type Connect } from '../proxy/backend.ts';
import { forward } from '../proxy/forward.ts';
import type { Location } from '../proxy/location.ts';
import { serviceTarget } from '../proxy/service-target.ts';
import { passUpgradeOn } from '../proxy/upgrade.ts';
import type { Registry } from '../registry/registry.ts';
import type { UserInfo } from '../registry/strategy.ts';
import { textResponse } from '../rest/responses.ts';
import type { UpgradingConnection } from '../serving/filter-chain.ts';
import type { ServerLog } from '../serving/server-log.ts';
import type { RemoteService } from './remote-services.ts';
import { userHeaders } from './user-headers.ts';

/** The options of connections to aggregated servers. */
export interface RemoteServersOptions {
  /** Our client certificate, PEM: `--proxy-client-cert-file`, `--proxy-client-key-file`. Absent: none. */
  identity: { certificate: string; key: string } | undefined;
  /** A number in [0, 1), for the choice of an endpoint. */
  random: () => number;
  /** Default: TCP of this machine. */
  connect?: Connect;
}

/** Looks up services and their endpoints. */
export type Lookup = Pick<Registry, 'read' | 'list'>;

/** The service has no usable endpoint. */
export class NoEndpointError extends Error {
  override name = 'NoEndpointError';
}

const dialTimeoutMs = 30_000;
/** The maximum number of connection pools. The oldest is closed if there are more. */
const maxPools = 200;

/** Sends requests to aggregated servers. */
export class RemoteServers {
  readonly #options: RemoteServersOptions;
  readonly #log: ServerLog;
  readonly #backends: Backends;
  readonly #pools = new Map<string, https.Agent>();

  constructor(options: RemoteServersOptions, log: ServerLog) {
    this.#options = options;
    this.#log = log;
    this.#backends = new Backends({ kubelet: options.identity ?? {} });
  }

  /** Forwards a request and streams the response back. Errors are a plain text with 503, as upstream. */
  async forward(service: RemoteService, request: TransportRequest, user: UserInfo, lookup: Lookup): Promise<TransportResponse> {
    try {
      return await this.forwardTo(await this.locate(service, lookup), request, user);
    } catch (error) {
      if (error instanceof NoEndpointError) return this.#unavailable(service, error);
      if (error instanceof ApiError) return textResponse(503, `${error.message}\n`);
      // A value, such as the user name, is not valid in a header.
      if ((error as NodeJS.ErrnoException).code === 'ERR_INVALID_CHAR')
        return textResponse(503, 'error trying to reach service: net/http: invalid header field value\n');
      throw error;
    }
  }

  /** The same, to an endpoint. @throws ApiError 503 if there is no response */
  async forwardTo(location: Location, request: TransportRequest, user: UserInfo): Promise<TransportResponse> {
    const mark = request.path.indexOf('?');
    const [path, query] = mark < 0 ? [request.path, ''] : [request.path.slice(0, mark), request.path.slice(mark)];
    const headers = userHeaders(user);
    return await forward(this.#backends, this.#log, request, { location, path, query, prefix: '', headers });
  }

  /** Forwards an upgraded connection, and settles when it has ended. @throws ApiError as long as no response has been sent */
  async upgrade(
    service: RemoteService,
    request: TransportRequest,
    user: UserInfo,
    lookup: Lookup,
    { socket, head }: UpgradingConnection,
  ): Promise<TransportResponse | undefined> {
    let location: Location;
    try {
      location = await this.locate(service, lookup);
    } catch (error) {
      if (error instanceof NoEndpointError) return this.#unavailable(service, error);
      throw error;
    }
    const target = { location, path: request.path, timeoutMs: dialTimeoutMs, headers: userHeaders(user) };
    await passUpgradeOn(this.#backends, this.#log, { request, socket, head }, target);
    return undefined;
  }

  /** An endpoint, chosen at random. @throws NoEndpointError */
  async locate(service: RemoteService, lookup: Lookup): Promise<Location> {
    const found = await serviceTarget(
      service.spec.service,
      {
        read: (resource: ResourceId, namespace: string | undefined, name: string) => lookup.read(resource, namespace, name),
        list: (resource: ResourceId, namespace?: string) => lookup.list(resource, namespace),
      },
      this.#options.random,
    );
    if (typeof found === 'string') throw new NoEndpointError(found);
    const { host, port } = found;
    return { scheme: 'https', address: host, hostname: host, port: String(port), kubelet: false, pool: this.#pool(service) };
  }

  /** Closes idle connections. */
  close(): void {
    for (const pool of this.#pools.values()) pool.destroy();
    this.#pools.clear();
  }

  #unavailable({ metadata: { name } }: RemoteService, error: NoEndpointError): TransportResponse {
    this.#log.warn({ err: error, apiService: name }, 'an aggregated server has no endpoint');
    return textResponse(503, 'service unavailable\n');
  }

  #pool({ spec: { service, caBundle = '', insecureSkipTLSVerify = false } }: RemoteService): https.Agent {
    const key = JSON.stringify([service, caBundle, insecureSkipTLSVerify]);
    const kept = this.#pools.get(key);
    if (kept !== undefined) return kept;
    const [oldest] = this.#pools.size < maxPools ? [] : this.#pools.entries();
    if (oldest !== undefined) {
      oldest[1].destroy();
      this.#pools.delete(oldest[0]);
    }
    const pool = this.#newPool(`${service.name}.${service.namespace}.svc`, caBundle, insecureSkipTLSVerify);
    this.#pools.set(key, pool);
    return pool;
  }

  #newPool(servername: string, caBundle: string, isUnchecked: boolean): https.Agent {
    const { identity, connect = ({ host, port }) => tcpConnect({ host, port, noDelay: true }) } = this.#options;
    const pool = new https.Agent({ keepAlive: true, maxFreeSockets: 25, timeout: 90_000 });
    pool.createConnection = (options) => {
      const plain = connect({ host: options.host ?? '', port: Number(options.port) });
      const socket = tlsConnect({
        socket: plain,
        servername,
        ...(identity === undefined ? {} : { cert: identity.certificate, key: identity.key }),
        ALPNProtocols: ['http/1.1'],
        rejectUnauthorized: !isUnchecked,
        ...(caBundle === '' ? {} : { ca: Buffer.from(caBundle, 'base64') }),
      });
      // Node does not report errors of the underlying socket to TLS.
      plain.once('error', (error) => socket.destroy(error));
      const timer = setTimeout(() => socket.destroy(new Error('i/o timeout')), dialTimeoutMs);
      socket.once('secureConnect', () => clearTimeout(timer));
      socket.once('close', () => clearTimeout(timer));
      return socket;
    };
    return pool;
  }
}
