/**
 * Computes the replicas of each ReplicaSet of a Deployment: during a rollout, and when the Deployment is scaled during a rollout.
 * Pure.
 *
 * Source: kubernetes `pkg/controller/deployment/{rolling,sync}.go`; kubernetes.io, Deployments, "Proportional scaling".
 */
import type { IntOrString } from '#api/json.ts';
import type { Deployment, ReplicaSet } from '#api/types.generated.ts';
import { desiredReplicasAnnotation, maxReplicasAnnotation, oldestFirst } from './deployment-revisions.ts';

/** The replicas that sets should have, by UID. A set that is not in the map keeps its replicas. */
export type Sizes = Map<string, number>;

/** The set's `spec.replicas`. Default 1. */
export const replicasOf = (set: ReplicaSet): number => set.spec.replicas ?? 1;
/** The Deployment's `spec.replicas`. Default 1. */
export const wantedReplicas = (deployment: Deployment): number => deployment.spec.replicas ?? 1;
/** Whether the strategy is RollingUpdate, the default. */
export const isRolling = (deployment: Deployment): boolean => deployment.spec.strategy?.type !== 'Recreate';
/** The sum of a value over sets. */
export const sum = (sets: readonly ReplicaSet[], value: (set: ReplicaSet) => number): number =>
  sets.reduce((total, set) => total + value(set), 0);
/**
 * The available replicas of a set. After a scale-down its status still counts pods that are about to be deleted, so the count is
 * limited to the set's replicas.
 */
const available = (set: ReplicaSet): number => Math.min(replicasOf(set), set.status?.availableReplicas ?? 0);
const active = (sets: readonly ReplicaSet[]): ReplicaSet[] => sets.filter((set) => replicasOf(set) > 0);

/** Resolves a number, or a percentage of `total`. */
export function scaled(value: IntOrString | undefined, total: number, round: (value: number) => number): number {
  if (typeof value !== 'string') return value ?? 0;
  return round((Number(value.replace(/%$/, '')) * total) / 100);
}

/** maxSurge and maxUnavailable as numbers. When both are 0, no rollout could progress, so maxUnavailable becomes 1. */
export function fenceposts(deployment: Deployment): { maxSurge: number; maxUnavailable: number } {
  if (!isRolling(deployment)) return { maxSurge: 0, maxUnavailable: 0 };
  const wanted = wantedReplicas(deployment);
  const { maxSurge: surge = '25%', maxUnavailable: unavailable = '25%' } = deployment.spec.strategy?.rollingUpdate ?? {};
  const maxSurge = scaled(surge, wanted, Math.ceil);
  const maxUnavailable = scaled(unavailable, wanted, Math.floor);
  return { maxSurge, maxUnavailable: Math.min(wanted, maxSurge === 0 && maxUnavailable === 0 ? 1 : maxUnavailable) };
}

/** The replicas of the current set: as many as maxSurge allows. `currentSize` is 0 when the set does not exist yet. */
export function currentSetSize(deployment: Deployment, currentSize: number, totalSize: number): number {
  const wanted = wantedReplicas(deployment);
  if (!isRolling(deployment) || currentSize >= wanted) return wanted;
  const room = wanted + fenceposts(deployment).maxSurge - totalSize;
  return room <= 0 ? currentSize : currentSize + Math.min(room, wanted - currentSize);
}

/**
 * One step of a rolling update: scales the current set up if possible. Otherwise it scales old sets down as far as availability
 * allows.
 */
export function rollingStep(deployment: Deployment, current: ReplicaSet, old: readonly ReplicaSet[]): Sizes {
  const size = currentSetSize(deployment, replicasOf(current), sum([current, ...old], replicasOf));
  if (size !== replicasOf(current)) return new Map([[current.metadata.uid, size]]);
  return shrinkOld(deployment, current, active(old));
}

