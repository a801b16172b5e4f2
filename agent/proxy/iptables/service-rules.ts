/** Builds the rules of one service port, in upstream's order. */

import { containsIp, formatCidr, parseIp } from '#api/ip.ts';
import type { EndpointState } from '../endpoints.ts';
import type { ServicePortState } from '../state.ts';
import { chains, clusterPolicyChain, endpointChain, externalChain, firewallChain, localPolicyChain } from './chains.ts';
import { type PortRules, PortWriter, probability, type RuleParts, type RuleSettings } from './rule-writer.ts';

/** The chains and targets that follow from the traffic policies and endpoints of a service port. */
interface PortRouting {
  svc: string;
  svl: string;
  ext: string;
  fw: string;
  /** The chain for traffic to the cluster IP; undefined when no endpoint may be used. */
  internal: string | undefined;
  /** The chain for traffic from outside; undefined when no endpoint may be used. */
  external: string | undefined;
  usesFirewall: boolean;
  /** Comment and target of the rule for traffic without an endpoint. */
  refusal: { comment: string; target: string };
}

/** The chains of the port, the jumps to them, and the rules that reject or drop. Pure. */
export function portRules(port: ServicePortState, settings: RuleSettings): PortRules {
  const writer = new PortWriter(settings);
  const routing = routePort(port);
  captureClusterIp(writer, port, routing);
  captureExternalIps(writer, port, routing);
  captureLoadBalancer(writer, port, routing);
  captureNodePort(writer, port, routing);
  if (port.healthCheckNodePort !== undefined) {
    const comment = `${port.id} health check node port`;
    writer.shared('filter', chains.nodePorts, { protocol: 'tcp', comment, port: port.healthCheckNodePort, target: 'ACCEPT' });
  }
  writeMasqueradeOfClusterIp(writer, port, routing);
  if (port.chosen.any && port.externallyAccessible) writeExternal(writer, port, routing);
  if (routing.usesFirewall) writeFirewall(writer, port, routing);
  if (port.chosen.cluster.length > 0) writeSpread(writer, port, routing.svc, port.chosen.cluster);
  if (port.chosen.local.length > 0) writeSpread(writer, port, routing.svl, port.chosen.local);
  for (const endpoint of port.chosen.reachable) writeEndpoint(writer, port, endpoint);
  return writer;
}

function routePort(port: ServicePortState): PortRouting {
  const { id, protocol, chosen } = port;
  const svc = clusterPolicyChain(id, protocol);
  const svl = localPolicyChain(id, protocol);
  // Without any endpoint, traffic is rejected. With endpoints on other nodes only, under policy Local, traffic is dropped: the
  // client may try another node.
  const reject = `REJECT --reject-with ${port.clusterIp.includes(':') ? 'icmp6' : 'icmp'}-port-unreachable`;
  const refusal = chosen.any
    ? { comment: `${id} has no local endpoints`, target: 'DROP' }
    : { comment: `${id} has no endpoints`, target: reject };
  const target = (local: boolean): string | undefined => {
    if (local) return chosen.local.length > 0 ? svl : undefined;
    return chosen.any ? svc : undefined;
  };
  return {
    svc,
    svl,
    ext: externalChain(id, protocol),
    fw: firewallChain(id, protocol),
    internal: target(port.internalPolicyLocal),
    external: target(port.externalPolicyLocal),
    usesFirewall: chosen.any && port.loadBalancerIps.length > 0 && port.sourceRanges.length > 0,
    refusal,
  };
}

const to = ({ protocol, port }: ServicePortState, ip: string): RuleParts => ({ destination: ip, protocol, port });

function captureClusterIp(writer: PortWriter, port: ServicePortState, { internal, refusal }: PortRouting): void {
  const match = to(port, port.clusterIp);
  if (internal === undefined) writer.shared('filter', chains.services, { ...match, ...refusal });
  else writer.shared('nat', chains.services, { ...match, comment: `${port.id} cluster IP`, target: internal });
}

function captureExternalIps(writer: PortWriter, port: ServicePortState, { ext, external, refusal }: PortRouting): void {
  for (const ip of port.externalIps) {
    const match = to(port, ip);
    if (port.chosen.any) writer.shared('nat', chains.services, { ...match, comment: `${port.id} external IP`, target: ext });
    if (external === undefined) writer.shared('filter', chains.externalServices, { ...match, ...refusal });
  }
}

function captureLoadBalancer(writer: PortWriter, port: ServicePortState, routing: PortRouting): void {
  const { ext, fw, usesFirewall, external, refusal } = routing;
  for (const ip of port.loadBalancerIps) {
    const match = to(port, ip);
    if (port.chosen.any) {
      const target = usesFirewall ? fw : ext;
      writer.shared('nat', chains.services, { ...match, comment: `${port.id} loadbalancer IP`, target });
    }
    if (usesFirewall) {
      const comment = `${port.id} traffic not accepted by ${fw}`;
      writer.shared('filter', chains.proxyFirewall, { ...match, comment, target: 'DROP' });
    }
    if (external === undefined) writer.shared('filter', chains.externalServices, { ...match, ...refusal });
  }
}

