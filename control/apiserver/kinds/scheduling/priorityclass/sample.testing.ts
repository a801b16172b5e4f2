/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
export const samples = {
  'priorityclasses.scheduling.k8s.io': { value: 1, preemptionPolicy: 'Never' },
};
