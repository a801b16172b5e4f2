/**
 * Reads a NetworkPolicy into the form that rules are made of. Pure.
 *
 * The store may hold what no API server of today accepts. A part that cannot be read allows nothing, and the pods that the policy
 * selects stay isolated: reading less than is written must never open a pod.
 *
 * Source: kubernetes.io, "Network Policies"; staging/src/k8s.io/api/networking/v1/types.go.
 */
import { errorText } from '#api/error-text.ts';
import { type Cidr, contains, formatCidr, type IpFamily, parseCidrSloppy } from '#api/ip.ts';
import { type LabelMatcher, labelMatcher } from '#api/selector.ts';
import type { IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from '#api/types.generated.ts';

/** The two directions of traffic, as `spec.policyTypes` names them. */
export type Direction = 'Ingress' | 'Egress';

/** The two directions, in the order in which a packet meets them. */
export const directions: readonly Direction[] = ['Egress', 'Ingress'];

/** The protocols that a NetworkPolicy can name, as nft(8) writes them. */
export type PolicyProtocol = 'tcp' | 'udp' | 'sctp';

/** Selects pods of the cluster. */
export interface PodPeer {
  kind: 'pods';
  /** Equal for equal selectors of the same namespaces, so that policies share one set of addresses. */
  id: string;
  /** The only namespace; undefined: those of `namespaces`. */
  namespace: string | undefined;
  namespaces: LabelMatcher | undefined;
  pods: LabelMatcher;
}

/** A range of addresses without its exceptions. */
export interface BlockPeer {
  kind: 'block';
  family: IpFamily;
  /** In CIDR notation. */
  cidr: string;
  except: readonly string[];
}

/** What a rule allows on the other side of a connection. */
export type PolicyPeer = PodPeer | BlockPeer;

/** The destination ports that a rule allows. */
export type PolicyPort =
  | { kind: 'range'; protocol: PolicyProtocol; first: number; last: number }
  | { kind: 'named'; protocol: PolicyProtocol; name: string };

/** One rule: traffic that matches a peer and a port. Undefined: any. */
export interface PolicyRule {
  peers: readonly PolicyPeer[] | undefined;
  ports: readonly PolicyPort[] | undefined;
}

/** A policy as rules are made of it. */
export interface CompiledPolicy {
  namespace: string;
  name: string;
  pods: LabelMatcher;
  /** The rules of the directions in which the policy isolates. Absent: it says nothing about this direction. */
  rules: Partial<Record<Direction, readonly PolicyRule[]>>;
  /** What could not be read, beginning with the field. */
  problems: readonly string[];
}

/**
 * How many pairs of a peer and a protocol or named port one rule may have: each becomes a rule of the kernel. nft needs seconds for so many, and
 * until it has ended no other policy of the node changes.
 */
const maxPairs = 100_000;

/** How many matches the ports become: the numbers of one protocol are one. */
const lookups = (ports: readonly PolicyPort[] | undefined): number =>
  new Set(ports?.map((port) => (port.kind === 'named' ? `${port.protocol} ${port.name}` : port.protocol)) ?? ['']).size;

/** Reads a policy. @throws Error when the pods that it selects cannot be told */
export function compilePolicy({ metadata, spec }: NetworkPolicy): CompiledPolicy {
  const { namespace = '', name } = metadata;
  const problems: string[] = [];
  const tell = (field: string, error: unknown): undefined => void problems.push(`${field}: ${errorText(error)}`);
  const rules: CompiledPolicy['rules'] = {};
  for (const direction of typesOf(spec ?? {})) {
    const [field, peerField] = direction === 'Ingress' ? (['ingress', 'from'] as const) : (['egress', 'to'] as const);
    const found = (spec?.[field] ?? []) as {
      from?: NetworkPolicyPeer[];
      to?: NetworkPolicyPeer[];
      ports?: NetworkPolicyPort[];
    }[];
    rules[direction] = found.flatMap((rule, index) => {
      const path = `spec.${field}[${index}]`;
      const each = <T, R>(list: readonly T[] | undefined, name: string, read: (one: T) => R): R[] | undefined =>
        list === undefined || list === null || list.length === 0
          ? undefined
          : list.flatMap((one, at) => {
              try {
                return [read(one)];
              } catch (error) {
                tell(`${path}.${name}[${at}]`, error);
                return [];
              }
            });
      try {
        const peers = each(rule[peerField], peerField, (one) => peerOf(one, namespace));
        const ports = each(rule.ports, 'ports', portOf);
        const count = (peers?.length ?? 1) * lookups(ports);
        if (count > maxPairs) throw new Error(`${count} pairs of a peer and a protocol or named port are more than ${maxPairs}`);
        return [{ peers, ports }];
      } catch (error) {
        tell(path, error);
        return [];
      }
    });
  }
  // An absent podSelector is an empty one: it selects every pod of the namespace.
  return { namespace, name, pods: labelMatcher(spec?.podSelector ?? {}), rules, problems };
}

/** Without `policyTypes` a policy is about ingress, and about egress if it has egress rules. */
function typesOf({ policyTypes, egress }: NonNullable<NetworkPolicy['spec']>): Direction[] {
  if (policyTypes !== undefined && policyTypes.length > 0) return directions.filter((one) => policyTypes.includes(one));
  return egress !== undefined && egress.length > 0 ? ['Egress', 'Ingress'] : ['Ingress'];
}

function peerOf({ podSelector, namespaceSelector, ipBlock }: NetworkPolicyPeer, namespace: string): PolicyPeer {
  if (ipBlock !== undefined) {
    if (podSelector !== undefined || namespaceSelector !== undefined)
      throw new Error('may not specify both ipBlock and another peer');
    return blockOf(ipBlock);
  }
  if (podSelector === undefined && namespaceSelector === undefined) throw new Error('must specify a peer');
  const pods = labelMatcher(podSelector ?? {});
  const namespaces = namespaceSelector === undefined ? undefined : labelMatcher(namespaceSelector);
  const own = namespaces === undefined ? namespace : undefined;
  return {
    kind: 'pods',
    id: JSON.stringify([own, namespaces?.requirements, pods.requirements]),
    namespace: own,
    namespaces,
    pods,
  };
}

function blockOf({ cidr, except = [] }: IPBlock): BlockPeer {
  const block = parseCidrSloppy(cidr);
  if (block === undefined) throw new Error(`${JSON.stringify(cidr)} is no range of addresses`);
  const parsed = except.map((text) => {
    const one = parseCidrSloppy(text);
    if (one === undefined) throw new Error(`${JSON.stringify(text)} is no range of addresses`);
    return one;
  });
  // nft refuses a set with ranges that contain each other. What lies outside of the block excludes nothing.
  const within = parsed.filter((one) => contains(block, one) || contains(one, block));
  return { kind: 'block', family: block.family, cidr: formatCidr(block), except: outermost(within).map(formatCidr).sort() };
}

/** The ranges of one family without those that lie in another of them. */
function outermost(ranges: readonly Cidr[]): Cidr[] {
  const kept: Cidr[] = [];
  // In this order a range comes right after those that contain it.
  const sorted = ranges.toSorted((a, b) => (a.first === b.first ? a.prefixLength - b.prefixLength : a.first < b.first ? -1 : 1));
  for (const one of sorted) {
    const before = kept.at(-1);
    if (before === undefined || !contains(before, one)) kept.push(one);
  }
  return kept;
}

const protocols: ReadonlyMap<string, PolicyProtocol> = new Map([
  ['TCP', 'tcp'],
  ['UDP', 'udp'],
  ['SCTP', 'sctp'],
]);

/** The protocol of a port, in the API's spelling. @throws Error when it is none that policies know */
export function protocolOf(text: string | undefined): PolicyProtocol {
  const protocol = protocols.get(text ?? 'TCP');
  if (protocol === undefined) throw new Error(`${JSON.stringify(text)} is no protocol of a policy`);
  return protocol;
}

/** Whether a value is the number of a port. */
export const isPortNumber = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value > 0 && value < 65_536;

function portOf({ protocol: protocolText, port, endPort }: NetworkPolicyPort): PolicyPort {
  const protocol = protocolOf(protocolText);
  if (port === undefined) {
    if (endPort !== undefined) throw new Error('endPort may not be specified when `port` is not specified');
    return { kind: 'range', protocol, first: 0, last: 65_535 };
  }
  if (typeof port === 'string') {
    if (endPort !== undefined) throw new Error('endPort may not be specified when `port` is non-numeric');
    if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(port)) throw new Error(`${JSON.stringify(port)} is no name of a port`);
    return { kind: 'named', protocol, name: port };
  }
  const last = endPort ?? port;
  if (!isPortNumber(port) || !isPortNumber(last) || last < port) throw new Error(`${port} to ${last} are no ports`);
  return { kind: 'range', protocol, first: port, last };
}
