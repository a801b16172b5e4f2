/**
 * The aggregation layer: groups and versions that other servers answer (APIServices with a service). Requests for them are passed on after
 * authentication, authorization and flow control; discovery and OpenAPI speak of them as of our own.
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

/** A request that an aggregated server answers. */
export interface RemoteRequest {
  request: TransportRequest;
  user: UserInfo;
  lookup: Lookup;
  /** Of a connection that asks to become something else. */
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

  /** To be told of what is stored. */
  get follower(): readonly [storagePrefix: string, follower: CacheFollower] {
    return this.#services.follower;
  }

  /** Who answers the request; undefined: this server. */
  find(info: Pick<RequestInfo, 'path'>): RemoteService | undefined {
    return this.#services.find(info);
  }

  /** What aggregated servers serve; the same array until something changes. */
  documents(): readonly RemoteDocument[] {
    return this.#documents.all();
  }

  /** Passes a request on. @throws ApiError */
  async serve(service: RemoteService, { request, user, lookup, upgrade }: RemoteRequest): Promise<TransportResponse> {
    if (!isAvailable(service)) return textResponse(503, 'service unavailable\n');
    if (upgrade === undefined) return await this.servers.forward(service, request, user, lookup);
    const refused = await this.servers.upgrade(service, request, user, lookup, upgrade);
    return refused ?? bytesResponse(101, '', new Uint8Array());
  }

  /** The OpenAPI documents of this server together with those of others. */
  openApi(own: OpenApi): OpenApi {
    return mergedOpenApi(own, () => this.#documents.all());
  }

  /** Asks the servers what they serve, until `signal` aborts. */
  async run(lookup: Lookup, signal: AbortSignal): Promise<void> {
    await this.#documents.run(new RemoteReader(this.servers, lookup, signal), signal);
    this.servers.close();
  }
}
