/**
 * Asks every kubelet for its `/metrics/resource`, each for itself: one that does not answer, or never stops answering, holds no other.
 *
 * Source: metrics-server `pkg/scraper/scraper.go`.
 */
import { Counter, Histogram, type Metric } from 'prom-client';
import type { Node } from '#api/types.generated.ts';
import { type Clock, sleep } from '#client/clock.ts';
import type { ServerLog } from '../serving/server-log.ts';
import { UsageReader } from './exposition.ts';
import type { UsageStore } from './usage-store.ts';

/** What {@link KubeletScraper} needs. */
export interface KubeletScraperDeps {
  clock: Clock;
  log: ServerLog;
  store: UsageStore;
  /** All nodes now. @throws ApiError, StoreError */
  nodes(): Promise<readonly Node[]>;
  /** A request to the node's kubelet. @throws Error */
  ask(node: Node, path: string, signal: AbortSignal): Promise<{ status: number; body: AsyncIterable<Uint8Array> }>;
  /** A number in [0, 1). */
  random(): number;
}

/** How often and how long nodes are asked. */
export interface KubeletScraperOptions {
  /** `--metric-resolution`: from one scrape of a node to its next. */
  resolutionMs: number;
  /** `--kubelet-request-timeout`: until the last byte of an answer. */
  timeoutMs: number;
}

/** A node of 500 pods with two containers each says some 400 KiB. */
const maxBodyBytes = 16 << 20;
/** The requests of a round are spread over this time at most. */
const maxSpreadMs = 4000;
const spreadPerNodeMs = 8;

/** Why what still belongs to a request that is over is aborted. Made once: an error costs the trace of its making. */
const ended = new Error('the request is over');

/** Asks each node's kubelet for its resource metrics. A node that does not answer keeps no other from being asked. */
export class KubeletScraper {
  readonly metrics: readonly Metric[];
  readonly #deps: KubeletScraperDeps;
  readonly #options: KubeletScraperOptions;
  /** Nodes whose last request has not ended. */
  readonly #underWay = new Map<string, Promise<void>>();
  /** Nodes that did not answer when they were last asked. */
  readonly #silent = new Set<string>();
  readonly #requests: Counter;
  readonly #durations: Histogram;

  constructor(deps: KubeletScraperDeps, options: KubeletScraperOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#requests = new Counter({
      name: 'metrics_server_kubelet_request_total',
      help: 'Number of requests sent to Kubelet API',
      labelNames: ['success'],
      registers: [],
    });
    this.#durations = new Histogram({
      name: 'metrics_server_kubelet_request_duration_seconds',
      help: 'Duration of requests to Kubelet API in seconds',
      registers: [],
    });
    this.metrics = [this.#requests, this.#durations];
  }

  /** Scrapes until `signal` aborts; settles when no request is left. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#deps;
    while (!signal.aborted) {
      await this.round(signal).catch((error: unknown) => {
        log.warn({ err: error }, 'the nodes could not be listed; their use is not measured now');
      });
      await sleep(clock, this.#options.resolutionMs, signal);
    }
    await Promise.all(this.#underWay.values());
  }

  /** Begins a request to each kubelet that has none under way. @throws what listing nodes throws */
  async round(signal: AbortSignal): Promise<void> {
    const { nodes, store } = this.#deps;
    const present = await nodes();
    const names = new Set(present.map(({ metadata }) => metadata.name));
    store.keepOnly(names);
    for (const name of this.#silent) if (!names.has(name)) this.#silent.delete(name);
    const spreadMs = Math.min(maxSpreadMs, present.length * spreadPerNodeMs);
    for (const node of present) {
      const { name } = node.metadata;
      if (this.#underWay.has(name)) continue;
      const scraping = this.#scrape(node, spreadMs, signal).finally(() => this.#underWay.delete(name));
      this.#underWay.set(name, scraping);
    }
  }

  /** Resolves when all requests that have begun have ended. */
  async idle(): Promise<void> {
    await Promise.all(this.#underWay.values());
  }

  async #scrape(node: Node, spreadMs: number, signal: AbortSignal): Promise<void> {
    const { clock, random, store } = this.#deps;
    const delayMs = random() * spreadMs;
    if (delayMs > 0) await sleep(clock, delayMs, signal);
    if (signal.aborted) return;
    const over = new AbortController();
    const timer = setTimeout(() => over.abort(new Error('it did not answer in time')), this.#options.timeoutMs);
    const startMs = performance.now();
    try {
      store.add(node.metadata.name, await this.#read(node, AbortSignal.any([signal, over.signal])));
      this.#requests.inc({ success: 'true' });
      this.#silent.delete(node.metadata.name);
    } catch (error) {
      this.#requests.inc({ success: 'false' });
      if (!signal.aborted) this.#failed(node.metadata.name, error);
    } finally {
      clearTimeout(timer);
      over.abort(ended);
      this.#durations.observe((performance.now() - startMs) / 1000);
    }
  }

  /** Told once for each node until it answers again: a thousand nodes that are gone would fill the log every few seconds. */
  #failed(node: string, error: unknown): void {
    if (this.#silent.has(node)) return;
    this.#silent.add(node);
    this.#deps.log.warn({ err: error, node }, 'the use of a node could not be read');
  }

  async #read(node: Node, signal: AbortSignal) {
    const { ask, clock } = this.#deps;
    const { status, body } = await ask(node, '/metrics/resource', signal);
    const reader = new UsageReader(clock.now());
    let bytes = 0;
    for await (const chunk of body) {
      signal.throwIfAborted();
      bytes += chunk.length;
      if (bytes > maxBodyBytes) throw new Error(`its answer is larger than ${maxBodyBytes} bytes`);
      if (status === 200) reader.push(chunk);
    }
    signal.throwIfAborted();
    if (status !== 200) throw new Error(`it answered with the status ${status}`);
    return reader.end();
  }
}