function shrinkOld(deployment: Deployment, current: ReplicaSet, old: readonly ReplicaSet[]): Sizes {
  const sizes: Sizes = new Map();
  const minAvailable = wantedReplicas(deployment) - fenceposts(deployment).maxUnavailable;
  const currentUnavailable = replicasOf(current) - available(current);
  let allowed = sum([current, ...old], replicasOf) - minAvailable - currentUnavailable;
  if (allowed <= 0) return sizes;
  const sizeOf = (set: ReplicaSet): number => sizes.get(set.metadata.uid) ?? replicasOf(set);
  const shrink = (set: ReplicaSet, by: number): void => {
    if (by > 0) sizes.set(set.metadata.uid, sizeOf(set) - by);
  };
  // Unavailable pods are removed first: unhealthy old pods must not block the rollout.
  for (const set of oldestFirst(old)) {
    const by = Math.min(allowed, Math.max(0, replicasOf(set) - available(set)));
    shrink(set, by);
    allowed -= by;
  }
  let spare = sum([current, ...old], available) - minAvailable;
  for (const set of oldestFirst(old)) {
    const by = Math.max(0, Math.min(spare, sizeOf(set)));
    shrink(set, by);
    spare -= by;
  }
  return sizes;
}

/** The sizes when the Deployment was scaled or is paused: all sets change in proportion, and the rollout does not advance. */
export function scaleStep(deployment: Deployment, current: ReplicaSet | undefined, old: readonly ReplicaSet[]): Sizes {
  const wanted = wantedReplicas(deployment);
  const all = current === undefined ? [...old] : [...old, current];
  const running = active(all);
  const only = running.length > 1 ? undefined : (running[0] ?? current ?? oldestFirst(old).at(-1));
  if (only !== undefined) return new Map([[only.metadata.uid, wanted]]);
  if (current !== undefined && isSaturated(deployment, current)) return new Map(active(old).map((set) => [set.metadata.uid, 0]));
  return isRolling(deployment) && running.length > 0 ? proportional(deployment, running) : new Map();
}

function isSaturated(deployment: Deployment, current: ReplicaSet): boolean {
  const wanted = wantedReplicas(deployment);
  return (
    replicasOf(current) === wanted && annotated(current, desiredReplicasAnnotation) === wanted && available(current) === wanted
  );
}

/** The number in an annotation of a set; undefined when it is missing or malformed. */
export function annotated(set: ReplicaSet, annotation: string): number | undefined {
  const text = set.metadata.annotations?.[annotation];
  return text !== undefined && /^\d+$/.test(text) && Number(text) <= 0x7fffffff ? Number(text) : undefined;
}

function proportional(deployment: Deployment, sets: readonly ReplicaSet[]): Sizes {
  const wanted = wantedReplicas(deployment);
  const allowed = wanted === 0 ? 0 : wanted + fenceposts(deployment).maxSurge;
  const toAdd = allowed - sum(sets, replicasOf);
  // Larger sets come first. Of equal sets, the newer one grows first and the older one shrinks first.
  const byAge = toAdd > 0 ? oldestFirst(sets).reverse() : oldestFirst(sets);
  const ordered = byAge.sort((a, b) => replicasOf(b) - replicasOf(a));
  let added = 0;
  const sizes: Sizes = new Map();
  for (const set of ordered) {
    const rest = toAdd - added;
    const share = toAdd === 0 || rest === 0 ? 0 : fraction(deployment, set);
    const part = toAdd > 0 ? Math.min(share, rest) : Math.max(share, rest);
    sizes.set(set.metadata.uid, replicasOf(set) + part);
    added += part;
  }
  const [largest] = ordered;
  // The largest set gets the remainder of rounding.
  if (largest !== undefined && toAdd !== 0)
    sizes.set(largest.metadata.uid, Math.max(0, (sizes.get(largest.metadata.uid) ?? 0) + toAdd - added));
  return sizes;
}

function fraction(deployment: Deployment, set: ReplicaSet): number {
  const wanted = wantedReplicas(deployment);
  if (wanted === 0) return -replicasOf(set);
  const maxBefore = annotated(set, maxReplicasAnnotation) || (deployment.status?.replicas ?? 0);
  if (maxBefore === 0) return 0;
  return Math.round((replicasOf(set) * (wanted + fenceposts(deployment).maxSurge)) / maxBefore) - replicasOf(set);
}
