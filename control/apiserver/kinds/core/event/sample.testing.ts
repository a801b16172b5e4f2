/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
export const samples = {
  events: {
    involvedObject: { kind: 'Pod', namespace: 'ns' },
    source: { component: 'c' },
    series: { count: 2, lastObservedTime: '2026-01-01T00:00:00.000000Z' },
  },
  'events.events.k8s.io': {
    eventTime: '2026-01-01T00:00:00.000000Z',
    regarding: { kind: 'Pod', namespace: 'ns' },
    deprecatedSource: { component: 'c' },
  },
};
