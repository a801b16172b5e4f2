/** A part of what is measured of the controllers. */
import type { Metric } from 'prom-client';
import type { Clock } from '#client/clock.ts';
import type { Informers } from '#client/informers.ts';

/** What monitors look at. */
export interface MonitorDeps {
  informers: Informers;
  clock: Clock;
}

/** The metrics of one controller, or of a few that belong together. What can be seen in objects is counted from their changes. */
export interface Monitor {
  readonly metrics: readonly Metric[];
  /** The controllers begin a term in this process. @returns ends it */
  observe?(deps: MonitorDeps): () => void;
  /** A reconcile has ended. @param controller our name of it */
  reconciled?(controller: string, seconds: number, error: unknown): void;
}
