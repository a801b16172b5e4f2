/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
export const samples = {
  'ipaddresses.networking.k8s.io': {
    spec: { parentRef: { group: 'example.com', resource: 'gateways', namespace: 'ns', name: 'edge' } },
  },
};
