/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
export const samples = {
  limitranges: {
    spec: {
      limits: [
        {
          type: 'Container',
          max: { cpu: '4' },
          min: { cpu: '1' },
          default: { cpu: '3' },
          defaultRequest: { cpu: '2' },
          maxLimitRequestRatio: { cpu: '2' },
        },
        { type: 'Pod', max: { memory: '1Gi' } },
        { type: 'PersistentVolumeClaim', min: { storage: '1Gi' } },
      ],
    },
  },
};