function captureNodePort(writer: PortWriter, port: ServicePortState, { ext, external, refusal }: PortRouting): void {
  if (port.nodePort === undefined) return;
  const match = { protocol: port.protocol, port: port.nodePort };
  if (port.chosen.any) writer.shared('nat', chains.nodePorts, { ...match, comment: port.id, target: ext });
  if (external !== undefined) return;
  writer.shared('filter', chains.externalServices, { ...match, ...refusal, matches: '-m addrtype --dst-type LOCAL' });
}

/**
 * Masquerades traffic to the cluster IP from outside the pod network. The endpoint may be on another node, and its answer has to
 * come back through this node.
 */
function writeMasqueradeOfClusterIp(writer: PortWriter, port: ServicePortState, { internal }: PortRouting): void {
  const { masqueradeAll, clusterCidr } = writer.settings;
  if (internal === undefined || (!masqueradeAll && clusterCidr === undefined)) return;
  const source = masqueradeAll ? undefined : `!${clusterCidr}`;
  writer.own(internal, {
    ...to(port, port.clusterIp),
    source,
    comment: `${port.id} cluster IP`,
    target: chains.markMasq,
  });
}

function writeExternal(writer: PortWriter, port: ServicePortState, { ext, svc, external }: PortRouting): void {
  const comment = (what: string): string => `${what} for ${port.id} external destinations`;
  if (!port.externalPolicyLocal) {
    writer.own(ext, { comment: comment('masquerade traffic'), target: chains.markMasq });
  } else {
    const { clusterCidr } = writer.settings;
    // The external policy does not apply to pods and to the node itself: their traffic goes to all endpoints, as if it had left
    // the cluster and come back.
    if (clusterCidr !== undefined) writer.own(ext, { source: clusterCidr, comment: comment('pod traffic'), target: svc });
    const matches = '-m addrtype --src-type LOCAL';
    writer.own(ext, { comment: comment('masquerade LOCAL traffic'), matches, target: chains.markMasq });
    writer.own(ext, { comment: comment('route LOCAL traffic'), matches, target: svc });
  }
  if (external !== undefined) writer.own(ext, { target: external });
}

function writeFirewall(writer: PortWriter, port: ServicePortState, { fw, ext }: PortRouting): void {
  const { nodeIp } = writer.settings;
  const comment = `${port.id} loadbalancer IP`;
  for (const range of port.sourceRanges) writer.own(fw, { source: formatCidr(range), comment, target: ext });
  const node = parseIp(nodeIp);
  if (node !== undefined && port.sourceRanges.some((range) => containsIp(range, node))) {
    // When the node has the VIP as an address of its own, its packets to the VIP have the VIP as their source.
    for (const ip of port.loadBalancerIps) writer.own(fw, { source: ip, comment, target: ext });
  }
  writer.own(fw, { comment: `other traffic to ${port.id} will be dropped by KUBE-PROXY-FIREWALL` });
}

/** What iptables-save prints behind the name of a list of clients. */
const recentMask = (port: ServicePortState): string =>
  `--mask ${port.clusterIp.includes(':') ? 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff' : '255.255.255.255'} --rsource`;

function writeSpread(writer: PortWriter, port: ServicePortState, chain: string, endpoints: readonly EndpointState[]): void {
  const { id, protocol, affinitySeconds } = port;
  const ruleOf = ({ address }: EndpointState): { comment: string; target: string } => ({
    comment: writer.endpointComment(`${id} -> ${address}`),
    target: endpointChain(id, protocol, address),
  });
  const rules = endpoints.map(ruleOf);
  if (affinitySeconds !== undefined) {
    for (const rule of rules) {
      const recent = `-m recent --rcheck --seconds ${affinitySeconds} --reap --name ${rule.target} ${recentMask(port)}`;
      writer.own(chain, { ...rule, matches: recent });
    }
  }
  rules.forEach((rule, index) => {
    const left = rules.length - index;
    // The first endpoint gets 1/n of the packets, the second 1/(n-1) of the rest, and so on: all shares are equal. The last one
    // takes the remaining packets.
    const matches = left === 1 ? undefined : `-m statistic --mode random --probability ${probability(left)}`;
    writer.own(chain, { ...rule, matches });
  });
}

function writeEndpoint(writer: PortWriter, port: ServicePortState, { ip, address }: EndpointState): void {
  const chain = endpointChain(port.id, port.protocol, address);
  const comment = writer.endpointComment(port.id);
  // Hairpin: a pod that reaches itself through its Service must get the answer from another address, so the packet is
  // masqueraded.
  writer.own(chain, { source: ip, comment, target: chains.markMasq });
  const matches = port.affinitySeconds === undefined ? undefined : `-m recent --set --name ${chain} ${recentMask(port)}`;
  const target = `DNAT --to-destination ${address}`;
  writer.own(chain, { protocol: port.protocol, comment, matches, protocolMatch: true, target });
}
