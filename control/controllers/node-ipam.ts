/**
 * Node IPAM controller: gives every node the range of addresses for its pods.
 *
 * Owns: -.  Watches: Node.  Writes: Node (spec.podCIDR, spec.podCIDRs).
 * Source: kubernetes `pkg/controller/nodeipam/ipam/range_allocator.go`.
 */
import { keyOf } from '#api/meta.ts';
import type { Node } from '#api/types.generated.ts';
import type { Caches, Controller, ControllerDeps } from '#client/controller.ts';
import { done } from '#client/controller.ts';
import { own } from '#client/controller-runner.ts';
import type { CidrRange } from './cidr-set.ts';
import { formatCidr, nextFree, parseCidr } from './cidr-set.ts';

export interface NodeIpamOptions {
  /** `--cluster-cidr`: one range, or two of different families, separated by a comma. */
  clusterCidr: string;
  /** `--node-cidr-mask-size`. Default 24 for IPv4, 64 for IPv6. */
  nodeCidrMaskSize?: number | undefined;
  /** `--service-cluster-ip-range`: not given to nodes where it lies within the cluster's range. */
  serviceCidr?: string | undefined;
}

export const nodeIpamController = (deps: ControllerDeps, options: NodeIpamOptions): Controller => {
  const { client, caches, events } = deps;
  const clusterRanges = options.clusterCidr.split(',').map((text) => parseCidr(text.trim()));
  const reserved = options.serviceCidr === undefined ? [] : options.serviceCidr.split(',').map((text) => parseCidr(text.trim()));
  /** Given to a node, but not yet seen in the cache. */
  const pending = new Map<string, { uid: string; cidrs: CidrRange[] }>();
  const last = clusterRanges.map(() => -1);
  return {
    name: 'node-ipam',
    watches: [
      own('nodes'),
      // A node that goes gives its range back: those without one are looked at again.
      {
        resource: 'nodes',
        keys: (node, _, all) => (all.cache('nodes').get(node.metadata.name) === undefined ? withoutRange(all) : []),
      },
    ],
    // One at a time: two nodes must not be given the same range.
    concurrency: 1,

    async reconcile(name) {
      const node = caches.cache('nodes').get(name);
      if (node === undefined || rangesOf(node).length > 0) {
        pending.delete(name);
        return done;
      }
      const known = pending.get(name);
      if (known?.uid === node.metadata.uid) return done; // Given; the cache is behind.
      const used = [
        ...reserved,
        ...caches.cache('nodes').list().flatMap(rangesOf),
        ...[...pending.values()].flatMap(({ cidrs }) => cidrs),
      ];
      const given = clusterRanges.map((range, index) => {
        const found = nextFree(range, maskSize(range, options), used, last[index] ?? -1);
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
    .filter((node) => rangesOf(node).length === 0)
    .map(keyOf);

function maskSize({ bits }: CidrRange, { nodeCidrMaskSize }: NodeIpamOptions): number {
  return bits === 32 ? (nodeCidrMaskSize ?? 24) : 64;
}

function rangesOf({ spec }: Node): CidrRange[] {
  const texts = spec.podCIDRs ?? (spec.podCIDR === undefined ? [] : [spec.podCIDR]);
  return texts.filter((text) => text !== '').map(parseCidr);
}
