/**
 * The faults of a world. The plan depends only on the seed and is made at the start. Each fault begins at its time and ends by itself;
 * after {@link chaosEndMs} there are no faults.
 */
import type { Part } from './control-plane.ts';
import type { Weather } from './network.ts';
import type { Random } from './random.ts';

/** When faults and users begin and end, in milliseconds since the world's start. */
export const chaosStartMs = 3_000;
export const chaosEndMs = 75_000;

/** One fault. `atMs` and `forMs`: when it begins, and how long it lasts. */
export type Fault = { atMs: number; forMs: number } & (
  | { kind: 'crash'; part: Part; write: number; moment: 'before' | 'after' }
  | { kind: 'stale'; part: 'controllers' | 'scheduler'; resource: string; lagMs: number }
  | {
      kind: 'weather';
      of: Partial<Pick<Weather, 'loseRequest' | 'loseAnswer' | 'deliverTwice' | 'repeatChange' | 'breakWatch' | 'latencyMs'>>;
    }
  | { kind: 'partition'; endpoint: string }
  | { kind: 'deaf'; part: 'controllers' | 'scheduler' }
  | { kind: 'node-death'; node: string }
  | { kind: 'clock-jump'; byMs: number }
  | { kind: 'new-node'; node: string }
);

const resources = [
  'pods',
  'pods',
  'pods',
  'pods',
  'pods',
  'pods',
  'replicasets',
  'deployments',
  'jobs',
  'statefulsets',
  'nodes',
  '*',
  'poddisruptionbudgets',
  'resourcequotas',
  'configmaps',
  'cronjobs',
  'replicasets',
];

/** Makes the plan of faults. @param nodes names of the nodes */
export function planFaults(random: Random, nodes: readonly string[]): Fault[] {
  const count = random.pick([0, 2, 3, 4, 4, 5, 6, 8]);
  return Array.from({ length: count }, () => planFault(random, nodes)).sort((a, b) => a.atMs - b.atMs);
}

function planFault(random: Random, nodes: readonly string[]): Fault {
  const atMs = random.between(chaosStartMs, chaosEndMs - 30_000);
  const forMs = random.between(2_000, 30_000);
  const time = { atMs, forMs };
  const kind = random.between(1, 16);
  if (kind <= 4) {
    const part = random.pick<Part>(['controllers', 'controllers', 'controllers', 'scheduler', 'apiserver']);
    return {
      kind: 'crash',
      part,
      write: random.between(1, 12),
      moment: random.pick(['before', 'after']),
      atMs,
      forMs: random.between(300, 8_000),
    };
  }
  if (kind <= 7) {
    const part = random.chance(0.8) ? 'controllers' : 'scheduler';
    return { kind: 'stale', part, resource: random.pick(resources), lagMs: random.pick([300, 3_000, 10_000]), ...time };
  }
  if (kind === 8) return { kind: 'weather', of: { loseAnswer: random.pick([0.05, 0.2]), loseRequest: 0.05 }, ...time };
  if (kind === 9) return { kind: 'weather', of: { deliverTwice: 0.2, repeatChange: 0.3 }, ...time };
  if (kind === 10) return { kind: 'weather', of: { breakWatch: 0.1, latencyMs: random.pick([3, 100, 800]) }, ...time };
  if (kind === 11) {
    const endpoint = random.pick(['controllers', 'scheduler', ...nodes.map((node) => `kubelet/${node}`)]);
    return { kind: 'partition', endpoint, atMs, forMs: random.between(5_000, 30_000) };
  }
  if (kind === 12)
    return { kind: 'partition', endpoint: `kubelet/${random.pick(nodes)}`, atMs, forMs: chaosEndMs + 90_000 - atMs };
  if (kind === 13)
    return random.chance(0.7)
      ? { kind: 'node-death', node: random.pick(nodes), atMs, forMs: random.pick([3_000, 20_000, chaosEndMs + 60_000 - atMs]) }
      : { kind: 'new-node', node: 'n4', atMs, forMs: 0 };
  if (kind >= 15)
    return { kind: 'deaf', part: random.pick(['controllers', 'scheduler']), atMs, forMs: random.between(2_000, 15_000) };
  return { kind: 'clock-jump', byMs: random.pick([-3_600_000, -20_000, 20_000, 200_000, 3_600_000]), atMs, forMs: 0 };
}

/** A fault in words. */
export const faultText = (fault: Fault): string => JSON.stringify(fault);
