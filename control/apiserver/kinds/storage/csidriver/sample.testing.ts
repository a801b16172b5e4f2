/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
export const samples = {
  'csidrivers.storage.k8s.io': {
    spec: {
      attachRequired: true,
      podInfoOnMount: true,
      storageCapacity: true,
      fsGroupPolicy: 'File',
      tokenRequests: [{ audience: 'a', expirationSeconds: 3600 }],
      volumeLifecycleModes: ['Persistent', 'Ephemeral'],
      seLinuxMount: true,
      nodeAllocatableUpdatePeriodSeconds: 10,
      serviceAccountTokenInSecrets: true,
      requiresRepublish: true,
    },
  },
};
