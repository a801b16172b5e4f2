/**
 * What one service port needs in the table. Ports without session affinity and external policy Local need elements only, in maps that all ports
 * share, unless these would be too many; the others have chains of their own, as upstream has for every port. Pure.
 */
import { containsIp, formatCidr, parseIp } from '#api/ip.ts';
import type { BackendOptions } from '../backend.ts';
import type { EndpointState } from '../endpoints.ts';
import type { ServicePortState } from '../state.ts';
import type { Item } from './items.ts';
import {
  containers,
  endpointBase,
  externalSpreadChain,
  familyWords,
  nodePortEndpoints,
  nodePortSpreadChain,
  portBase,
  serviceEndpoints,
  spreadChain,
} from './names.ts';

/** What the items depend on besides the port. */
export type ItemOptions = Pick<BackendOptions, 'family' | 'clusterCidr' | 'nodeIp' | 'masqueradeBit'>;

/** The statement that marks a packet to be masqueraded. */
export const markStatement = (options: Pick<BackendOptions, 'masqueradeBit'>): string =>
  `meta mark set meta mark | 0x${(1 << (options.masqueradeBit ?? 14)).toString(16).padStart(8, '0')}`;

const rejectVerdict = 'goto reject-chain';

/**
 * The maps of endpoints have each endpoint once for each address of a Service. Where these would be more for the external addresses of one port, it
 * has chains of its own, with each endpoint once.
 */
const maxCopies = 20_000;

/** The items of one port. */
export function portItems(port: ServicePortState, options: ItemOptions): Item[] {
  const writer = new ItemWriter(port);
  writer.element(containers.clusterIps, port.clusterIp);
  const { chosen } = port;
  for (const endpoint of chosen.reachable) {
    // A pod that reaches itself through its Service is masqueraded, so that the answer comes back through the node. Upstream adds only those of
    // this node; slices that a user has made may not name the node.
    writer.element(containers.hairpin, `${endpoint.ip} . ${endpoint.ip} . ${port.protocol} . ${endpoint.port}`);
  }
  if (port.loadBalancerIps.length > 0 && port.sourceRanges.length > 0) writeFirewall(writer, port, options);
  const internal = port.internalPolicyLocal ? chosen.local : chosen.cluster;
  if (!chosen.any || internal.length === 0)
    writer.element(containers.noEndpointServices, writer.key(port.clusterIp), chosen.any ? 'drop' : rejectVerdict);
  const external = port.externalPolicyLocal ? chosen.local : chosen.cluster;
  if (port.externallyAccessible && (!chosen.any || external.length === 0)) refuseExternal(writer, port);
  if (!chosen.any) return writer.items;
  const copies = externalAddresses(port).length * chosen.cluster.length;
  if (port.affinitySeconds === undefined && !(port.externalPolicyLocal && port.externallyAccessible) && copies <= maxCopies)
    writeShared(writer, port, options, internal);
  else writeOwn(writer, port, options, internal);
  return writer.items;
}

class ItemWriter {
  readonly items: Item[] = [];
  readonly #port: ServicePortState;

  constructor(port: ServicePortState) {
    this.#port = port;
  }

  element(container: string, key: string, value = ''): void {
    this.items.push({ kind: 'element', name: `${container} ${key}`, value });
  }

  chain(name: string, rules: readonly string[]): void {
    this.items.push({ kind: 'chain', name, value: rules.join('\n') });
  }

  set(name: string, definition: string): void {
    this.items.push({ kind: 'set', name, value: definition });
  }

  /** The key of an address with the protocol and number of the port. */
  key(ip: string): string {
    return `${ip} . ${this.#port.protocol} . ${this.#port.port}`;
  }
}

const externalAddresses = ({ externalIps, loadBalancerIps }: ServicePortState): string[] => [...externalIps, ...loadBalancerIps];

function refuseExternal(writer: ItemWriter, port: ServicePortState): void {
  const verdict = port.chosen.any ? 'drop' : rejectVerdict;
  for (const ip of externalAddresses(port)) writer.element(containers.noEndpointServices, writer.key(ip), verdict);
  if (port.nodePort !== undefined) writer.element(containers.noEndpointNodePorts, `${port.protocol} . ${port.nodePort}`, verdict);
}

function writeFirewall(writer: ItemWriter, port: ServicePortState, { family, nodeIp }: ItemOptions): void {
  const chain = `firewall-${portBase(port)}`;
  const sources = port.sourceRanges.map(formatCidr);
  const node = parseIp(nodeIp);
  // When the node has the VIP as an address of its own, its packets to the VIP have the VIP as their source.
  if (node !== undefined && port.sourceRanges.some((range) => containsIp(range, node))) sources.push(...port.loadBalancerIps);
  // Alone in its chain: an anonymous set of ranges may not have ranges that overlap, single rules may.
  writer.chain(chain, [...sources.map((source) => `${familyWords[family].ip} saddr ${source} return`), 'drop']);
  for (const ip of port.loadBalancerIps) writer.element(containers.firewallIps, writer.key(ip), `goto ${chain}`);
}

