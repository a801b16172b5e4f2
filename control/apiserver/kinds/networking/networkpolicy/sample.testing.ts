/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
import { richSelector as selector } from '../../core/pod/sample.testing.ts';

const ports = [{ port: 80, endPort: 90, protocol: 'TCP' }, { port: 'http' }];
const peers = [
  { podSelector: selector, namespaceSelector: selector },
  { ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } },
];

export const samples = {
  'networkpolicies.networking.k8s.io': {
    spec: {
      podSelector: selector,
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{ ports, from: peers }],
      egress: [{ ports, to: peers }],
    },
  },
};
