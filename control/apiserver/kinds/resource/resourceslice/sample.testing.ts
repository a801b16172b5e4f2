/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
const nodeSelector = { nodeSelectorTerms: [{ matchExpressions: [{ key: 'a', operator: 'Exists' }] }] };

export const samples = {
  'resourceslices.resource.k8s.io': {
    spec: {
      driver: 'd',
      pool: { name: 'p', generation: 1, resourceSliceCount: 1 },
      nodeName: 'n',
      nodeSelector,
      allNodes: true,
      perDeviceNodeSelection: true,
      sharedCounters: [{ name: 's', counters: { c: { value: '1' } } }],
      devices: [
        {
          name: 'x',
          attributes: { a: { string: 's' }, 'd/v': { version: '1.0.0' }, i: { int: 1 }, b: { bool: true } },
          capacity: {
            m: {
              value: '4Gi',
              requestPolicy: {
                default: '1Gi',
                validValues: ['1Gi', '2Gi'],
                validRange: { min: '1Gi', max: '4Gi', step: '1Gi' },
              },
            },
          },
          allowMultipleAllocations: true,
          taints: [{ key: 'a', value: 'b', effect: 'NoExecute' }],
          consumesCounters: [{ counterSet: 's', counters: { c: { value: '1' } } }],
          nodeName: 'n',
          nodeSelector,
          allNodes: true,
          bindingConditions: ['a'],
          bindingFailureConditions: ['b'],
        },
      ],
    },
  },
};
