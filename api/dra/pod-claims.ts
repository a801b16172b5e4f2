/**
 * Which ResourceClaims a pod uses, and whether it may: what controller, scheduler and kubelet must see alike.
 *
 * Source: dynamic-resource-allocation `resourceclaim/resourceclaim.go`.
 */
import { controllerOf } from '#api/meta.ts';
import type { DraResourceClaim, Pod, PodResourceClaim } from '#api/types.generated.ts';

/** The finalizer that keeps an allocated claim until its devices are free. */
export const claimFinalizer = 'resource.kubernetes.io/delete-protection';
/** Names the entry of `spec.resourceClaims` for which a claim was made. */
export const podClaimAnnotation = 'resource.kubernetes.io/pod-claim-name';

/** The claim behind an entry of `spec.resourceClaims`. */
export type ClaimName =
  | { kind: 'named'; name: string /** Whether it must be the pod's own. */; isOwned: boolean }
  /** It was found that no claim is needed. */
  | { kind: 'unneeded' }
  /** It is still to be made from its template. */
  | { kind: 'missing' }
  /** None of the fields that are known is set. */
  | { kind: 'unknown' };

/** The claim of an entry. */
export function claimNameOf({ status }: Pod, entry: PodResourceClaim): ClaimName {
  if (entry.resourceClaimName !== undefined) return { kind: 'named', name: entry.resourceClaimName, isOwned: false };
  if (entry.resourceClaimTemplateName === undefined) return { kind: 'unknown' };
  const made = status?.resourceClaimStatuses?.find(({ name }) => name === entry.name);
  if (made === undefined) return { kind: 'missing' };
  return made.resourceClaimName === undefined
    ? { kind: 'unneeded' }
    : { kind: 'named', name: made.resourceClaimName, isOwned: true };
}

/** Upstream's words for a claim that has no name. */
export function unnamedClaimText({ metadata }: Pod, entry: PodResourceClaim, kind: 'missing' | 'unknown'): string {
  const pod = `pod "${metadata.namespace ?? ''}/${metadata.name}"`;
  return kind === 'missing'
    ? `${pod}: ResourceClaim not created yet`
    : `${pod}, spec.resourceClaim ${JSON.stringify(entry.name)}: none of the supported fields are set`;
}

/** @returns why the claim was not made for the pod; undefined: it was */
export function claimOwnerProblem(pod: Pod, claim: DraResourceClaim): string | undefined {
  if (controllerOf(claim)?.uid === pod.metadata.uid) return undefined;
  const { namespace = '', name } = claim.metadata;
  return `ResourceClaim ${namespace}/${name} was not created for Pod ${pod.metadata.namespace ?? ''}/${pod.metadata.name} (Pod is not owner)`;
}

/** Whether the claim is reserved for the pod. */
export const isReservedFor = ({ metadata }: Pod, { status }: DraResourceClaim): boolean =>
  (status?.reservedFor ?? []).some(({ uid }) => uid === metadata.uid);
