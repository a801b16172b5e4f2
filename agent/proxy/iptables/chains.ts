/** The chains of kube-proxy's iptables mode: names, hashes, and the jumps into them from the kernel's own chains. */
import { hash } from 'node:crypto';

export type Table = 'mangle' | 'nat' | 'filter';

export const chains = {
  services: 'KUBE-SERVICES',
  externalServices: 'KUBE-EXTERNAL-SERVICES',
  nodePorts: 'KUBE-NODEPORTS',
  postrouting: 'KUBE-POSTROUTING',
  markMasq: 'KUBE-MARK-MASQ',
  forward: 'KUBE-FORWARD',
  proxyFirewall: 'KUBE-PROXY-FIREWALL',
  /** The kubelet's; written by both, with the same rule. */
  firewall: 'KUBE-FIREWALL',
  /** Empty: its absence tells that somebody has flushed the tables. */
  canary: 'KUBE-PROXY-CANARY',
} as const;

/** The kubelet makes it in every table to notice a flush: where it is, KUBE-FIREWALL is used by a kubelet. */
export const kubeletCanary = 'KUBE-KUBELET-CANARY';
/** Of the one rule in KUBE-FIREWALL. */
export const localnetComment = 'block incoming localnet connections';

export interface Jump {
  table: Table;
  from: string;
  to: string;
  /** The rule without `-A chain`, exactly as iptables-save prints it. */
  rule: string;
}

const jump = (table: Table, from: string, to: string, comment: string, onlyNew = false): Jump => ({
  table,
  from,
  to,
  rule: [onlyNew ? '-m conntrack --ctstate NEW' : '', comment === '' ? '' : `-m comment --comment "${comment}"`, `-j ${to}`]
    .filter((part) => part !== '')
    .join(' '),
});

/** In the order in which upstream puts them in front of what is there, so that the result is in the reverse order. */
export const jumps: readonly Jump[] = [
  jump('filter', 'INPUT', chains.externalServices, 'kubernetes externally-visible service portals', true),
  jump('filter', 'FORWARD', chains.externalServices, 'kubernetes externally-visible service portals', true),
  jump('filter', 'INPUT', chains.nodePorts, 'kubernetes health check service ports'),
  jump('filter', 'FORWARD', chains.services, 'kubernetes service portals', true),
  jump('filter', 'OUTPUT', chains.services, 'kubernetes service portals', true),
  jump('filter', 'FORWARD', chains.forward, 'kubernetes forwarding rules'),
  jump('filter', 'INPUT', chains.proxyFirewall, 'kubernetes load balancer firewall', true),
  jump('filter', 'OUTPUT', chains.proxyFirewall, 'kubernetes load balancer firewall', true),
  jump('filter', 'FORWARD', chains.proxyFirewall, 'kubernetes load balancer firewall', true),
  jump('nat', 'OUTPUT', chains.services, 'kubernetes service portals'),
  jump('nat', 'PREROUTING', chains.services, 'kubernetes service portals'),
  jump('nat', 'POSTROUTING', chains.postrouting, 'kubernetes postrouting rules'),
  jump('filter', 'INPUT', chains.firewall, ''),
  jump('filter', 'OUTPUT', chains.firewall, ''),
];

const servicePrefixes = ['KUBE-SVC-', 'KUBE-SVL-', 'KUBE-SEP-', 'KUBE-FW-', 'KUBE-EXT-'] as const;

/** Whether a chain belongs to one service, so that it is deleted when no rule needs it any more. */
export const isServiceChain = (chain: string): boolean => servicePrefixes.some((prefix) => chain.startsWith(prefix));

/** Cluster traffic policy: spreads over all endpoints. */
export const clusterPolicyChain = (id: string, protocol: string): string => `KUBE-SVC-${hash16(id + protocol)}`;
/** Local traffic policy: spreads over this node's endpoints. */
export const localPolicyChain = (id: string, protocol: string): string => `KUBE-SVL-${hash16(id + protocol)}`;
/** The load balancer's source ranges. */
export const firewallChain = (id: string, protocol: string): string => `KUBE-FW-${hash16(id + protocol)}`;
/** What comes for a node port, an external IP or a load balancer's IP. */
export const externalChain = (id: string, protocol: string): string => `KUBE-EXT-${hash16(id + protocol)}`;
/** One endpoint of one service port. */
export const endpointChain = (id: string, protocol: string, address: string): string =>
  `KUBE-SEP-${hash16(id + protocol + address)}`;

/** The first 16 characters of the base32 form of the SHA-256: chain names may have 28 characters at most. */
function hash16(text: string): string {
  const digest = hash('sha256', text, 'buffer');
  let name = '';
  // Five bytes are eight characters; above 32 bits, so without bit operators.
  for (const start of [0, 5]) {
    let bits = digest.readUIntBE(start, 5);
    let characters = '';
    for (let index = 0; index < 8; index++) {
      characters = `${base32[bits % 32]}${characters}`;
      bits = Math.floor(bits / 32);
    }
    name += characters;
  }
  return name;
}

/** RFC 4648, section 6. */
const base32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
