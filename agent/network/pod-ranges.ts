/**
 * Decides which pod ranges of Nodes become routes and configuration. Any client with the permission may write a Node. Such a
 * client must not be able to redirect the node's own network, the API server's address, or another node's pods. Pure.
 */

import { type Cidr, contains, containsIp, type IpAddress, overlap, parseIp, parseNetwork } from '#api/ip.ts';
import { isNodeReady } from '#api/node-conditions.ts';
import { firstIndex } from '#api/sorted-list.ts';
import type { Node } from '#api/types.generated.ts';
import { type LeftOut, leftOut, readEach } from '#client/left-out.ts';
import { internalIps, type PodRoute, podCidrsOf } from './routes.ts';

/** The limits that the pod ranges of Nodes must respect. */
export interface PodNetwork {
  /** `--cluster-cidr`: pod ranges must be inside these. */
  clusterCidrs: readonly string[];
  /** Addresses that never belong to pods: those of this node and of the API server. */
  hostAddresses: readonly string[];
}

/** The result of {@link podRanges}. */
export interface PodRanges {
  /** This node's ranges, as written in its `spec.podCIDRs`. */
  own: string[];
  /** The other nodes' ranges, each with the address of its node as gateway: of the same family, where the node has one. */
  others: PodRoute[];
  /** The addresses of the node of each of the others' ranges, by the range. */
  nodeAddresses: ReadonlyMap<string, readonly string[]>;
  leftOut: LeftOut[];
}

interface Claim {
  node: Node;
  text: string;
  range: Cidr;
  gateway: string | undefined;
  addresses: readonly string[];
}

/**
 * The ranges that may be used. When two ranges overlap, this node's own wins, then that of the older Node, then that of the first
 * Node by name.
 */
export function podRanges(nodes: readonly Node[], self: string, network: PodNetwork): PodRanges {
  const found: LeftOut[] = [];
  const onLeftOut = (one: LeftOut): void => void found.push(one);
  const claims = readEach('Node', nodes, onLeftOut, (node) => claimsOf(node, node.metadata.name === self, network, onLeftOut));
  const taken: Claim[] = [];
  const byAddress: Claim[] = [];
  for (const claim of claims.sort((a, b) => rank(a, self) - rank(b, self) || byAge(a, b))) {
    // No two of them overlap, so that only the neighbours can overlap with one more.
    const place = firstIndex(byAddress, (one) => beginsBehind(one.range, claim.range));
    const conflicting = byAddress.slice(Math.max(0, place - 1), place + 1).find((one) => overlap(one.range, claim.range));
    if (conflicting === undefined) {
      taken.push(claim);
      byAddress.splice(place, 0, claim);
    } else
      onLeftOut(
        leftOut(
          'Node',
          claim.node,
          `spec.podCIDRs: ${claim.text} overlaps with ${conflicting.text} of node ${conflicting.node.metadata.name}`,
        ),
      );
  }
  const ownClaims = taken.filter(({ node }) => node.metadata.name === self);
  const others = taken.filter(({ node }) => node.metadata.name !== self);
  return {
    own: ownClaims.map(({ text }) => text),
    others: others.flatMap(({ text, gateway }) => (gateway === undefined ? [] : { destination: text, gateway })),
    nodeAddresses: new Map(others.flatMap(({ text, addresses }) => (addresses.length === 0 ? [] : [[text, addresses] as const]))),
    leftOut: found,
  };
}

/**
 * The node that had one of this node's addresses before it. VMs made from one image may all have the same address on the interface that leads
 * out (Vagrant's 10.0.2.15); packets for pods would then go to whichever answers. A node that is not Ready may be this machine's
 * former name.
 */
export function addressHolder(nodes: readonly Node[], self: string, nodeIps: readonly string[]): Node | undefined {
  const own = new Set(nodeIps.map((text) => parseIp(text)?.text ?? text));
  const createdMs = (node: Node | undefined): number =>
    Date.parse(node?.metadata.creationTimestamp ?? '') || Number.POSITIVE_INFINITY;
  const selfMs = createdMs(nodes.find(({ metadata }) => metadata.name === self));
  return nodes.find(
    (node) =>
      node.metadata.name !== self &&
      createdMs(node) <= selfMs &&
      internalIps(node).some((address) => own.has(parseIp(address)?.text ?? address)) &&
      isNodeReady(node),
  );
}

