/**
 * Repairs the allocations of stored objects (cluster IPs, node ports): once before writes are served, and then every three minutes. Each
 * kind's strategy has the `repair`.
 *
 * Source: kubernetes `pkg/registry/core/service/{ipallocator,portallocator}/controller`, which upstream runs as a post-start hook.
 */
import type { KubeObject } from '#api/meta.ts';
import { type Clock, sleep } from '#client/clock.ts';
import { untilAborted } from '#client/until-aborted.ts';
import type { CacheFeed } from './cache/cache-feed.ts';
import type { KindCatalog, ServedKind } from './catalog.ts';
import type { StoredObjects } from './registry/strategy.ts';
import type { ServerLog } from './serving/server-log.ts';

/** Upstream's interval of the controllers that repair cluster IPs and node ports. */
const intervalMs = 180_000;
/** The delay after a failed attempt, until the first success. */
const firstRetryMs = 10_000;
/** The delay after a request for a repair, so that several requests share one repair. */
const soonMs = 1000;

/** What repairs need. */
export interface RepairsDeps {
  clock: Clock;
  log: ServerLog;
  feed: CacheFeed;
  catalog: KindCatalog;
}

/** The repairs of one API server. */
export class Repairs {
  readonly #deps: RepairsDeps;
  readonly #attempted = Promise.withResolvers<void>();
  #isDone = false;
  /** Resolves when a repair is requested. Replaced at the begin of each round, so that requests during a round are not missed. */
  #asked = Promise.withResolvers<void>();

  constructor(deps: RepairsDeps) {
    this.#deps = deps;
  }

  /** Whether a repair of everything has succeeded. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /**
   * Resolves after the first attempt, even if it failed: reads can still be served if the store accepts no writes. Also resolves if the
   * server shuts down before. @throws the errors of the cache feed's first read
   */
  get attempted(): Promise<void> {
    return this.#attempted.promise;
  }

  /** Requests a repair within a second, instead of at the next interval, because an allocation of a stored object was lost. */
  soon(): void {
    this.#asked.resolve();
  }

  /** Runs until `signal` aborts. Failures are logged and tried again. */
  async run(signal: AbortSignal): Promise<void> {
    const { log, catalog, feed } = this.#deps;
    try {
      await Promise.race([feed.ready, untilAborted(signal)]);
    } catch (error) {
      // Avoids an unhandled rejection if nothing awaits `attempted`: `feed.run` throws the same error.
      this.#attempted.promise.catch(() => undefined);
      this.#attempted.reject(error);
      return;
    }
    while (!signal.aborted) {
      this.#asked = Promise.withResolvers();
      try {
        for (const kind of catalog.all()) await this.of(kind);
        this.#isDone = true;
      } catch (error) {
        if (!signal.aborted) log.error({ err: error }, 'what stored objects hold could not be repaired; trying again');
      }
      this.#attempted.resolve();
      await this.#untilNext(signal);
    }
    // Waiting requests continue; the cache feed then refuses them with 503.
    this.#attempted.resolve();
  }

  async #untilNext(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    const over = new AbortController();
    const end = AbortSignal.any([signal, over.signal]);
    const timely = sleep(clock, this.#isDone ? intervalMs : firstRetryMs, end);
    try {
      await Promise.race([timely, this.#asked.promise.then(() => sleep(clock, soonMs, end))]);
    } finally {
      over.abort();
    }
  }

  /** Repairs one kind. Most have no allocations. @throws StoreError */
  async of(kind: ServedKind): Promise<void> {
    await kind.strategy.repair?.(() => this.#stored(kind));
  }

  async #stored({ resource: { storagePrefix } }: ServedKind): Promise<StoredObjects<KubeObject>> {
    const { feed } = this.#deps;
    await feed.fresh();
    const objects = [...feed.cache(storagePrefix).range(`${storagePrefix}/`)].map(({ object }) => object);
    return { objects, complete: !feed.hasUndecodable(`${storagePrefix}/`) };
  }
}
