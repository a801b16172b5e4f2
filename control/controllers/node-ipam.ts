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
import { own } from '#client/controller-runner.ts';
import { type LeftOut, leftOut, readEach } from '#client/left-out.ts';
import { nextFree } from './cidr-set.ts';

/** Configuration of the node IPAM controller. */
export interface NodeIpamOptions {
  /** `--cluster-cidr`: one range, or two of different families with a comma. */
  clusterCidr: string;
  /** `--node-cidr-mask-size`. Default 24 for IPv4, 64 for IPv6. */
  nodeCidrMaskSize?: number | undefined;
  /** `--service-cluster-ip-range`. Nodes do not get the part of the cluster's range that it covers. */
  serviceCidr?: string | undefined;
}

/** Makes the node IPAM controller. @throws RangeError for a malformed range */
export const nodeIpamController = (deps: ControllerDeps, options: NodeIpamOptions): Controller => {
  const { client, caches, events } = deps;
  const clusterRanges = options.clusterCidr.split(',').map((text) => mustParseCidr(text.trim()));
  const reserved =
    options.serviceCidr === undefined ? [] : options.serviceCidr.split(',').map((text) => mustParseCidr(text.trim()));
  /** Ranges that were allocated to a node, but that the cache does not show yet. */
  const pending = new Map<string, { uid: string; cidrs: Cidr[] }>();
  const last = clusterRanges.map(() => -1);
  const maskSizes = clusterRanges.map((range) => maskSize(range, options));
  const report = (bad: readonly LeftOut[]): void => deps.leftOut.report('node-ipam', bad);
  return {
    name: 'node-ipam',
    watches: [
      own('nodes'),
      // A deleted node frees its range, so the nodes without a range are tried again.
      {
        resource: 'nodes',
        keys: (node, _, all) => (all.cache('nodes').get(node.metadata.name) === undefined ? withoutRange(all) : []),
      },
    ],
    // One key at a time: two nodes must not get the same range.
    concurrency: 1,

    async reconcile(name) {
      const node = caches.cache('nodes').get(name);
      if (node === undefined || hasRange(node)) {
        pending.delete(name);
        return done;
      }
      const known = pending.get(name);
      if (known?.uid === node.metadata.uid) return done; // The range is allocated; the cache does not show it yet.
      const used = [
        ...reserved,
        ...usedRanges(caches.cache('nodes').list(), clusterRanges, maskSizes, report),
        ...[...pending.values()].flatMap(({ cidrs }) => cidrs),
      ];
      const given = clusterRanges.map((range, index) => {
        const found = nextFree(range, maskSizes[index] ?? 0, used, last[index] ?? -1);
        if (found !== undefined) last[index] = found.index;
        return found?.cidr;
      });
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
        pending.set(name, { uid: node.metadata.uid, cidrs: given });
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
