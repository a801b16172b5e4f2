/**
 * The discovery and OpenAPI documents of aggregated servers. Both are fetched when an APIService is added or changed, and again every
 * minute. If a fetch fails, the previous documents are kept, and discovery marks them as stale.
 *
 * Source: kube-aggregator `pkg/apiserver/handler_discovery.go`, `pkg/controllers/openapiv3`.
 */
import { isDeepStrictEqual } from 'node:util';
import type { JsonObject } from '#api/json.ts';
import { type Clock, sleep } from '#client/clock.ts';
import { untilAborted } from '#client/until-aborted.ts';
import type { ServerLog } from '../serving/server-log.ts';
import type { RemoteReader } from './remote-answer.ts';
import { remoteResources } from './remote-discovery.ts';
import { remoteOpenApi } from './remote-openapi.ts';
import type { RemoteService, RemoteServices } from './remote-services.ts';

const intervalMs = 60_000;
const firstRetryMs = 500;

/** The documents of one APIService's server. */
export interface RemoteDocument {
  service: RemoteService;
  /** `APIResourceDiscovery`. */
  resources: readonly JsonObject[];
  freshness: 'Current' | 'Stale';
  /** The OpenAPI v3 document; undefined if there is none. */
  openApi: Uint8Array | undefined;
}

/** Keeps the documents of all aggregated servers. */
export class RemoteDocuments {
  readonly #services: RemoteServices;
  readonly #clock: Clock;
  readonly #log: ServerLog;
  readonly #byName = new Map<string, RemoteDocument>();
  #all: readonly RemoteDocument[] = [];

  constructor(services: RemoteServices, clock: Clock, log: ServerLog) {
    this.#services = services;
    this.#clock = clock;
    this.#log = log;
  }

  /** One for each APIService of another server; the same array until something changes. */
  all(): readonly RemoteDocument[] {
    return this.#all;
  }

  /** Fetches the documents until `signal` aborts. */
  async run(reader: RemoteReader, signal: AbortSignal): Promise<void> {
    const following = new Map<RemoteService, { ended: AbortController; loop: Promise<void> }>();
    const follow = (): void => {
      const now = new Set(this.#services.all());
      for (const [service, { ended }] of following) {
        if (now.has(service)) continue;
        ended.abort();
        following.delete(service);
      }
      this.#forgetAllBut(new Set([...now].map(({ metadata }) => metadata.name)));
      for (const service of now) {
        if (following.has(service)) continue;
        const ended = new AbortController();
        const loop = this.#follow(service, reader, AbortSignal.any([signal, ended.signal]));
        following.set(service, { ended, loop });
      }
    };
    const stop = this.#services.changed(follow);
    follow();
    await untilAborted(signal);
    stop();
    await Promise.all([...following.values()].map(({ loop }) => loop));
  }

  /** Never rejects. */
  async #follow(service: RemoteService, reader: RemoteReader, signal: AbortSignal): Promise<void> {
    const { name } = service.metadata;
    const before: Omit<RemoteDocument, 'service'> = this.#byName.get(name) ?? {
      resources: [],
      openApi: undefined,
      freshness: 'Stale',
    };
    let known: RemoteDocument = { ...before, service };
    this.#put(known);
    let retryMs = firstRetryMs;
    /** @returns whether all were fetched */
    const refresh = async (): Promise<boolean> => {
      try {
        known = { ...known, resources: await remoteResources(service, reader), freshness: 'Current' };
      } catch (error) {
        if (!signal.aborted) this.#put({ ...known, freshness: 'Stale' });
        throw error;
      }
      if (!signal.aborted) this.#put(known);
      known = { ...known, openApi: await remoteOpenApi(service, reader) };
      if (!signal.aborted) this.#put(known);
      return true;
    };
    while (!signal.aborted) {
      const isWhole = await refresh().catch((error: unknown) => {
        if (!signal.aborted)
          this.#log.debug({ err: error, apiService: name }, 'an aggregated server does not say what it serves');
        return false;
      });
      await sleep(this.#clock, isWhole ? intervalMs : retryMs, signal);
      retryMs = isWhole ? firstRetryMs : Math.min(retryMs * 2, intervalMs);
    }
  }

  #put(document: RemoteDocument): void {
    const { name } = document.service.metadata;
    const kept = this.#byName.get(name);
    if (kept !== undefined && isDeepStrictEqual(kept, document)) return;
    this.#byName.set(name, document);
    this.#all = [...this.#byName.values()];
  }

  #forgetAllBut(names: ReadonlySet<string>): void {
    for (const name of this.#byName.keys()) if (!names.has(name)) this.#byName.delete(name);
    this.#all = [...this.#byName.values()];
  }
}
