/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
import { richSelector as selector, richTemplate as template } from '../../core/pod/sample.testing.ts';

export const samples = {
  'statefulsets.apps': {
    spec: {
      selector,
      template,
      serviceName: 'web',
      ordinals: { start: 1 },
      updateStrategy: { rollingUpdate: { partition: 1 } },
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete' },
      volumeClaimTemplates: [
        {
          metadata: { name: 'data', labels: { a: 'b' } },
          spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
        },
      ],
    },
  },
};