/** Elements in the maps of endpoints, and the chain for their number. */
function writeShared(writer: ItemWriter, port: ServicePortState, options: ItemOptions, internal: readonly EndpointState[]): void {
  const { protocol } = port;
  const { ip: ipX } = familyWords[options.family];
  const byAddress = (n: number): string =>
    `dnat ${ipX} to ${ipX} daddr . ${protocol} dport . numgen random mod ${n} map @${serviceEndpoints(protocol)}`;
  const spread = (ip: string, endpoints: readonly EndpointState[]): void => {
    for (const [index, endpoint] of endpoints.entries())
      writer.element(serviceEndpoints(protocol), `${ip} . ${port.port} . ${index}`, `${endpoint.ip} . ${endpoint.port}`);
  };
  if (internal.length > 0) {
    const chain = spreadChain(protocol, internal.length);
    writer.chain(chain, [byAddress(internal.length)]);
    writer.element(containers.serviceIps, writer.key(port.clusterIp), `goto ${chain}`);
    spread(port.clusterIp, internal);
  }
  const external = port.chosen.cluster;
  if (!port.externallyAccessible || external.length === 0) return;
  const addresses = externalAddresses(port);
  if (addresses.length > 0) {
    const chain = externalSpreadChain(protocol, external.length);
    writer.chain(chain, [markStatement(options), byAddress(external.length)]);
    for (const ip of addresses) {
      writer.element(containers.serviceIps, writer.key(ip), `goto ${chain}`);
      spread(ip, external);
    }
  }
  if (port.nodePort === undefined) return;
  const chain = nodePortSpreadChain(protocol, external.length);
  const map = nodePortEndpoints(protocol);
  writer.chain(chain, [
    markStatement(options),
    `dnat ${ipX} to ${protocol} dport . numgen random mod ${external.length} map @${map}`,
  ]);
  writer.element(containers.nodePorts, `${protocol} . ${port.nodePort}`, `goto ${chain}`);
  for (const [index, { ip, port: to }] of external.entries()) writer.element(map, `${port.nodePort} . ${index}`, `${ip} . ${to}`);
}

/** Chains of the port's own, as upstream's. */
function writeOwn(writer: ItemWriter, port: ServicePortState, options: ItemOptions, internal: readonly EndpointState[]): void {
  const base = portBase(port);
  const { chosen, protocol } = port;
  const service = `service-${base}`;
  const local = `local-${base}`;
  if (chosen.cluster.length > 0) writer.chain(service, endpointRules(port, options, chosen.cluster));
  if (chosen.local.length > 0) writer.chain(local, endpointRules(port, options, chosen.local));
  if (port.affinitySeconds !== undefined) {
    const { ip: ipX, address } = familyWords[options.family];
    for (const endpoint of chosen.reachable) {
      const name = endpointBase(port, endpoint);
      const set = affinitySet(port, endpoint);
      writer.set(set, `type ${address}; flags dynamic,timeout; timeout ${port.affinitySeconds}s;`);
      writer.chain(`endpoint-${name}`, [
        `update @${set} { ${ipX} saddr }`,
        `meta l4proto ${protocol} dnat ${ipX} to ${endpoint.address}`,
      ]);
    }
  }
  if (internal.length > 0) {
    const chain = port.internalPolicyLocal ? local : service;
    writer.element(containers.serviceIps, writer.key(port.clusterIp), `goto ${chain}`);
  }
  if (!port.externallyAccessible) return;
  const external = `external-${base}`;
  writer.chain(external, externalRules(port, options, { service, local }));
  for (const ip of externalAddresses(port)) writer.element(containers.serviceIps, writer.key(ip), `goto ${external}`);
  if (port.nodePort !== undefined) writer.element(containers.nodePorts, `${protocol} . ${port.nodePort}`, `goto ${external}`);
}

/** The set of clients of an endpoint. A set cannot get another timeout, so the timeout is in its name. */
const affinitySet = (port: ServicePortState, endpoint: EndpointState): string =>
  `affinity-${port.affinitySeconds}s-${endpointBase(port, endpoint)}`;

function endpointRules(port: ServicePortState, { family }: ItemOptions, endpoints: readonly EndpointState[]): string[] {
  const { ip: ipX } = familyWords[family];
  const choice = `numgen random mod ${endpoints.length}`;
  if (port.affinitySeconds === undefined) {
    const targets = endpoints.map(({ ip, port: to }, index) => `${index} : ${ip} . ${to}`);
    return [`meta l4proto ${port.protocol} dnat ${ipX} to ${choice} map { ${targets.join(' , ')} }`];
  }
  const chainOf = (endpoint: EndpointState): string => `endpoint-${endpointBase(port, endpoint)}`;
  const known = endpoints.map((one) => `${ipX} saddr @${affinitySet(port, one)} goto ${chainOf(one)}`);
  return [...known, `${choice} vmap { ${endpoints.map((one, index) => `${index} : goto ${chainOf(one)}`).join(' , ')} }`];
}

function externalRules(
  port: ServicePortState,
  options: ItemOptions,
  { service, local }: { service: string; local: string },
): string[] {
  if (!port.externalPolicyLocal) return [markStatement(options), `goto ${service}`];
  const { ip: ipX } = familyWords[options.family];
  const { clusterCidr } = options;
  return [
    // The external policy does not apply to pods and to the node itself: their traffic goes to all endpoints, as if it had left the cluster
    // and come back.
    ...(clusterCidr === undefined ? [] : [`${ipX} saddr ${clusterCidr} goto ${service}`]),
    `fib saddr type local ${markStatement(options)}`,
    `fib saddr type local goto ${service}`,
    ...(port.chosen.local.length > 0 ? [`goto ${local}`] : []),
  ];
}
