/** An index of pods by the ResourceClaims and templates that they use. */
import { claimNameOf } from '#api/dra/pod-claims.ts';
import type { Pod } from '#api/types.generated.ts';
import { PodIndex } from '../pod-index.ts';

/** Pods by the key of a claim or template. */
export class PodsByResourceClaim extends PodIndex {
  constructor() {
    super(usesOf);
  }

  /** The pods that use a claim, unordered. */
  ofClaim(key: string): Pod[] {
    return this.of(`claim:${key}`);
  }

  /** The pods that use a template, unordered. */
  ofTemplate(key: string): Pod[] {
    return this.of(`template:${key}`);
  }
}

function usesOf(pod: Pod): Set<string> {
  const { namespace = '' } = pod.metadata;
  const uses = new Set<string>();
  for (const entry of pod.spec.resourceClaims ?? []) {
    if (entry.resourceClaimTemplateName !== undefined) uses.add(`template:${namespace}/${entry.resourceClaimTemplateName}`);
    const claim = claimNameOf(pod, entry);
    if (claim.kind === 'named') uses.add(`claim:${namespace}/${claim.name}`);
  }
  return uses;
}
