/**
 * The chains of nftables that policies become, as text. Pure.
 *
 *     egress  ──(source address)──▶ isolate-egress-<hash> ──▶ egress-<hash>-<policy> …  accept, or drop at the end
 *     ingress ──(destination)─────▶ isolate-ingress-<hash> ─▶ ingress-<hash>-<policy> … accept, or drop at the end
 *
 * A pod is one element of a map for each direction in which it is isolated: one lookup finds its chain, however many pods and
 * policies there are. Pods that the same policies isolate share a chain. A selector is a set of addresses.
 */
import { createHash } from 'node:crypto';
import type { IpFamily } from '#api/ip.ts';
import type {
  CompiledPolicy,
  Direction,
  PodPeer,
  PolicyPeer,
  PolicyPort,
  PolicyProtocol,
  PolicyRule,
} from './compiled-policy.ts';

/** The families with the number in the names of their sets. */
export const setSuffix: Readonly<Record<IpFamily, '4' | '6'>> = { IPv4: '4', IPv6: '6' };
const field: Readonly<Record<IpFamily, 'ip' | 'ip6'>> = { IPv4: 'ip', IPv6: 'ip6' };
const side: Readonly<Record<Direction, 'saddr' | 'daddr'>> = { Ingress: 'saddr', Egress: 'daddr' };

/** One chain: its name and rules. */
export interface PolicyChain {
  name: string;
  rules: readonly string[];
}

/** A named port of a policy: each pod has its own number for it. */
export interface NamedPortKey {
  protocol: PolicyProtocol;
  name: string;
}

const hash = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 12);

/** Name of the set of a selector's addresses, without the family's suffix. */
export const peerSetName = ({ id }: Pick<PodPeer, 'id'>): string => `pods-${hash(id)}-`;

/** Name of the set of (address, protocol, port) that have a port of this name, without the family's suffix. */
export const portSetName = ({ protocol, name }: NamedPortKey): string => `port-${protocol}-${name}-`;

/** Names are cut: the kernel takes 255 bytes. The hash tells them apart. */
const maxNameBytes = 120;

/** Name of the chain of one policy in one direction. */
export function policyChainName({ namespace, name }: Pick<CompiledPolicy, 'namespace' | 'name'>, direction: Direction): string {
  return `${direction.toLowerCase()}-${hash(`${namespace}/${name}`)}-${namespace}/${name}`.slice(0, maxNameBytes);
}

/** A comment of nft: at most 127 bytes. */
function comment(text: string): string {
  const plain = text.replaceAll(/[^\w./, :-]/g, '_');
  return `comment "${plain.length <= maxNameBytes ? plain : `${plain.slice(0, maxNameBytes - 14)}~${hash(text)}`}"`;
}

/** Of policies and pods: `namespace/name`. */
export const elementComment = comment;

/** The chain of one policy in one direction: what a rule allows is accepted; everything else goes back to the pod's chain. */
export function policyChain(policy: CompiledPolicy, direction: Direction, families: readonly IpFamily[]): PolicyChain {
  const note = comment(`${policy.namespace}/${policy.name}`);
  const matches = (policy.rules[direction] ?? []).flatMap((rule) => ruleMatches(rule, direction, families));
  return { name: policyChainName(policy, direction), rules: matches.map((match) => `${match}accept ${note}`) };
}

/** The chain of pods that these policies isolate in this direction. */
export function isolatedChain(policies: readonly CompiledPolicy[], direction: Direction): PolicyChain {
  const chains = policies.map((policy) => policyChainName(policy, direction)).sort();
  const names = policies.map(({ namespace, name }) => `${namespace}/${name}`).sort();
  return {
    name: `isolate-${direction.toLowerCase()}-${hash(chains.join(' '))}`,
    rules: [...chains.map((name) => `jump ${name}`), `counter drop ${comment(`isolated by ${names.join(', ')}`)}`],
  };
}

function ruleMatches({ peers, ports }: PolicyRule, direction: Direction, families: readonly IpFamily[]): string[] {
  const ofPeers = peers === undefined ? [''] : peers.flatMap((peer) => peerMatches(peer, direction, families));
  const ofPorts = ports === undefined ? [''] : portMatches(ports, families);
  return ofPeers.flatMap((peer) => ofPorts.flatMap((port) => (contradict(peer, port) ? [] : `${peer}${port}`)));
}

/** A match of one family's source with the other's destination. */
const contradict = (a: string, b: string): boolean =>
  (a.startsWith('ip ') && b.startsWith('ip6 ')) || (a.startsWith('ip6 ') && b.startsWith('ip '));

function peerMatches(peer: PolicyPeer, direction: Direction, families: readonly IpFamily[]): string[] {
  if (peer.kind === 'pods')
    return families.map((family) => `${field[family]} ${side[direction]} @${peerSetName(peer)}${setSuffix[family]} `);
  const { family, cidr, except } = peer;
  const address = `${field[family]} ${side[direction]}`;
  return [`${address} ${cidr} ${except.length === 0 ? '' : `${address} != { ${except.join(', ')} } `}`];
}

/** The named ports of the rules of a policy in one direction. */
export function namedPorts(rules: readonly PolicyRule[]): NamedPortKey[] {
  return rules.flatMap(({ ports = [] }) => ports.flatMap((port) => (port.kind === 'named' ? [port] : [])));
}

/** The selectors of the rules of a policy in one direction. */
export function podPeers(rules: readonly PolicyRule[]): PodPeer[] {
  return rules.flatMap(({ peers = [] }) => peers.flatMap((peer) => (peer.kind === 'pods' ? [peer] : [])));
}

function portMatches(ports: readonly PolicyPort[], families: readonly IpFamily[]): string[] {
  const ranges = Map.groupBy(
    ports.filter((port) => port.kind === 'range'),
    ({ protocol }) => protocol,
  );
  const numbers = Array.from(ranges, ([protocol, ofProtocol]) => {
    const merged = mergeRanges(ofProtocol);
    if (merged.some(({ first, last }) => first === 0 && last === 65_535)) return `meta l4proto ${protocol} `;
    return `${protocol} dport { ${merged.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)).join(', ')} } `;
  });
  // The port is looked up at the destination: of a named port each pod has its own number.
  const named = ports
    .filter((port) => port.kind === 'named')
    .flatMap((port) =>
      families.map((family) => `${field[family]} daddr . meta l4proto . th dport @${portSetName(port)}${setSuffix[family]} `),
    );
  return [...numbers, ...new Set(named)];
}

/** nft refuses ranges that overlap. */
function mergeRanges(ranges: readonly { first: number; last: number }[]): { first: number; last: number }[] {
  const merged: { first: number; last: number }[] = [];
  for (const { first, last } of ranges.toSorted((a, b) => a.first - b.first)) {
    const before = merged.at(-1);
    if (before !== undefined && first <= before.last + 1) before.last = Math.max(before.last, last);
    else merged.push({ first, last });
  }
  return merged;
}
