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

  /** What is known of it now. */
  set({ metadata: { name } }: APIService, { status }: Availability): void {
    this.#unavailable.set({ name }, status === 'True' ? 0 : 1);
  }

  /** It has become unavailable. */
  count({ metadata: { name } }: APIService, { reason = 'UnknownReason' }: Availability): void {
    this.#total.inc({ name, reason });
  }

  /** It is no more. */
  forget(name: string): void {
    this.#unavailable.remove({ name });
  }
}
