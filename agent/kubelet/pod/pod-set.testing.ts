/** For tests only: all pods of a node, on a fake clock and an in-memory runtime, whose changes wake all workers. */
import type { Node } from '#api/types.generated.ts';
import type { FakeClock } from '#client/clock.ts';
import { type PodNodeOptions, podNode, rest } from './pod-node.testing.ts';
import { PodSet, type PodSetDeps } from './pod-set.ts';

/** @param allocatable of the Node; @param signal stops all workers */
export function podSetNode(
  options: Omit<PodNodeOptions, 'wake' | 'node'>,
  allocatable: Readonly<Record<string, string>>,
  signal: AbortSignal,
): { pods: PodSet; resizes: PodSetDeps['resizes'] } {
  const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' }, spec: {}, status: { allocatable } } as unknown as Node;
  const { admit: _admit, ...deps } = podNode({ ...options, node: () => node, wake: (uid) => pods.wake(uid) });
  const pods: PodSet = new PodSet({ ...deps, node: () => node }, signal);
  options.fake.changed = () => {
    for (const worker of pods.workers()) worker.wake();
  };
  return { pods, resizes: deps.resizes };
}

/** Lets so many seconds pass; what happens in one has its effects before the next. */
export async function passSeconds(clock: FakeClock, seconds: number): Promise<void> {
  for (let second = 0; second <= seconds; second++) {
    await rest();
    await clock.advance(second === 0 ? 0 : 1000);
  }
  await rest();
}
