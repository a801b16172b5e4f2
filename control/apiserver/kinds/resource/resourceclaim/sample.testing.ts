/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
const tolerations = [{ key: 'a', operator: 'Equal', value: 'b', effect: 'NoSchedule' }];
const exactly = {
  deviceClassName: 'gpu',
  selectors: [{ cel: { expression: 'true' } }],
  allocationMode: 'ExactCount',
  count: 1,
  adminAccess: true,
  tolerations,
  capacity: { requests: { memory: '1Gi' } },
};
const opaque = { driver: 'd', parameters: { a: 'b' } };
const device = { driver: 'd', pool: 'p', device: 'x', shareID: '5fd5b2f9-6f5a-4f5c-8f0b-4d3a2b1c0d9e' };

export const richClaim = {
  devices: {
    requests: [
      { name: 'one', exactly },
      { name: 'any', firstAvailable: [{ ...exactly, name: 'sub' }] },
    ],
    constraints: [{ requests: ['one'], matchAttribute: 'd/a', distinctAttribute: 'd/b' }],
    config: [{ requests: ['any/sub'], opaque }],
  },
};

export const samples = {
  'resourceclaims.resource.k8s.io': {
    spec: richClaim,
    status: {
      allocation: {
        devices: {
          results: [{ ...device, request: 'one', bindingConditions: ['a'], bindingFailureConditions: ['b'], tolerations }],
          config: [{ source: 'FromClaim', requests: ['one'], opaque }],
        },
        nodeSelector: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'a', operator: 'Exists' }] }] },
      },
      reservedFor: [{ resource: 'pods', name: 'p', uid: 'u' }],
      devices: [
        {
          ...device,
          conditions: [{ type: 'Ready', status: 'True', reason: 'R', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' }],
          data: { a: 'b' },
          networkData: { interfaceName: 'eth0', ips: ['10.0.0.1/24'], hardwareAddress: 'x' },
        },
      ],
    },
  },
};
