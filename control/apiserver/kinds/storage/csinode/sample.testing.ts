/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
export const samples = {
  'csinodes.storage.k8s.io': {
    spec: { drivers: [{ name: 'd', nodeID: 'n', topologyKeys: ['zone'], allocatable: { count: 1 } }] },
  },
};
