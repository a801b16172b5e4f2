/** The interface of a group of controller metrics. */
import type { Metric } from 'prom-client';
import type { Clock } from '#client/clock.ts';
import type { Informers } from '#client/informers.ts';

/** The dependencies of monitors. */
export interface MonitorDeps {
  informers: Informers;
  clock: Clock;
}

/** The metrics of one or a few related controllers. Where possible, they are counted from changes of objects. */
export interface Monitor {
  readonly metrics: readonly Metric[];
  /** Starts a leadership term in this process. @returns a function that ends it */
  observe?(deps: MonitorDeps): () => void;
  /** Called after each reconcile. @param controller our name of the controller */
  reconciled?(controller: string, seconds: number, error: unknown): void;
}
