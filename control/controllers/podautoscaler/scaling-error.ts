/** Why an autoscaler could not scale. */
import type { MetricStatus } from '#api/types.generated.ts';
import type { Failure } from './monitor.ts';

/** A failure of one autoscaler. It is reported in its conditions, and tried again after a period. */
export class ScalingError extends Error {
  override name = 'ScalingError';
  readonly failure: Failure;

  constructor(message: string, failure: Failure, options?: ErrorOptions) {
    super(message, options);
    this.failure = failure;
  }
}

/** No metric gave a proposal. */
export class NoProposalError extends Error {
  override name = 'NoProposalError';
  readonly statuses: MetricStatus[];
  readonly failure: Failure;

  constructor(message: string, statuses: MetricStatus[], failure: Failure) {
    super(message);
    this.statuses = statuses;
    this.failure = failure;
  }
}
