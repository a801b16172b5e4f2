/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
export const samples = {
  nodes: {
    spec: { taints: [{ key: 'a', effect: 'NoSchedule' }], podCIDRs: ['10.1.0.0/24'] },
    status: {
      capacity: { cpu: '1' },
      addresses: [{ type: 'InternalIP', address: '10.0.0.1' }],
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  },
};
