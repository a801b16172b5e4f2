/**
 * How PersistentVolumes and PersistentVolumeClaims point at each other: what controller, scheduler, provisioners and kubelet agree on. Pure.
 *
 * Source: component-helpers `storage/volume/{helpers,pv_helpers}.go`; kubernetes.io, Persistent Volumes.
 */

import type { Quantity } from '../json.ts';
import { ownValue } from '../own-value.ts';
import { type NodeIdentity, type NodeMatcher, nodeSelector } from '../pod/node-selector.ts';
import type { ObjectReference, PersistentVolume, PersistentVolumeClaim, StorageClass } from '../types.generated.ts';
import { storageClassName } from './claim-classes.ts';

/** Annotation of claims that were bound once. If the volume of such a claim is gone, the claim is Lost. */
export const bindCompletedAnnotation = 'pv.kubernetes.io/bind-completed';
/** Annotation of volumes and claims: the controller has set the reference, not a user (who "pre-binds"). */
export const boundByControllerAnnotation = 'pv.kubernetes.io/bound-by-controller';
/** Annotation of claims: the node that the scheduler has chosen for the first pod. The provisioner creates the volume for it. */
export const selectedNodeAnnotation = 'volume.kubernetes.io/selected-node';
/** Annotation of claims: the provisioner of the volume. */
export const provisionerAnnotation = 'volume.kubernetes.io/storage-provisioner';
/** The older name of {@link provisionerAnnotation}, which is still written beside it. */
export const betaProvisionerAnnotation = 'volume.beta.kubernetes.io/storage-provisioner';
/** Annotation of volumes: the provisioner that has created it. */
export const provisionedByAnnotation = 'pv.kubernetes.io/provisioned-by';
/** Annotation of volumes and claims: the CSI driver that replaces the in-tree volume plugin. */
export const migratedToAnnotation = 'pv.kubernetes.io/migrated-to';
/**
 * Annotation of volumes: the size of the filesystem before the expansion. The claim shows it until the kubelet has expanded the filesystem.
 */
export const preResizeCapacityAnnotation = 'volume.alpha.kubernetes.io/pre-resize-capacity';
/** Keeps a provisioned volume until its provisioner has removed what it stands for. */
export const provisionerFinalizer = 'external-provisioner.volume.kubernetes.io/finalizer';
/** The same, of volumes that the controller itself provisioned. */
export const inTreeFinalizer = 'kubernetes.io/pv-controller';

/** The annotation's value; undefined where there is none. */
export const annotation = ({ metadata }: PersistentVolume | PersistentVolumeClaim, name: string): string | undefined =>
  ownValue(metadata.annotations ?? {}, name);

/** The class of a claim or volume; empty: none. */
export const classOf = (object: PersistentVolume | PersistentVolumeClaim): string => storageClassName(object) ?? '';

/** The requested storage; zero when the claim does not set it. */
export const requestedStorage = ({ spec }: PersistentVolumeClaim): Quantity =>
  ownValue(spec?.resources?.requests ?? {}, 'storage') ?? '0';

/** The volume's capacity; zero when it does not set it. */
export const volumeCapacity = ({ spec }: PersistentVolume): Quantity => ownValue(spec?.capacity ?? {}, 'storage') ?? '0';

/** `Filesystem` or `Block`. */
export const volumeModeOf = ({ spec }: PersistentVolume | PersistentVolumeClaim): string => spec?.volumeMode ?? 'Filesystem';

/**
 * Whether claims of the class wait for a pod (WaitForFirstConsumer). The scheduler, which chooses the node, then triggers binding or
 * provisioning.
 */
export const waitsForConsumer = (storageClass: StorageClass | undefined): boolean =>
  storageClass?.volumeBindingMode === 'WaitForFirstConsumer';

/** Whether the volume has all access modes that the claim asks for. */
export const hasAccessModes = ({ spec: wanted }: PersistentVolumeClaim, { spec }: PersistentVolume): boolean =>
  (wanted?.accessModes ?? []).every((mode) => (spec?.accessModes ?? []).includes(mode));

/** The key of the claim that the volume names; undefined: it names none. */
export function claimKeyOf({ spec }: PersistentVolume): string | undefined {
  const ref = spec?.claimRef;
  return ref === undefined || ref === null ? undefined : `${ref.namespace ?? ''}/${ref.name ?? ''}`;
}

/** Whether the volume is bound to the claim, or reserved for it (then the reference may lack the UID). */
export function isBoundToClaim({ spec }: PersistentVolume, { metadata }: PersistentVolumeClaim): boolean {
  const ref = spec?.claimRef;
  if (ref === undefined || ref.name !== metadata.name || ref.namespace !== metadata.namespace) return false;
  return (ref.uid ?? '') === '' || ref.uid === metadata.uid;
}

/**
 * The volume as it is when bound to the claim; the same object where it is already. The controller writes it, and so does the scheduler.
 * Nothing says who made the reference where the user did.
 */
export function boundVolume(volume: PersistentVolume, claim: PersistentVolumeClaim): PersistentVolume {
  const { claimRef } = volume.spec;
  const isOwn = isBoundToClaim(volume, claim);
  const isComplete = isOwn && claimRef?.uid === claim.metadata.uid;
  const isMarked = isOwn || annotation(volume, boundByControllerAnnotation) !== undefined;
  if (isComplete && isMarked) return volume;
  return {
    ...volume,
    metadata: isMarked ? volume.metadata : withAnnotations(volume.metadata, { [boundByControllerAnnotation]: 'yes' }),
    spec: isComplete ? volume.spec : { ...volume.spec, claimRef: claimReference(claim) },
  };
}

/** The reference to a claim that a volume holds. */
export function claimReference({ metadata }: PersistentVolumeClaim): ObjectReference {
  const { namespace, name, uid, resourceVersion } = metadata;
  return { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name, uid, resourceVersion };
}

/** The metadata with these annotations besides those that it has; undefined takes one away. */
export function withAnnotations<M extends { annotations?: Record<string, string> | undefined }>(
  metadata: M,
  changes: Readonly<Record<string, string | undefined>>,
): M {
  const entries = Object.entries({ ...metadata.annotations, ...changes }).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  return { ...metadata, annotations: entries.length === 0 ? undefined : Object.fromEntries(entries) };
}

const matchers = new WeakMap<object, NodeMatcher>();

/**
 * Whether pods on the node can use the volume (`spec.nodeAffinity.required`). The selector is parsed once per stored volume. As upstream,
 * only labels are matched: a term about the node's name matches nothing.
 */
export function volumeFitsNode({ spec }: PersistentVolume, node: Pick<NodeIdentity, 'labels'>): boolean {
  const required = spec?.nodeAffinity?.required;
  if (required === undefined) return true;
  let matches = matchers.get(required);
  if (matches === undefined) {
    matches = nodeSelector(required);
    matchers.set(required, matches);
  }
  return matches({ name: '', labels: node.labels });
}
