/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
export const samples = {
  'prioritylevelconfigurations.flowcontrol.apiserver.k8s.io': {
    spec: {
      type: 'Limited',
      limited: {
        nominalConcurrencyShares: 5,
        lendablePercent: 20,
        borrowingLimitPercent: 10,
        limitResponse: { type: 'Queue', queuing: { queues: 64, handSize: 6, queueLengthLimit: 50 } },
      },
    },
    status: {
      conditions: [{ type: 'X', status: 'False', reason: 'R', message: 'm', lastTransitionTime: '2026-01-01T00:00:00Z' }],
    },
  },
};
