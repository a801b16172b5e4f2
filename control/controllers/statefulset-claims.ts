/**
 * The claims of a StatefulSet's pods and their owner references. `persistentVolumeClaimRetentionPolicy` decides whether the claims are
 * deleted with the set, or with a pod that is scaled down. Pure.
 *
 * Source: kubernetes `pkg/controller/statefulset/stateful_set_utils.go`; KEP-1847.
 */
import type { KubeObject, New } from '#api/meta.ts';
import { controllerReference } from '#api/meta.ts';
import type { OwnerReference, PersistentVolumeClaim, Pod, StatefulSet } from '#api/types.generated.ts';
import { claimName, isWanted, ordinalOf } from './statefulset-pods.ts';

/** Finds a claim of the set's namespace by name. */
export type ClaimLookup = (name: string) => PersistentVolumeClaim | undefined;

/** The parts of a pod that its claims refer to. A pod that is not created yet has no UID. */
export type ClaimingPod = Pick<Pod, 'apiVersion' | 'kind'> & {
  metadata: { name?: string | undefined; uid?: string | undefined };
};

/** The claims that the pod of this ordinal needs. */
export function claimsOf({ metadata, spec }: StatefulSet, ordinal: number): New<PersistentVolumeClaim>[] {
  return (spec.volumeClaimTemplates ?? []).map((template) => ({
    ...template,
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      ...template.metadata,
      name: claimName(template.metadata?.name ?? '', metadata.name, ordinal),
      namespace: metadata.namespace,
      labels: { ...template.metadata?.labels, ...spec.selector.matchLabels },
    },
  }));
}

const names = (reference: OwnerReference, { apiVersion, kind, metadata }: ClaimingPod | KubeObject): boolean =>
  reference.apiVersion === apiVersion && reference.kind === kind && reference.name === metadata.name;

const ownersOf = ({ metadata }: PersistentVolumeClaim): OwnerReference[] => metadata.ownerReferences ?? [];

/** Whether the claim belongs to an earlier object of the same name, which is deleted or about to be. */
export const isStale = (claim: PersistentVolumeClaim, owner: ClaimingPod | KubeObject): boolean =>
  ownersOf(claim).some((one) => names(one, owner) && one.uid !== owner.metadata.uid);

/** Whether a claim of a former pod prevents the creation of this pod, because the claim is deleted with the former pod. */
export function waitsForClaims(set: StatefulSet, pod: ClaimingPod, lookup: ClaimLookup): boolean {
  if (policyOf(set).whenScaled === 'Retain') return false;
  return claimsOf(set, ordinalOf(pod)).some(({ metadata: { name = '' } }) => {
    const claim = lookup(name);
    return claim !== undefined && isStale(claim, pod);
  });
}

const policyOf = ({ spec }: StatefulSet): { whenDeleted: string; whenScaled: string } => {
  const { whenDeleted = 'Retain', whenScaled = 'Retain' } = spec.persistentVolumeClaimRetentionPolicy ?? {};
  return { whenDeleted, whenScaled };
};

/** Whether another controller manages the claim, so that the policy does not apply. */
export function hasOtherController(claim: PersistentVolumeClaim, set: StatefulSet, pod: ClaimingPod): boolean {
  const { whenDeleted, whenScaled } = policyOf(set);
  if (whenDeleted === 'Retain' && whenScaled === 'Retain') return false;
  return ownersOf(claim).some((one) => {
    const mine = [set, pod].find((owner) => names(one, owner));
    return mine === undefined ? one.controller === true : one.uid !== mine.metadata.uid;
  });
}

/** The owners by the policy: the set, or the pod that is scaled down. */
function wantedOwners(set: StatefulSet, pod: ClaimingPod): (KubeObject | ClaimingPod)[] {
  const { whenDeleted, whenScaled } = policyOf(set);
  const isScaledDown = !isWanted(set, ordinalOf(pod));
  if (whenScaled === 'Delete' && isScaledDown) return [pod];
  return whenDeleted === 'Delete' ? [set] : [];
}

/**
 * The owner references that the claim must get. Undefined when they are right, or must not be changed because the claim belongs to an
 * earlier set or pod.
 */
export function claimOwners(claim: PersistentVolumeClaim, set: StatefulSet, pod: ClaimingPod): OwnerReference[] | undefined {
  if (isStale(claim, set) || isStale(claim, pod)) return undefined;
  const mine = ownersOf(claim).filter(({ uid }) => uid === set.metadata.uid || uid === pod.metadata.uid);
  const others = ownersOf(claim).filter((one) => !names(one, set) && !names(one, pod));
  if (hasOtherController(claim, set, pod)) return mine.length === 0 ? undefined : others;
  const wanted = wantedOwners(set, pod);
  const isRight =
    mine.length === wanted.length &&
    mine.every((one) => one.controller === true && wanted.some(({ metadata }) => metadata.uid === one.uid));
  return isRight ? undefined : [...others, ...wanted.map((owner) => controllerReference(owner as KubeObject))];
}

/** Whether all existing claims of the pod have the owners of the policy. */
export const hasRightOwners = (set: StatefulSet, pod: Pod, lookup: ClaimLookup): boolean =>
  claimsOf(set, ordinalOf(pod)).every(({ metadata: { name = '' } }) => {
    const claim = lookup(name);
    return claim === undefined || claimOwners(claim, set, pod) === undefined;
  });
