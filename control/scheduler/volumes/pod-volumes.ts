/**
 * The claims of a pod, and what has to be done about them before it can run on a node. Pure.
 * Source: upstream `plugins/volumebinding/binder.go` (GetPodVolumeClaims, FindPodVolumes).
 */
import { controllerOf } from '#api/meta.ts';
import type { NodeIdentity } from '#api/pod/node-selector.ts';
import { volumeClaimName } from '#api/pod/object-references.ts';
import { compareQuantity } from '#api/quantity.ts';
import { type LabelMatcher, labelMatcher, matchesLabels } from '#api/selector.ts';
import {
  annotation,
  bindCompletedAnnotation,
  classOf,
  requestedStorage,
  selectedNodeAnnotation,
  volumeFitsNode,
  waitsForConsumer,
} from '#api/storage/binding.ts';
import type {
  CSIStorageCapacity,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  StorageClass,
  Volume,
} from '#api/types.generated.ts';
import type { StorageView } from './storage-view.ts';

/** Why a node cannot have the pod's volumes, in upstream's words. */
export const volumeReasons = {
  nodeConflict: "node(s) didn't match PersistentVolume's node affinity",
  noVolume: "node(s) didn't find available persistent volumes to bind",
  noSpace: 'node(s) did not have enough free storage',
  volumeGone: 'node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)',
} as const;

/** The class of volumes that nobody makes (upstream's NotSupportedProvisioner). */
const noProvisioner = 'kubernetes.io/no-provisioner';

/** The claims of a pod, by what there is to do. */
export interface PodClaims {
  readonly bound: readonly PersistentVolumeClaim[];
  /** Wait for the pod's node to be known. */
  readonly delayed: readonly PersistentVolumeClaim[];
  /** Should have been bound already. */
  readonly immediate: readonly PersistentVolumeClaim[];
}

/** What is to be done before the pod runs on the node. */
export interface VolumeDecisions {
  readonly bindings: readonly { readonly claim: PersistentVolumeClaim; readonly volume: PersistentVolume }[];
  /** Claims whose volume a provisioner makes for the node. */
  readonly provisions: readonly PersistentVolumeClaim[];
}

/** A volume of the pod that is a claim: by name, or its own one. */
export function claimVolumes(pod: Pod): { claimName: string; volume: Volume }[] {
  return (pod.spec.volumes ?? []).flatMap((volume) => {
    const claimName = volumeClaimName(pod, volume);
    return claimName === undefined ? [] : [{ claimName, volume }];
  });
}

/** Why the claim is not that of the pod's ephemeral volume; undefined: it is. */
export function foreignClaim(pod: Pod, { metadata, ...claim }: PersistentVolumeClaim): string | undefined {
  if (controllerOf({ ...claim, metadata })?.uid === pod.metadata.uid) return undefined;
  const { namespace, name } = metadata;
  return `PVC ${namespace}/${name} was not created for pod ${pod.metadata.namespace}/${pod.metadata.name} (pod is not owner)`;
}

/** Whether the claim names its volume and the binder has completed the binding. */
export const isFullyBound = (claim: PersistentVolumeClaim): boolean =>
  (claim.spec.volumeName ?? '') !== '' && annotation(claim, bindCompletedAnnotation) !== undefined;

/** Sorts the claims of a pod, all of which exist. */
export function podClaims(pod: Pod, storage: StorageView): PodClaims {
  const [bound, delayed, immediate]: PersistentVolumeClaim[][] = [[], [], []];
  for (const { claimName } of claimVolumes(pod)) {
    const claim = storage.claim(pod.metadata.namespace ?? '', claimName);
    if (claim === undefined) continue;
    if (isFullyBound(claim)) bound?.push(claim);
    else if ((claim.spec.volumeName ?? '') === '' && waitsForConsumer(storage.storageClass(classOf(claim)))) delayed?.push(claim);
    else immediate?.push(claim);
  }
  return { bound: bound ?? [], delayed: delayed ?? [], immediate: immediate ?? [] };
}

/**
 * What to do about the claims for a node, or the reasons why the node cannot have them.
 * @throws Error a claim has no class, or its class is gone
 */
export function decideVolumes(claims: PodClaims, node: NodeIdentity, storage: StorageView): VolumeDecisions | readonly string[] {
  const reasons: string[] = [];
  const boundProblem = problemOfBound(claims.bound, node, storage);
  if (boundProblem === volumeReasons.nodeConflict) reasons.push(boundProblem);
  const decided = decideDelayed(claims.delayed, node, storage);
  if ('reason' in decided) reasons.push(decided.reason);
  if (boundProblem === volumeReasons.volumeGone) reasons.push(boundProblem);
  if (reasons.length > 0) return reasons;
  return 'reason' in decided ? [decided.reason] : decided;
}

