/** The containers of a pod, by kind. Pure. */
import type { Container, EphemeralContainer, Pod } from '../types.generated.ts';

/** The three lists of containers in a pod's spec. */
export type ContainerKind = 'init' | 'container' | 'ephemeral';

/** Whether an init container is a sidecar, which keeps running beside the pod's containers (KEP-753). */
export const isSidecar = ({ restartPolicy }: Pick<Container, 'restartPolicy'>): boolean => restartPolicy === 'Always';

/** The init containers of the pod; empty when it has none. */
export const initContainers = ({ spec }: Pick<Pod, 'spec'>): readonly Container[] => spec.initContainers ?? [];
/** The ephemeral containers of the pod; empty when it has none. */
export const ephemeralContainers = ({ spec }: Pick<Pod, 'spec'>): readonly EphemeralContainer[] => spec.ephemeralContainers ?? [];

/** All containers of the pod: init containers, containers, ephemeral containers. */
export function* allContainers(pod: Pick<Pod, 'spec'>): Generator<{ kind: ContainerKind; container: Container }> {
  for (const container of initContainers(pod)) yield { kind: 'init', container };
  for (const container of pod.spec.containers ?? []) yield { kind: 'container', container };
  for (const container of ephemeralContainers(pod)) yield { kind: 'ephemeral', container };
}

/** The container with this name, of any kind; undefined when there is none. */
export function findContainer(pod: Pick<Pod, 'spec'>, name: string): { kind: ContainerKind; container: Container } | undefined {
  for (const entry of allContainers(pod)) if (entry.container.name === name) return entry;
  return undefined;
}
