/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
export const samples = {
  'runtimeclasses.node.k8s.io': {
    handler: 'h',
    overhead: { podFixed: { cpu: '1m' } },
    scheduling: { nodeSelector: { a: 'b' }, tolerations: [{ key: 'a', operator: 'Exists' }] },
  },
};