function problemOfBound(claims: readonly PersistentVolumeClaim[], node: NodeIdentity, storage: StorageView): string | undefined {
  for (const { spec } of claims) {
    const volume = storage.volume(spec.volumeName ?? '');
    if (volume === undefined) return volumeReasons.volumeGone;
    if (!volumeFitsNode(volume, node)) return volumeReasons.nodeConflict;
  }
  return undefined;
}

function decideDelayed(
  claims: readonly PersistentVolumeClaim[],
  node: NodeIdentity,
  storage: StorageView,
): VolumeDecisions | { reason: string } {
  const provisions: PersistentVolumeClaim[] = [];
  const toMatch: PersistentVolumeClaim[] = [];
  for (const claim of claims) {
    const selected = annotation(claim, selectedNodeAnnotation);
    if (selected !== undefined && selected !== node.name) return { reason: volumeReasons.noVolume };
    (selected === undefined ? toMatch : provisions).push(claim);
  }
  const bindings: { claim: PersistentVolumeClaim; volume: PersistentVolume }[] = [];
  const chosen = new Set<string>();
  // The smallest first, so that each gets the smallest volume that fits.
  for (const claim of toMatch.toSorted((a, b) => compareQuantity(requestedStorage(a), requestedStorage(b)))) {
    const volume = storage.volumeFor(claim, node, chosen);
    if (volume === undefined) {
      provisions.push(claim);
      continue;
    }
    chosen.add(volume.metadata.name);
    bindings.push({ claim, volume });
  }
  for (const claim of provisions) {
    const reason = problemOfProvision(claim, node, storage);
    if (reason !== undefined) return { reason };
  }
  return { bindings, provisions };
}

function problemOfProvision(claim: PersistentVolumeClaim, node: NodeIdentity, storage: StorageView): string | undefined {
  const name = classOf(claim);
  if (name === '') throw new Error(`no class for claim "${claim.metadata.namespace}/${claim.metadata.name}"`);
  const storageClass = storage.storageClass(name);
  if (storageClass === undefined) throw new Error(`failed to find storage class "${name}"`);
  const { provisioner, allowedTopologies } = storageClass;
  if (provisioner === '' || provisioner === noProvisioner || !isAllowed(allowedTopologies, node)) return volumeReasons.noVolume;
  return hasSpace(claim, storageClass, node, storage) ? undefined : volumeReasons.noSpace;
}

const isAllowed = (terms: StorageClass['allowedTopologies'], { labels }: NodeIdentity): boolean =>
  terms === undefined ||
  terms.length === 0 ||
  terms.some(
    ({ matchLabelExpressions = [] }) =>
      matchLabelExpressions.length > 0 &&
      matchLabelExpressions.every(({ key, values }) => Object.hasOwn(labels, key) && values.includes(labels[key] ?? '')),
  );

/** Whether some storage of the class that the node can reach has room. Only drivers that say so have their capacity looked at. */
function hasSpace(
  claim: PersistentVolumeClaim,
  { metadata, provisioner }: StorageClass,
  { labels }: NodeIdentity,
  storage: StorageView,
): boolean {
  if (claim.spec.resources?.requests?.['storage'] === undefined) return true;
  if (storage.csiDriver(provisioner)?.spec.storageCapacity !== true) return true;
  const wanted = requestedStorage(claim);
  for (const capacity of storage.capacities(metadata.name)) {
    const limit = volumeLimit(capacity);
    if (limit === undefined || compareQuantity(limit, wanted) < 0) continue;
    const reaches = topologyOf(capacity);
    if (reaches !== undefined && matchesLabels(reaches, labels)) return true;
  }
  return false;
}

/** The largest volume that there is room for; undefined: not known. */
export const volumeLimit = ({ maximumVolumeSize, capacity }: CSIStorageCapacity): CSIStorageCapacity['capacity'] =>
  maximumVolumeSize ?? capacity;

const topologies = new WeakMap<CSIStorageCapacity, LabelMatcher>();

/** The nodes that reach the storage; undefined: none. */
function topologyOf(capacity: CSIStorageCapacity): LabelMatcher | undefined {
  const { nodeTopology } = capacity;
  if (nodeTopology === undefined) return undefined;
  const known = topologies.get(capacity);
  if (known !== undefined) return known;
  const matcher = labelMatcher(nodeTopology);
  topologies.set(capacity, matcher);
  return matcher;
}
