/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
export const samples = {
  'leases.coordination.k8s.io': { spec: { holderIdentity: 'h', leaseDurationSeconds: 1 } },
};
