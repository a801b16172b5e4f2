/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
export const samples = {
  services: {
    spec: {
      type: 'LoadBalancer',
      externalTrafficPolicy: 'Local',
      selector: { a: 'b' },
      ports: [{ name: 'p', port: 80, appProtocol: 'http' }],
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 1 } },
      externalIPs: ['1.1.1.1'],
      loadBalancerSourceRanges: ['10.0.0.0/8'],
    },
  },
};
