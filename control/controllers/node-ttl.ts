/**
 * TTL controller: sets an annotation on each node that says how long its kubelet may use secrets and ConfigMaps from its cache.
 * The more nodes, the longer.
 *
 * Watches: Node.  Writes: Node (annotation).
 *
 * Source: kubernetes `pkg/controller/ttl`.
 */
import { keyOf } from '#api/meta.ts';
import type { Controller, ControllerDeps } from '#client/controller.ts';
import { done } from '#client/controller.ts';

const annotation = 'node.alpha.kubernetes.io/ttl';

/** The steps overlap, so that a cluster near a limit does not switch between two steps. */
const steps: readonly { atLeast: number; atMost: number; seconds: number }[] = [
  { atLeast: 0, atMost: 100, seconds: 0 },
  { atLeast: 90, atMost: 500, seconds: 15 },
  { atLeast: 450, atMost: 1000, seconds: 30 },
  { atLeast: 900, atMost: 2000, seconds: 60 },
  { atLeast: 1800, atMost: Number.POSITIVE_INFINITY, seconds: 300 },
];

/** The next step for this number of nodes, given the step before. Pure. */
export function ttlStep(before: number, nodes: number): number {
  let step = before;
  while (nodes > (steps[step]?.atMost ?? 0)) step++;
  while (nodes < (steps[step]?.atLeast ?? 0)) step--;
  return step;
}

/** Makes the TTL controller. */
export function nodeTtlController({ client, caches }: ControllerDeps): Controller {
  const nodes = new Set<string>();
  let step = 0;
  return {
    name: 'ttl',
    watches: [
      {
        resource: 'nodes',
        keys(node, _, all) {
          const key = keyOf(node);
          if (all.cache('nodes').get(key) === undefined) nodes.delete(key);
          else nodes.add(key);
          step = ttlStep(step, nodes.size);
          // The other nodes are updated at their next heartbeat.
          return [key];
        },
      },
    ],
    async reconcile(name) {
      const node = caches.cache('nodes').get(name);
      const value = String(steps[step]?.seconds ?? 0);
      if (node === undefined || node.metadata.annotations?.[annotation] === value) return done;
      await client
        .resource('nodes')
        .patch({ name }, { type: 'strategic', body: { metadata: { annotations: { [annotation]: value } } } });
      return done;
    },
  };
}
