/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
const condition = { type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z', reason: '', message: 'ready' };

export const samples = {
  'servicecidrs.networking.k8s.io': {
    spec: { cidrs: ['10.1.0.0/16', 'fd00:1::/112'] },
    status: { conditions: [condition] },
  },
};
