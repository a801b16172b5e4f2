/**
 * `pods/resize`: what a write of it keeps of the stored pod.
 *
 * Source: upstream `pkg/registry/core/pod/strategy.go` (dropNonResizeUpdates); KEP-1287, KEP-5419.
 */
import type { Container, Pod } from '#api/types.generated.ts';

const keptMetadata = ['labels', 'annotations', 'finalizers', 'ownerReferences'] as const;

/**
 * Keeps all of the stored pod but the resources and resize policies of its containers, and the pod-level resources. A pod whose containers
 * are added, removed or renamed stays as it was sent: validation refuses it and says why. In place.
 */
export function preparePodResize(pod: Pod, old: Pod): void {
  const { containers, initContainers = [], resources } = pod.spec;
  const { containers: olds, initContainers: oldInits = [] } = old.spec;
  if (containers.length !== olds.length || initContainers.length !== oldInits.length) return;
  const { resources: _, ...spec } = old.spec;
  pod.spec = {
    ...spec,
    containers: onlyResized(containers, olds),
    ...(initContainers.length === 0 ? {} : { initContainers: onlyResized(initContainers, oldInits) }),
    ...(resources === undefined ? {} : { resources }),
  };
  if (old.status === undefined) delete pod.status;
  else pod.status = old.status;
  for (const name of keptMetadata) {
    if (old.metadata[name] === undefined) delete pod.metadata[name];
    else Object.assign(pod.metadata, { [name]: old.metadata[name] });
  }
}

function onlyResized(containers: Container[], olds: readonly Container[]): Container[] {
  if (containers.some(({ name }, index) => name !== olds[index]?.name)) return containers;
  return containers.map(({ resources, resizePolicy }, index) => {
    const { resources: _, resizePolicy: __, ...kept } = olds[index] as Container;
    return {
      ...kept,
      ...(resources === undefined ? {} : { resources }),
      ...(resizePolicy === undefined ? {} : { resizePolicy }),
    };
  });
}
