/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
import { richSelector as selector, richTemplate as template } from '../../core/pod/sample.testing.ts';

export const richJobSpec = {
  completions: 3,
  parallelism: 2,
  completionMode: 'Indexed',
  backoffLimit: 3,
  backoffLimitPerIndex: 1,
  maxFailedIndexes: 1,
  managedBy: 'acme.io/foo',
  podFailurePolicy: {
    rules: [
      { action: 'FailIndex', onExitCodes: { containerName: 'c', operator: 'In', values: [1, 2] } },
      { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
    ],
  },
  successPolicy: { rules: [{ succeededIndexes: '0,1-2', succeededCount: 1 }] },
};

export const samples = {
  'jobs.batch': {
    spec: { ...richJobSpec, selector, template },
    status: {
      conditions: [{ type: 'Suspended', status: 'True' }],
      uncountedTerminatedPods: { succeeded: ['u'], failed: ['v'] },
      completedIndexes: '0',
      failedIndexes: '1',
    },
  },
};
