/**
 * The aggregation layer: API groups and versions that other servers serve (APIServices with a service). Requests for them are forwarded
 * after authentication, authorization and flow control. Discovery and OpenAPI include them.
 *
 *   APIService ─▶ RemoteServices ─┬─▶ router: RemoteServers.forward      availability controller ─▶ APIService/status
 *                                 └─▶ RemoteDocuments ─▶ discovery, OpenAPI
 *
 * Source: kube-aggregator `pkg/apiserver`; kubernetes.io, "Kubernetes API Aggregation Layer".
 */
import type { OpenApi } from '#api/schema/openapi.ts';
import type { Clock } from '#client/clock.ts';
import type { TransportRequest, TransportResponse } from '#client/transport.ts';
import type { CacheFollower } from '../cache/cache-feed.ts';
import { isAvailable } from '../kinds/apiregistration/apiservice/conditions.ts';
import type { UserInfo } from '../registry/strategy.ts';
import type { RequestInfo } from '../rest/request-info.ts';
import { bytesResponse, textResponse } from '../rest/responses.ts';
import type { UpgradingConnection } from '../serving/filter-chain.ts';
import type { ServerLog } from '../serving/server-log.ts';
import { mergedOpenApi } from './merged-openapi.ts';
import { RemoteReader } from './remote-answer.ts';
import { type RemoteDocument, RemoteDocuments } from './remote-documents.ts';
import { type Lookup, RemoteServers, type RemoteServersOptions } from './remote-servers.ts';
import { type RemoteService, RemoteServices } from './remote-services.ts';

/** A request to an aggregated server. */
export interface RemoteRequest {
  request: TransportRequest;
  user: UserInfo;
  lookup: Lookup;
  /** Only for requests to upgrade the connection. */
  upgrade: UpgradingConnection | undefined;
}

/** The aggregation layer of one API server. */
export class Aggregation {
  readonly servers: RemoteServers;
  readonly #services = new RemoteServices();
  readonly #documents: RemoteDocuments;

  constructor(options: RemoteServersOptions & { clock: Clock }, log: ServerLog) {
    this.servers = new RemoteServers(options, log);
    this.#documents = new RemoteDocuments(this.#services, options.clock, log);
  }

  /** Listeners for changes of stored objects. */
  get follower(): readonly [storagePrefix: string, follower: CacheFollower] {
    return this.#services.follower;
  }

  /** The aggregated server of a request; undefined: this server. */
  find(info: Pick<RequestInfo, 'path'>): RemoteService | undefined {
    return this.#services.find(info);
  }

  /** The groups and versions of aggregated servers. The same array until something changes. */
  documents(): readonly RemoteDocument[] {
    return this.#documents.all();
  }

  /** Forwards a request. @throws ApiError */
  async serve(service: RemoteService, { request, user, lookup, upgrade }: RemoteRequest): Promise<TransportResponse> {
    if (!isAvailable(service)) return textResponse(503, 'service unavailable\n');
    if (upgrade === undefined) return await this.servers.forward(service, request, user, lookup);
    const refused = await this.servers.upgrade(service, request, user, lookup, upgrade);
    return refused ?? bytesResponse(101, '', new Uint8Array());
  }

  /** The OpenAPI documents of this server and of aggregated ones. */
  openApi(own: OpenApi): OpenApi {
    return mergedOpenApi(own, () => this.#documents.all());
  }

  /** Fetches discovery and OpenAPI of the servers, until `signal` aborts. */
  async run(lookup: Lookup, signal: AbortSignal): Promise<void> {
    await this.#documents.run(new RemoteReader(this.servers, lookup, signal), signal);
    this.servers.close();
  }
}
