/**
 * Node IPAM controller: allocates pod CIDRs to nodes.
 *
 * Owns: -.  Watches: Node.  Writes: Node (spec.podCIDR, spec.podCIDRs).
 * Source: kubernetes `pkg/controller/nodeipam/ipam/range_allocator.go`.
 */
import { type Cidr, contains, formatCidr, mustParseCidr, parseCidrSloppy } from '#api/ip.ts';
import { keyOf } from '#api/meta.ts';
import type { Node } from '#api/types.generated.ts';
import type { Caches, Controller, ControllerDeps } from '#client/controller.ts';
import { done } from '#client/controller.ts';
import { type LeftOut, leftOut, readEach } from '#client/left-out.ts';
import { CidrParts } from './cidr-set.ts';

/** Configuration of the node IPAM controller. */
export interface NodeIpamOptions {
  /** `--cluster-cidr`: one range, or two of different families with a comma. */
  clusterCidr: string;
  /** `--node-cidr-mask-size`. Default 24 for IPv4, 64 for IPv6. */
  nodeCidrMaskSize?: number | undefined;
  /** `--service-cluster-ip-range`. Nodes do not get the part of the cluster's range that it covers. */
  serviceCidr?: string | undefined;
}

/** The ranges of one node. */
interface Holding {
  uid: string;
  /** The state in which the ranges were read. */
  node?: Node;
  cidrs: readonly Cidr[];
  /** Ranges that cannot be used. */
  bad: readonly LeftOut[];
  /** Allocated here, and the cache does not show it yet. */
  isAllocated: boolean;
}

/** Makes the node IPAM controller. @throws RangeError for a malformed range */
export const nodeIpamController = (deps: ControllerDeps, options: NodeIpamOptions): Controller => {
  const { client, caches, events } = deps;
  const clusterRanges = options.clusterCidr.split(',').map((text) => mustParseCidr(text.trim()));
  const reserved =
    options.serviceCidr === undefined ? [] : options.serviceCidr.split(',').map((text) => mustParseCidr(text.trim()));
  const maskSizes = clusterRanges.map((range) => maskSize(range, options));
  const parts = clusterRanges.map((range, index) => new CidrParts(range, maskSizes[index] ?? 0));
  for (const range of reserved) for (const all of parts) all.take(range);
  /** What each node has. A range that was just allocated to it counts before the cache shows it. */
  const holdings = new Map<string, Holding>();
  let hasReported = false;

  function hold(name: string, holding: Holding | undefined): void {
    const before = holdings.get(name);
    for (const all of parts) {
      for (const range of before?.cidrs ?? []) all.free(range);
      for (const range of holding?.cidrs ?? []) all.take(range);
    }
    if (holding === undefined) holdings.delete(name);
    else holdings.set(name, holding);
    if ((before?.bad.length ?? 0) + (holding?.bad.length ?? 0) === 0 && hasReported) return;
    hasReported = true;
    const bad = Array.from(holdings.values(), (one) => one.bad).flat();
    deps.leftOut.report('node-ipam', bad);
  }

  /** @returns whether the node is gone */
  function observe(name: string): boolean {
    const node = caches.cache('nodes').get(name);
    const known = holdings.get(name);
    if (node === undefined) hold(name, undefined);
    else if (known?.node !== node && !(known?.isAllocated === true && known.uid === node.metadata.uid && !hasRange(node))) {
      const bad: LeftOut[] = [];
      const cidrs = usedRanges([node], clusterRanges, maskSizes, (found) => bad.push(...found));
      hold(name, { uid: node.metadata.uid, node, cidrs, bad, isAllocated: false });
    }
    return node === undefined;
  }

  return {
    name: 'node-ipam',
    watches: [
      {
        resource: 'nodes',
        // A deleted node frees its range, so the nodes without a range are tried again.
        keys: ({ metadata: { name } }, _, all) => (observe(name) ? [name, ...withoutRange(all)] : [name]),
      },
    ],
    // One key at a time: two nodes must not get the same range.
    concurrency: 1,

    async reconcile(name) {
      const node = caches.cache('nodes').get(name);
      if (node === undefined || hasRange(node)) return done;
      const known = holdings.get(name);
      if (known?.isAllocated === true && known.uid === node.metadata.uid) return done; // The cache does not show the range yet.
      const given = parts.map((all) => all.next());
      if (!given.every((cidr) => cidr !== undefined)) {
        events.event(node, 'Normal', 'CIDRNotAvailable', `Node ${keyOf(node)} status is now: CIDRNotAvailable`);
        throw new Error(
          `failed to allocate cidr for node ${name} from cluster cidr ${options.clusterCidr}: CIDR allocation failed; there are no remaining CIDRs left to allocate in the accepted range`,
        );
      }
      const podCIDRs = given.map(formatCidr);
      try {
        await client
          .resource('nodes')
          .patch(
            { name },
            { type: 'strategic', body: { metadata: { uid: node.metadata.uid }, spec: { podCIDR: podCIDRs[0], podCIDRs } } },
          );
        const now = caches.cache('nodes').get(name);
        if (now?.metadata.uid === node.metadata.uid && !hasRange(now))
          hold(name, { uid: node.metadata.uid, cidrs: given, bad: [], isAllocated: true });
      } catch (error) {
        events.event(node, 'Normal', 'CIDRAssignmentFailed', `Node ${name} status is now: CIDRAssignmentFailed`);
        throw error;
      }
      return done;
    },
  };
};

const withoutRange = (caches: Caches): string[] =>
  caches
    .cache('nodes')
    .list()
    .filter((node) => !hasRange(node))
    .map(keyOf);

function maskSize({ family }: Cidr, { nodeCidrMaskSize }: NodeIpamOptions): number {
  return family === 'IPv4' ? (nodeCidrMaskSize ?? 24) : 64;
}

const textsOf = ({ spec }: Node): readonly string[] => {
  const { podCIDR, podCIDRs } = spec ?? {};
  const texts = podCIDRs ?? (podCIDR === undefined ? [] : [podCIDR]);
  return texts.filter((text) => text !== '');
};

const hasRange = (node: Node): boolean => textsOf(node).length > 0;

/**
 * The ranges that are in use. A malformed range of a Node is ignored. So is one that is larger than one node's share, because
 * such a Node would leave no ranges for other nodes. Pure.
 */
export function usedRanges(
  nodes: readonly Node[],
  clusterRanges: readonly Cidr[],
  maskSizes: readonly number[],
  report: (leftOut: readonly LeftOut[]) => void,
): Cidr[] {
  const bad: LeftOut[] = [];
  const used = readEach(
    'Node',
    nodes,
    (one) => bad.push(one),
    (node) =>
      textsOf(node).flatMap((text) => {
        const range = parseCidrSloppy(text);
        const why =
          range === undefined
            ? `${JSON.stringify(text)} is no range of addresses`
            : clusterRanges.some((cluster, index) => exceedsOneShare(range, cluster, maskSizes[index] ?? 0))
              ? `${text} takes all addresses of the cluster`
              : undefined;
        if (why !== undefined) bad.push(leftOut('Node', node, `spec.podCIDRs: ${why}`));
        return range === undefined || why !== undefined ? [] : [range];
      }),
  );
  report(bad);
  return used;
}

/** Whether a range takes more than one node's share. A cluster with only one share may be used up by one node. */
const exceedsOneShare = (range: Cidr, cluster: Cidr, maskSize: number): boolean =>
  contains(range, cluster) && !(range.prefixLength === cluster.prefixLength && maskSize === cluster.prefixLength);
