/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
export const samples = {
  'storageclasses.storage.k8s.io': {
    provisioner: 'd',
    parameters: { a: 'b' },
    reclaimPolicy: 'Delete',
    volumeBindingMode: 'Immediate',
    allowVolumeExpansion: true,
    mountOptions: ['ro'],
    allowedTopologies: [{ matchLabelExpressions: [{ key: 'zone', values: ['a', 'b'] }] }],
  },
};
