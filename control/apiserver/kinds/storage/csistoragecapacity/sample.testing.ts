/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
export const samples = {
  'csistoragecapacities.storage.k8s.io': {
    nodeTopology: { matchLabels: { a: 'b' }, matchExpressions: [{ key: 'a', operator: 'In', values: ['b'] }] },
    storageClassName: 'fast',
    capacity: '1Gi',
    maximumVolumeSize: '1Gi',
  },
};
