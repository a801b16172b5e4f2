/**
 * What the API says that policies allow, read straight from the objects: the judge of the property tests. It shares nothing with the rules
 * but the matching of labels and of addresses.
 */
import { containsIp, parseCidr, parseIp } from '#api/ip.ts';
import { labelMatcher, matchesLabels } from '#api/selector.ts';
import type { LabelSelector, Namespace, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, Pod } from '#api/types.generated.ts';

/** The first packet of a connection. */
export interface FirstPacket {
  from: string;
  to: string;
  protocol: 'TCP' | 'UDP' | 'SCTP';
  port: number;
}

/** A cluster as the tests make it. */
export interface World {
  namespaces: readonly Namespace[];
  pods: readonly Pod[];
  policies: readonly NetworkPolicy[];
  /** Policies isolate the pods of this node only: each node judges its own. Absent: all pods. */
  nodeName?: string;
}

const selects = (selector: LabelSelector, labels: Record<string, string> | undefined): boolean =>
  matchesLabels(labelMatcher(selector), labels);

/** Whether all policies together let the packet through. */
export function allows(world: World, packet: FirstPacket): boolean {
  if (packet.from === packet.to) return true;
  const podAt = (ip: string): Pod | undefined =>
    world.pods.find(({ spec, status }) => spec.hostNetwork !== true && status?.podIPs?.some((one) => one.ip === ip));
  const [source, target] = [podAt(packet.from), podAt(packet.to)];
  const isolating = (pod: Pod | undefined, type: string): NetworkPolicy[] =>
    world.policies.filter(
      ({ metadata, spec }) =>
        pod !== undefined &&
        (world.nodeName === undefined || pod.spec.nodeName === world.nodeName) &&
        metadata.namespace === pod.metadata.namespace &&
        selects(spec?.podSelector ?? {}, pod.metadata.labels) &&
        (spec?.policyTypes ?? ['Ingress', ...((spec?.egress ?? []).length > 0 ? ['Egress'] : [])]).includes(type),
    );
  const isPeer = (policy: NetworkPolicy, peer: NetworkPolicyPeer, ip: string, pod: Pod | undefined): boolean => {
    if (peer.ipBlock !== undefined) return isInBlock(peer.ipBlock, ip);
    if (pod === undefined || !selects(peer.podSelector ?? {}, pod.metadata.labels)) return false;
    if (peer.namespaceSelector === undefined) return pod.metadata.namespace === policy.metadata.namespace;
    const namespace = world.namespaces.find(({ metadata }) => metadata.name === pod.metadata.namespace);
    return namespace !== undefined && selects(peer.namespaceSelector, namespace.metadata.labels);
  };
  const isPort = ({ protocol = 'TCP', port, endPort }: NetworkPolicyPort): boolean => {
    if (protocol !== packet.protocol) return false;
    if (port === undefined) return true;
    if (typeof port === 'number') return packet.port >= port && packet.port <= (endPort ?? port);
    return (target?.spec.containers ?? []).some(({ ports = [] }) =>
      ports.some((one) => one.name === port && (one.protocol ?? 'TCP') === protocol && one.containerPort === packet.port),
    );
  };
  const passes = (pod: Pod | undefined, type: 'Ingress' | 'Egress'): boolean => {
    const policies = isolating(pod, type);
    if (policies.length === 0) return true;
    const [ip, other] = type === 'Ingress' ? [packet.from, source] : [packet.to, target];
    return policies.some((policy) => {
      const rules =
        type === 'Ingress'
          ? (policy.spec?.ingress ?? []).map(({ from, ports }) => ({ peers: from, ports }))
          : (policy.spec?.egress ?? []).map(({ to, ports }) => ({ peers: to, ports }));
      return rules.some(
        ({ peers = [], ports = [] }) =>
          (peers.length === 0 || peers.some((peer) => isPeer(policy, peer, ip, other))) &&
          (ports.length === 0 || ports.some(isPort)),
      );
    });
  };
  return passes(source, 'Egress') && passes(target, 'Ingress');
}

function isInBlock({ cidr, except = [] }: NonNullable<NetworkPolicyPeer['ipBlock']>, text: string): boolean {
  const ip = parseIp(text);
  const isIn = (range: string): boolean => {
    const parsed = parseCidr(range);
    return ip !== undefined && parsed !== undefined && containsIp(parsed, ip);
  };
  return isIn(cidr) && !except.some(isIn);
}
