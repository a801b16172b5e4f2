/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
const secret = { name: 's', namespace: 'ns' };
const iqn = 'iqn.2026-01.com.example:storage';

export const samples = {
  persistentvolumes: {
    spec: {
      accessModes: ['ReadWriteOnce'],
      capacity: { storage: '1Gi' },
      claimRef: { namespace: 'ns', name: 'c' },
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [
            {
              matchExpressions: [{ key: 'beta.kubernetes.io/os', operator: 'In', values: ['linux'] }],
              matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n'] }],
            },
          ],
        },
      },
      persistentVolumeReclaimPolicy: 'Recycle',
      storageClassName: 'fast',
      volumeMode: 'Filesystem',
      volumeAttributesClassName: 'gold',
      hostPath: { path: '/x' },
      gcePersistentDisk: { pdName: 'd' },
      awsElasticBlockStore: { volumeID: 'v' },
      glusterfs: { endpoints: 'e', path: 'p', endpointsNamespace: 'ns' },
      flocker: { datasetName: 'd' },
      nfs: { server: 's', path: '/p' },
      rbd: { monitors: ['m'], image: 'i' },
      quobyte: { registry: 'h:1', volume: 'v' },
      cephfs: { monitors: ['m'] },
      iscsi: { targetPortal: 'p', iqn, lun: 1, initiatorName: iqn, chapAuthSession: true, secretRef: secret },
      cinder: { volumeID: 'v', secretRef: secret },
      fc: { targetWWNs: ['w'], lun: 1 },
      flexVolume: { driver: 'd', options: { a: 'b' } },
      azureFile: { secretName: 's', shareName: 's' },
      vsphereVolume: { volumePath: 'p' },
      photonPersistentDisk: { pdID: 'p' },
      portworxVolume: { volumeID: 'v' },
      azureDisk: { diskName: 'd', diskURI: 'https://x' },
      scaleIO: { gateway: 'g', system: 's', volumeName: 'v', secretRef: secret },
      local: { path: '/x' },
      storageos: { volumeName: 'v', secretRef: secret },
      csi: { driver: 'd', volumeHandle: 'h', controllerPublishSecretRef: secret, nodeExpandSecretRef: secret },
    },
    status: { phase: 'Bound', reason: 'r', lastPhaseTransitionTime: '2026-01-01T00:00:00Z' },
  },
};