const beginsBehind = (a: Cidr, b: Cidr): boolean => (a.family === b.family ? a.first > b.first : a.family > b.family);

const rank = ({ node }: Claim, self: string): number => (node.metadata.name === self ? 0 : 1);

function byAge(a: Claim, b: Claim): number {
  const [atA, atB] = [a, b].map(({ node }) => Date.parse(node.metadata.creationTimestamp) || 0);
  return (atA ?? 0) - (atB ?? 0) || (a.node.metadata.name < b.node.metadata.name ? -1 : 1);
}

function claimsOf(node: Node, isSelf: boolean, network: PodNetwork, onLeftOut: (one: LeftOut) => void): Claim[] {
  if (typeof node.metadata.name !== 'string') return [];
  const addresses = internalIps(node).flatMap((address) => {
    const ip = parseIp(address);
    return ip === undefined ? [] : { address, ip };
  });
  return podCidrsOf(node).flatMap((text) => {
    const range = parseNetwork(text);
    const why = range === undefined ? `${JSON.stringify(text)} is no range of addresses` : podRangeProblem(text, range, network);
    if (range === undefined || why !== undefined) {
      onLeftOut(leftOut('Node', node, `spec.podCIDRs: ${why}`));
      return [];
    }
    if (isSelf) return [{ node, text, range, gateway: undefined, addresses: [] }];
    // Without an address of the family the node can still be reached through the tunnel, which carries both families.
    const reached = addresses.find((one) => one.ip.family === range.family) ?? addresses[0];
    const noGatewayReason = reached === undefined ? undefined : gatewayProblem(reached.address, reached.ip, network);
    if (noGatewayReason !== undefined) onLeftOut(leftOut('Node', node, `status.addresses: ${noGatewayReason}`));
    // A Node without a usable address keeps its range, so that no other Node gets it. It only gets no route.
    const usable = addresses
      .filter((one) => gatewayProblem(one.address, one.ip, network) === undefined)
      .map(({ address }) => address);
    return [{ node, text, range, gateway: noGatewayReason === undefined ? reached?.address : undefined, addresses: usable }];
  });
}

function podRangeProblem(text: string, range: Cidr, { clusterCidrs, hostAddresses }: PodNetwork): string | undefined {
  if (!clusterCidrs.some((cluster) => containsRange(cluster, range))) {
    return `${text} is not within the cluster's range of pod addresses, ${clusterCidrs.join(',')}`;
  }
  const host = hostAddresses.find((address) => isWithin(address, range));
  return host === undefined ? undefined : `${text} contains ${host}, which is no pod's address`;
}

function containsRange(outer: string, range: Cidr): boolean {
  const parsed = parseNetwork(outer);
  return parsed !== undefined && contains(parsed, range);
}

function isWithin(address: string, range: Cidr): boolean {
  const ip = parseIp(address);
  return ip !== undefined && containsIp(range, ip);
}

function isWithinNetwork(ip: IpAddress, network: string): boolean {
  const parsed = parseNetwork(network);
  return parsed !== undefined && containsIp(parsed, ip);
}

/** Addresses that cannot be a gateway: loopback, unspecified, multicast and broadcast. */
const noGateways = ['0.0.0.0/8', '127.0.0.0/8', '224.0.0.0/3', '::/127', 'ff00::/8'].flatMap((text) => parseNetwork(text) ?? []);

function gatewayProblem(address: string, ip: IpAddress, { clusterCidrs, hostAddresses }: PodNetwork): string | undefined {
  if (noGateways.some((one) => containsIp(one, ip))) return `${address} is no address of a node`;
  if (hostAddresses.some((host) => parseIp(host)?.text === ip.text)) return `${address} is this node's own, or the API server's`;
  if (clusterCidrs.some((cluster) => isWithinNetwork(ip, cluster))) return `${address} is a pod's address`;
  return undefined;
}
