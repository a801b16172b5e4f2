/** Builds the rules of one service port, in upstream's order. */

import { containsIp, formatCidr, parseIp } from '#api/ip.ts';
import type { EndpointState } from '../endpoints.ts';
import type { ServicePortState } from '../state.ts';
import { chains, clusterPolicyChain, endpointChain, externalChain, firewallChain, localPolicyChain } from './chains.ts';
import type { RuleWriter } from './rule-writer.ts';

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

/** Writes the chains of the port in nat, the jumps to them, and the rules that reject or drop. */
export function writeServicePort(writer: RuleWriter, port: ServicePortState): void {
  const routing = routePort(port);
  captureClusterIp(writer, port, routing);
  captureExternalIps(writer, port, routing);
  captureLoadBalancer(writer, port, routing);
  captureNodePort(writer, port, routing);
  if (port.healthCheckNodePort !== undefined) {
    const comment = `-m comment --comment "${port.id} health check node port"`;
    writer.filter(chains.nodePorts, `${comment} -m tcp -p tcp --dport ${port.healthCheckNodePort} -j ACCEPT`);
  }
  writeMasqueradeOfClusterIp(writer, port, routing);
  if (port.chosen.any && port.externallyAccessible) writeExternal(writer, port, routing);
  if (routing.usesFirewall) writeFirewall(writer, port, routing);
  if (port.chosen.cluster.length > 0) writeSpread(writer, port, routing.svc, port.chosen.cluster);
  if (port.chosen.local.length > 0) writeSpread(writer, port, routing.svl, port.chosen.local);
  for (const endpoint of port.chosen.reachable) writeEndpoint(writer, port, endpoint);
}

