/** The names of chains, sets and maps of kube-proxy's nftables mode. They are upstream's where upstream has such a thing. */
import { hash } from 'node:crypto';
import type { IpFamily } from '#api/ip.ts';
import type { EndpointState } from '../endpoints.ts';
import type { ServicePortState } from '../state.ts';

/** The table, once in each family. */
export const tableName = 'kube-proxy';

/** What differs between the address families. */
export interface FamilyWords {
  /** `ip` or `ip6`: the family of the table, and the protocol in rules. */
  ip: string;
  address: string;
  notLoopback: string;
}

/** The words of each family. */
export const familyWords: Readonly<Record<IpFamily, FamilyWords>> = {
  IPv4: { ip: 'ip', address: 'ipv4_addr', notLoopback: 'ip daddr != 127.0.0.0/8' },
  IPv6: { ip: 'ip6', address: 'ipv6_addr', notLoopback: 'ip6 daddr != ::1' },
};

/** Maps and sets with elements of services. */
export const containers = {
  serviceIps: 'service-ips',
  nodePorts: 'service-nodeports',
  clusterIps: 'cluster-ips',
  noEndpointServices: 'no-endpoint-services',
  noEndpointNodePorts: 'no-endpoint-nodeports',
  firewallIps: 'firewall-ips',
  hairpin: 'hairpin-connections',
  nodePortIps: 'nodeport-ips',
} as const;

/** The protocols of services; each has maps of endpoints of its own, because a rule names one protocol. */
export const protocols = ['tcp', 'udp', 'sctp'] as const;

/**
 * The endpoints of services, by address, port and number. One map serves all services: with a chain or an anonymous map for each, the kernel would
 * need time in proportion to their number for each change.
 */
export const serviceEndpoints = (protocol: string): string => `service-endpoints-${protocol}`;
/** The endpoints of node ports, by port and number. */
export const nodePortEndpoints = (protocol: string): string => `nodeport-endpoints-${protocol}`;

/** The chain that sends to one of `n` endpoints of {@link serviceEndpoints}. */
export const spreadChain = (protocol: string, n: number): string => `spread-${protocol}-${n}`;
/** As {@link spreadChain}, for traffic from outside. */
export const externalSpreadChain = (protocol: string, n: number): string => `external-spread-${protocol}-${n}`;
/** As {@link spreadChain}, of {@link nodePortEndpoints}. */
export const nodePortSpreadChain = (protocol: string, n: number): string => `nodeport-spread-${protocol}-${n}`;

/** nf_tables has names of at most 255 bytes. The longest prefix, of a set of clients, is 16 long. */
const maxBaseLength = 235;

/** The last part of the names of a port's own chains: `HASH-namespace/service/protocol/port`. */
export function portBase({ namespace, name, id, protocol }: ServicePortState): string {
  const portName = id.slice(`${namespace}/${name}:`.length);
  return hashed(`${namespace}/${name}/${protocol}/${portName}`);
}

/** The last part of the names of the chain and set of one endpoint. */
export function endpointBase({ namespace, name, id, protocol }: ServicePortState, { ip, port }: EndpointState): string {
  const portName = id.slice(`${namespace}/${name}:`.length);
  return hashed(`${namespace}/${name}/${protocol}/${portName}__${ip.replaceAll(':', '.')}/${port}`);
}

function hashed(name: string): string {
  const full = `${base32(hash('sha256', name, 'buffer'))}-${name}`;
  return full.length > maxBaseLength ? `${full.slice(0, maxBaseLength - 3)}...` : full;
}

/** The first eight characters in base32. */
function base32(digest: Buffer): string {
  let bits = digest.readUIntBE(0, 5);
  let text = '';
  for (let index = 0; index < 8; index++) {
    text = `${'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[bits % 32]}${text}`;
    bits = Math.floor(bits / 32);
  }
  return text;
}
