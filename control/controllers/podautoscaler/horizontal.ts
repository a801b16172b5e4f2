/**
 * HorizontalPodAutoscaler controller: computes the number of replicas of a target from its metrics, and sets it through the subresource
 * `scale`.
 *
 * Owns: -.  Watches: HorizontalPodAutoscaler (and reads Pod).  Writes: HorizontalPodAutoscaler/status, the scale of any kind.
 * Source: kubernetes `pkg/controller/podautoscaler/horizontal.go`; KEP-853 (behavior), KEP-4951 (tolerance).
 */
import { keyToName } from '#api/meta.ts';
import type { Controller, ControllerDeps } from '#client/controller.ts';
import { done, requeueAfter } from '#client/controller.ts';
import { own } from '#client/controller-runner.ts';
import type { HorizontalOptions } from './horizontal-options.ts';
import { createMetricsClient, type MetricsClient } from './metrics-client.ts';
import { AutoscalerMonitor, type Failure } from './monitor.ts';
import { Reconciliation } from './reconciliation.ts';
import type { Known } from './scale-target.ts';
import { ScalingError } from './scaling-error.ts';

/** Makes the controller. */
export function horizontalController(deps: ControllerDeps, options: HorizontalOptions): Controller {
  const autoscalers = new HorizontalAutoscalers(deps, options);
  return {
    name: 'horizontal-pod-autoscaler',
    watches: [own('horizontalpodautoscalers.autoscaling')],
    concurrency: options.concurrency,
    async reconcile(key) {
      const untilNextMs = await autoscalers.look(key);
      return untilNextMs === undefined ? done : requeueAfter(untilNextMs);
    },
  };
}

class HorizontalAutoscalers {
  readonly #deps: ControllerDeps;
  readonly #options: HorizontalOptions;
  readonly #monitor: AutoscalerMonitor;
  readonly #metrics: MetricsClient;
  readonly #known = new Map<string, Known>();

  constructor(deps: ControllerDeps, options: HorizontalOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#monitor = options.monitor ?? new AutoscalerMonitor();
    this.#metrics = options.metrics ?? createMetricsClient(deps.client, deps.catalog);
  }

  /** Reconciles if it is time. @returns milliseconds until the next reconcile; undefined when the autoscaler is gone */
  async look(key: string): Promise<number | undefined> {
    const { caches, clock, log } = this.#deps;
    const cached = caches.cache('horizontalpodautoscalers.autoscaling').get(key);
    if (cached === undefined) return this.#forget(key);
    const known = this.#known.get(key) ?? {
      history: { recommendations: [], ups: [], downs: [] },
      matcher: undefined,
      nextMs: 0,
    };
    this.#known.set(key, known);
    this.#monitor.counted(this.#known.size);
    const nowMs = clock.now();
    if (nowMs < known.nextMs) return known.nextMs - nowMs;
    known.nextMs = nowMs + this.#options.syncPeriodMs;
    const startMs = performance.now();
    const run = new Reconciliation(this.#deps, this.#options, this.#metrics, this.#monitor, this.#known, known, cached);
    let failure: Failure = 'none';
    try {
      await run.reconcile();
    } catch (error) {
      failure = error instanceof ScalingError ? error.failure : 'internal';
      log.info({ err: error, autoscaler: key }, 'an autoscaler could not do all of its work; it is looked at again');
    }
    this.#monitor.reconciled(run.action, failure, (performance.now() - startMs) / 1000);
    return this.#options.syncPeriodMs;
  }

  #forget(key: string): undefined {
    this.#known.delete(key);
    const { namespace = '', name } = keyToName(key);
    this.#monitor.forget(namespace, name);
    this.#monitor.counted(this.#known.size);
  }
}
