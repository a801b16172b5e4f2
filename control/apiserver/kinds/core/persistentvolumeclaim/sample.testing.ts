/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
export const richClaimSpec = {
  accessModes: ['ReadWriteOnce'],
  selector: { matchLabels: { a: 'b' }, matchExpressions: [{ key: 'a', operator: 'In', values: ['b'] }] },
  resources: { requests: { storage: '1Gi' }, limits: { storage: '2Gi' } },
  storageClassName: 'fast',
  volumeMode: 'Filesystem',
  dataSource: { kind: 'VolumeSnapshot', name: 's', apiGroup: 'snapshot.storage.k8s.io' },
  dataSourceRef: { kind: 'VolumeSnapshot', name: 's', apiGroup: 'snapshot.storage.k8s.io' },
  volumeAttributesClassName: 'gold',
  volumeName: 'v',
};

export const samples = {
  persistentvolumeclaims: {
    spec: richClaimSpec,
    status: {
      phase: 'Bound',
      capacity: { storage: '1Gi' },
      accessModes: ['ReadWriteOnce'],
      allocatedResources: { storage: '1Gi' },
      allocatedResourceStatuses: { storage: 'NodeResizePending' },
      conditions: [{ type: 'Resizing', status: 'True' }],
    },
  },
};
