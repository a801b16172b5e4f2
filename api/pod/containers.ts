/** The containers of a pod, by kind. Pure. */
import type { Container, EphemeralContainer, Pod } from '../types.generated.ts';

export type ContainerKind = 'init' | 'container' | 'ephemeral';

/** An init container that keeps running beside the pod's containers (KEP-753). */
export const isSidecar = ({ restartPolicy }: Pick<Container, 'restartPolicy'>): boolean => restartPolicy === 'Always';

export const initContainers = ({ spec }: Pick<Pod, 'spec'>): readonly Container[] => spec.initContainers ?? [];
export const ephemeralContainers = ({ spec }: Pick<Pod, 'spec'>): readonly EphemeralContainer[] => spec.ephemeralContainers ?? [];

/** In the order in which they start. */
export function* allContainers(pod: Pick<Pod, 'spec'>): Generator<{ kind: ContainerKind; container: Container }> {
  for (const container of initContainers(pod)) yield { kind: 'init', container };
  for (const container of pod.spec.containers) yield { kind: 'container', container };
  for (const container of ephemeralContainers(pod)) yield { kind: 'ephemeral', container };
}

export function findContainer(pod: Pick<Pod, 'spec'>, name: string): { kind: ContainerKind; container: Container } | undefined {
  for (const entry of allContainers(pod)) if (entry.container.name === name) return entry;
  return undefined;
}
