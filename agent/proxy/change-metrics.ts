/** Measures changes on their way from the API to the kernel. */
import { triggerTimeAnnotation } from '#api/service-labels.ts';
import type { EndpointSlice } from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';
import { proxyMetrics } from './metrics.ts';

/** Changes that wait for one sync. Above it, they are not measured singly. */
const maxWaiting = 10_000;

interface Trigger {
  family: string;
  atMs: number;
}

/** Counts changes, and the time until their rules stand. */
export class ChangeMetrics {
  readonly #clock: Clock;
  readonly #startMs: number;
  #waiting: Trigger[] = [];
  #inSync: Trigger[] = [];
  readonly #pending = { services: 0, slices: 0 };

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startMs = clock.now();
  }

  service(): void {
    proxyMetrics.serviceChanges.inc();
    proxyMetrics.serviceChangesPending.set(++this.#pending.services);
  }

  /** @param previous the slice before the change; a trigger that it had, too, was measured then */
  slice(slice: EndpointSlice, previous?: EndpointSlice): void {
    proxyMetrics.endpointChanges.inc();
    proxyMetrics.endpointChangesPending.set(++this.#pending.slices);
    const trigger = slice.metadata?.annotations?.[triggerTimeAnnotation];
    if (trigger === undefined || trigger === previous?.metadata?.annotations?.[triggerTimeAnnotation]) return;
    const atMs = Date.parse(trigger);
    // What happened before the start did not wait for this proxy.
    if (Number.isNaN(atMs) || atMs < this.#startMs || this.#waiting.length >= maxWaiting) return;
    this.#waiting.push({ family: slice.addressType, atMs });
  }

  /** A sync begins: it brings what has been told by now. */
  syncing(): void {
    this.#inSync = this.#waiting;
    this.#waiting = [];
    this.#pending.services = 0;
    this.#pending.slices = 0;
    proxyMetrics.serviceChangesPending.set(0);
    proxyMetrics.endpointChangesPending.set(0);
  }

  /** The rules of one family stand. */
  synced(family: string): void {
    for (const { atMs } of this.#inSync.filter((one) => one.family === family))
      proxyMetrics.programmingSeconds.observe({ ip_family: family }, (this.#clock.now() - atMs) / 1000);
    this.#inSync = this.#inSync.filter((one) => one.family !== family);
  }

  /** The sync failed for some family: its changes go on waiting. */
  failed(): void {
    this.#waiting = [...this.#inSync, ...this.#waiting].slice(0, maxWaiting);
    this.#inSync = [];
  }
}