function routePort(port: ServicePortState): PortRouting {
  const { id, protocol, chosen } = port;
  const svc = clusterPolicyChain(id, protocol);
  const svl = localPolicyChain(id, protocol);
  // Without any endpoint, traffic is rejected. With endpoints on other nodes only, under policy Local, traffic is dropped: the
  // client may try another node.
  const refusal = chosen.any
    ? { comment: `-m comment --comment "${id} has no local endpoints"`, target: 'DROP' }
    : { comment: `-m comment --comment "${id} has no endpoints"`, target: 'REJECT' };
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

const protocolMatch = ({ protocol }: ServicePortState): string => `-m ${protocol} -p ${protocol}`;
const to = (port: ServicePortState, ip: string): string => `${protocolMatch(port)} -d ${ip} --dport ${port.port}`;

function captureClusterIp(writer: RuleWriter, port: ServicePortState, { internal, refusal }: PortRouting): void {
  if (internal !== undefined) {
    writer.nat(chains.services, `-m comment --comment "${port.id} cluster IP" ${to(port, port.clusterIp)} -j ${internal}`);
  } else {
    writer.filter(chains.services, `${refusal.comment} ${to(port, port.clusterIp)} -j ${refusal.target}`);
  }
}

function captureExternalIps(writer: RuleWriter, port: ServicePortState, { ext, external, refusal }: PortRouting): void {
  for (const ip of port.externalIps) {
    if (port.chosen.any) writer.nat(chains.services, `-m comment --comment "${port.id} external IP" ${to(port, ip)} -j ${ext}`);
    if (external === undefined) {
      writer.filter(chains.externalServices, `${refusal.comment} ${to(port, ip)} -j ${refusal.target}`);
    }
  }
}

function captureLoadBalancer(writer: RuleWriter, port: ServicePortState, routing: PortRouting): void {
  const { ext, fw, usesFirewall, external, refusal } = routing;
  for (const ip of port.loadBalancerIps) {
    if (port.chosen.any) {
      writer.nat(
        chains.services,
        `-m comment --comment "${port.id} loadbalancer IP" ${to(port, ip)} -j ${usesFirewall ? fw : ext}`,
      );
    }
    if (usesFirewall) {
      writer.filter(
        chains.proxyFirewall,
        `-m comment --comment "${port.id} traffic not accepted by ${fw}" ${to(port, ip)} -j DROP`,
      );
    }
    if (external === undefined) {
      writer.filter(chains.externalServices, `${refusal.comment} ${to(port, ip)} -j ${refusal.target}`);
    }
  }
}

function captureNodePort(writer: RuleWriter, port: ServicePortState, { ext, external, refusal }: PortRouting): void {
  if (port.nodePort === undefined) return;
  const match = `${protocolMatch(port)} --dport ${port.nodePort}`;
  if (port.chosen.any) writer.nat(chains.nodePorts, `-m comment --comment ${port.id} ${match} -j ${ext}`);
  if (external === undefined) {
    writer.filter(chains.externalServices, `${refusal.comment} -m addrtype --dst-type LOCAL ${match} -j ${refusal.target}`);
  }
}

/**
 * Masquerades traffic to the cluster IP from outside the pod network. The endpoint may be on another node, and its answer has to
 * come back through this node.
 */
function writeMasqueradeOfClusterIp(writer: RuleWriter, port: ServicePortState, { internal }: PortRouting): void {
  const { masqueradeAll, clusterCidr } = writer.settings;
  if (internal === undefined || (!masqueradeAll && clusterCidr === undefined)) return;
  const source = masqueradeAll ? '' : ` ! -s ${clusterCidr}`;
  writer.nat(internal, `-m comment --comment "${port.id} cluster IP" ${to(port, port.clusterIp)}${source} -j ${chains.markMasq}`);
}

function writeExternal(writer: RuleWriter, port: ServicePortState, { ext, svc, external }: PortRouting): void {
  const commentMatch = (what: string): string => `-m comment --comment "${what} for ${port.id} external destinations"`;
  writer.chain('nat', ext);
  if (!port.externalPolicyLocal) {
    writer.nat(ext, `${commentMatch('masquerade traffic')} -j ${chains.markMasq}`);
  } else {
    const { clusterCidr } = writer.settings;
    // The external policy does not apply to pods and to the node itself: their traffic goes to all endpoints, as if it had left
    // the cluster and come back.
    if (clusterCidr !== undefined) writer.nat(ext, `${commentMatch('pod traffic')} -s ${clusterCidr} -j ${svc}`);
    writer.nat(ext, `${commentMatch('masquerade LOCAL traffic')} -m addrtype --src-type LOCAL -j ${chains.markMasq}`);
    writer.nat(ext, `${commentMatch('route LOCAL traffic')} -m addrtype --src-type LOCAL -j ${svc}`);
  }
  if (external !== undefined) writer.nat(ext, `-j ${external}`);
}

function writeFirewall(writer: RuleWriter, port: ServicePortState, { fw, ext }: PortRouting): void {
  const { nodeIp } = writer.settings;
  const comment = `-m comment --comment "${port.id} loadbalancer IP"`;
  for (const range of port.sourceRanges) writer.nat(fw, `${comment} -s ${formatCidr(range)} -j ${ext}`);
  const node = parseIp(nodeIp);
  if (node !== undefined && port.sourceRanges.some((range) => containsIp(range, node))) {
    // When the node has the VIP as an address of its own, its packets to the VIP have the VIP as their source.
    for (const ip of port.loadBalancerIps) writer.nat(fw, `${comment} -s ${ip} -j ${ext}`);
  }
  writer.nat(fw, `-m comment --comment "other traffic to ${port.id} will be dropped by KUBE-PROXY-FIREWALL"`);
}

function writeSpread(writer: RuleWriter, port: ServicePortState, chain: string, endpoints: readonly EndpointState[]): void {
  const { id, protocol, affinitySeconds } = port;
  const comment = ({ address }: EndpointState): string => writer.endpointComment(`${id} -> ${address}`);
  const sep = ({ address }: EndpointState): string => endpointChain(id, protocol, address);
  writer.chain('nat', chain);
  if (affinitySeconds !== undefined) {
    for (const endpoint of endpoints) {
      const recent = `-m recent --name ${sep(endpoint)} --rcheck --seconds ${affinitySeconds} --reap`;
      writer.nat(chain, `${comment(endpoint)}${recent} -j ${sep(endpoint)}`);
    }
  }
  endpoints.forEach((endpoint, index) => {
    const left = endpoints.length - index;
    // The first endpoint gets 1/n of the packets, the second 1/(n-1) of the rest, and so on: all shares are equal. The last one
    // takes the remaining packets.
    const chance = left === 1 ? '' : `-m statistic --mode random --probability ${writer.probability(left)} `;
    writer.nat(chain, `${comment(endpoint)}${chance}-j ${sep(endpoint)}`);
  });
}

function writeEndpoint(writer: RuleWriter, port: ServicePortState, { ip, address }: EndpointState): void {
  const chain = endpointChain(port.id, port.protocol, address);
  const comment = writer.endpointComment(port.id);
  // Hairpin: a pod that reaches itself through its Service must get the answer from another address, so the packet is
  // masqueraded.
  writer.nat(chain, `${comment}-s ${ip} -j ${chains.markMasq}`);
  const remember = port.affinitySeconds === undefined ? '' : `-m recent --name ${chain} --set `;
  writer.nat(chain, `${comment}${remember}${protocolMatch(port)} -j DNAT --to-destination ${address}`);
}
