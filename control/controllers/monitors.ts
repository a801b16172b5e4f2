/** What the controllers measure of themselves, under upstream's names. One for all terms of a process. */
import type { Metric } from 'prom-client';
import { ResourceClaimMetrics } from './resource-claim/metrics.ts';

/** The metrics of all controllers that have some of their own. */
export class ControllerMonitors {
  readonly resourceClaim = new ResourceClaimMetrics();

  /** For the registry under which they are served. */
  get metrics(): readonly Metric[] {
    return [...this.resourceClaim.metrics];
  }
}
