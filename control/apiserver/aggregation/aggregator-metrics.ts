/** Metrics of the aggregation layer. Source: kube-aggregator `pkg/controllers/status/metrics/metrics.go` (names, labels). */
import { Counter, Gauge, type Metric } from 'prom-client';
import type { APIService } from '#api/types.generated.ts';
import type { Availability } from '../kinds/apiregistration/apiservice/conditions.ts';

/** `aggregator_unavailable_apiservice` and `…_total`. */
export class AggregatorMetrics {
  readonly #unavailable = new Gauge({
    name: 'aggregator_unavailable_apiservice',
    help: 'APIServices that are not available now (1), by name.',
    labelNames: ['name'],
    registers: [],
  });
  readonly #total = new Counter({
    name: 'aggregator_unavailable_apiservice_total',
    help: 'How often an APIService became unavailable, by name and reason.',
    labelNames: ['name', 'reason'],
    registers: [],
  });

  get all(): readonly Metric[] {
    return [this.#unavailable, this.#total];
  }

  /** Records the current availability. */
  set({ metadata: { name } }: APIService, { status }: Availability): void {
    this.#unavailable.set({ name }, status === 'True' ? 0 : 1);
  }

  /** Counts that it became unavailable. */
  count({ metadata: { name } }: APIService, { reason = 'UnknownReason' }: Availability): void {
    this.#total.inc({ name, reason });
  }

  /** Removes a deleted APIService. */
  forget(name: string): void {
    this.#unavailable.remove({ name });
  }
}
