/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
import { richSelector as selector } from '../../core/pod/sample.testing.ts';

export const samples = {
  'poddisruptionbudgets.policy': {
    spec: { selector, maxUnavailable: '25%', unhealthyPodEvictionPolicy: 'AlwaysAllow' },
    status: {
      disruptionsAllowed: 1,
      currentHealthy: 3,
      desiredHealthy: 2,
      expectedPods: 3,
      observedGeneration: 1,
      disruptedPods: { web: '2026-01-01T00:00:00Z' },
      conditions: [
        {
          type: 'DisruptionAllowed',
          status: 'True',
          reason: 'SufficientPods',
          message: '',
          lastTransitionTime: '2026-01-01T00:00:00Z',
          observedGeneration: 1,
        },
      ],
    },
  },
};
