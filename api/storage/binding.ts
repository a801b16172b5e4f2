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

/** Of claims: they have been bound once. Whoever points at nothing after that has lost its data. */
export const bindCompletedAnnotation = 'pv.kubernetes.io/bind-completed';
/** Of volumes and claims: the controller made the reference, not a user (who "pre-binds"). */
export const boundByControllerAnnotation = 'pv.kubernetes.io/bound-by-controller';
/** Of claims: the node that the scheduler has chosen for the first pod; a provisioner makes the volume for it. */
export const selectedNodeAnnotation = 'volume.kubernetes.io/selected-node';
/** Of claims: who shall make the volume. */
export const provisionerAnnotation = 'volume.kubernetes.io/storage-provisioner';
/** The older name of {@link provisionerAnnotation}, which is still written beside it. */
export const betaProvisionerAnnotation = 'volume.beta.kubernetes.io/storage-provisioner';
/** Of volumes: who made it. */
export const provisionedByAnnotation = 'pv.kubernetes.io/provisioned-by';
/** Of volumes and claims: the CSI driver that stands in for a volume plugin which was part of Kubernetes. */
export const migratedToAnnotation = 'pv.kubernetes.io/migrated-to';
/** Of volumes: the size of the file system before the volume grew; the claim shows it until the kubelet has resized. */
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

/** What the claim asks for. Zero where it does not say. */
export const requestedStorage = ({ spec }: PersistentVolumeClaim): Quantity =>
  ownValue(spec?.resources?.requests ?? {}, 'storage') ?? '0';

/** What the volume holds. Zero where it does not say. */
export const volumeCapacity = ({ spec }: PersistentVolume): Quantity => ownValue(spec?.capacity ?? {}, 'storage') ?? '0';

/** `Filesystem` or `Block`. */
export const volumeModeOf = ({ spec }: PersistentVolume | PersistentVolumeClaim): string => spec?.volumeMode ?? 'Filesystem';

/** Whether claims of the class wait for a pod: the scheduler, which knows the node, then has them bound or provisioned. */
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
 * Whether pods on the node can use the volume (`spec.nodeAffinity.required`). The selector is parsed once per stored volume.
 * Upstream knows labels only: a term about the name of the node matches none.
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
