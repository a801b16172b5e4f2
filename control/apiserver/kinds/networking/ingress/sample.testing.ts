/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
const backend = { service: { name: 'web', port: { number: 80 } } };

export const samples = {
  'ingresses.networking.k8s.io': {
    spec: {
      ingressClassName: 'proxy',
      defaultBackend: { resource: { apiGroup: 'example.com', kind: 'Bucket', name: 'files' } },
      rules: [{ host: 'web.example.com', http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }],
      tls: [{ hosts: ['web.example.com'], secretName: 'tls' }],
    },
    status: {
      loadBalancer: { ingress: [{ ip: '10.0.0.1', hostname: 'lb.example.com', ports: [{ port: 80, protocol: 'TCP' }] }] },
    },
  },
};
