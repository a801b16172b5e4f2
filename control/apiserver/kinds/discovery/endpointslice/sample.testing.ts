/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
export const samples = {
  'endpointslices.discovery.k8s.io': {
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.0.0.1'], hints: { forZones: [{ name: 'z' }] }, hostname: 'h' }],
    ports: [{ name: 'p', port: 80 }],
  },
};
