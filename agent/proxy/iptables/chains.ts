/**
 * The chains of kube-proxy's iptables mode: their names, the hashes in names, and the jumps to them from the kernel's own chains.
 */
import { hash } from 'node:crypto';

/** The tables in which kube-proxy has chains. */
export type Table = 'mangle' | 'nat' | 'filter';

/** The chains that exist once per table. Names are upstream's. */
export const chains = {
  services: 'KUBE-SERVICES',
  externalServices: 'KUBE-EXTERNAL-SERVICES',
  nodePorts: 'KUBE-NODEPORTS',
  postrouting: 'KUBE-POSTROUTING',
  markMasq: 'KUBE-MARK-MASQ',
  forward: 'KUBE-FORWARD',
  proxyFirewall: 'KUBE-PROXY-FIREWALL',
  /** This chain is shared with the kubelet. Both write the same rule into it. */
  firewall: 'KUBE-FIREWALL',
  /** An empty chain. When it is missing, another program has flushed the tables. */
  canary: 'KUBE-PROXY-CANARY',
} as const;

/** The chain that the kubelet makes in every table to detect a flush. When it exists, a kubelet uses KUBE-FIREWALL. */
export const kubeletCanary = 'KUBE-KUBELET-CANARY';
/** The comment of the rule in KUBE-FIREWALL. */
export const localnetComment = 'block incoming localnet connections';

/** A jump from a chain of the kernel into a chain of ours. */
export interface Jump {
  table: Table;
  from: string;
  to: string;
  /** The rule without `-A chain`, in the spelling of iptables-save. */
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

/** The jumps, in the order in which upstream inserts each at the front of its chain. The chain then has them in reverse order. */
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

/** Whether a chain belongs to one service. Such a chain is deleted when no rule uses it any more. */
export const isServiceChain = (chain: string): boolean => servicePrefixes.some((prefix) => chain.startsWith(prefix));

/** The chain of the Cluster traffic policy: it spreads over all endpoints. */
export const clusterPolicyChain = (id: string, protocol: string): string => `KUBE-SVC-${hash16(id + protocol)}`;
/** The chain of the Local traffic policy: it spreads over this node's endpoints. */
export const localPolicyChain = (id: string, protocol: string): string => `KUBE-SVL-${hash16(id + protocol)}`;
/** The chain that checks the load balancer's source ranges. */
export const firewallChain = (id: string, protocol: string): string => `KUBE-FW-${hash16(id + protocol)}`;
/** The chain for traffic to a node port, an external IP or a load balancer's IP. */
export const externalChain = (id: string, protocol: string): string => `KUBE-EXT-${hash16(id + protocol)}`;
/** The chain of one endpoint of one service port. */
export const endpointChain = (id: string, protocol: string, address: string): string =>
  `KUBE-SEP-${hash16(id + protocol + address)}`;

/** The first 16 characters of the SHA-256 in base32. A chain's name may have at most 28 characters. */
function hash16(text: string): string {
  const digest = hash('sha256', text, 'buffer');
  let name = '';
  // Five bytes give eight characters. Five bytes exceed 32 bits, so JavaScript's bit operators cannot be used.
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

/** The base32 alphabet of RFC 4648, section 6. */
const base32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
