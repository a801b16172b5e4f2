/** An index of pods by the claims that they use. Source: kubernetes `pkg/controller/volume/common` (PodPVCIndexFunc). */
import { volumeClaimName } from '#api/pod/object-references.ts';
import type { Pod } from '#api/types.generated.ts';
import { PodIndex } from './pod-index.ts';

/** Pods by the key of a claim that they use. */
export class PodsByClaim extends PodIndex {
  constructor() {
    super(claimKeysOf);
  }
}

/** The keys of all claims that a pod uses, those of its ephemeral volumes included. */
export function claimKeysOf(pod: Pod): string[] {
  return (pod.spec.volumes ?? []).flatMap((volume) => {
    const name = volumeClaimName(pod, volume);
    return name === undefined ? [] : [`${pod.metadata.namespace ?? ''}/${name}`];
  });
}
