/**
 * The revisions of a Deployment. Each pod template has one ReplicaSet, which an annotation numbers. `kubectl rollout history` and
 * `undo` read these annotations.
 *
 * Source: kubernetes `pkg/controller/deployment/util/deployment_util.go`, `sync.go`.
 */

import { stringifyExact, tryParseInt64 } from '#api/int64.ts';
import { isJsonObject } from '#api/json.ts';
import { lastAppliedAnnotation } from '#api/last-applied.ts';
import type { New } from '#api/meta.ts';
import { controllerReference, sameJson } from '#api/meta.ts';
import type { Deployment, PodTemplateSpec, ReplicaSet } from '#api/types.generated.ts';
import { creationMs } from './creation-order.ts';

/** The annotation with a set's revision. */
export const revisionAnnotation = 'deployment.kubernetes.io/revision';
const revisionHistoryAnnotation = 'deployment.kubernetes.io/revision-history';
/** The annotation with the replicas of the Deployment when the set was last sized. */
export const desiredReplicasAnnotation = 'deployment.kubernetes.io/desired-replicas';
/** The annotation with the replicas plus maxSurge of the Deployment when the set was last sized. */
export const maxReplicasAnnotation = 'deployment.kubernetes.io/max-replicas';
const templateHashLabel = 'pod-template-hash';

const ownAnnotations: readonly string[] = [
  lastAppliedAnnotation,
  revisionAnnotation,
  revisionHistoryAnnotation,
  desiredReplicasAnnotation,
  maxReplicasAnnotation,
  'deprecated.deployment.rollback.to',
];

/** Limit of the history annotation's length, in characters. */
const maxHistoryLength = 2000;

/**
 * The revision of a set. It is an int64, which a number cannot hold exactly. Undefined when the annotation is missing or
 * malformed.
 */
function revisionOf({ metadata }: ReplicaSet): bigint | undefined {
  return tryParseInt64(metadata.annotations?.[revisionAnnotation] ?? '');
}

/** The sets sorted by age, oldest first. */
export const oldestFirst = (sets: readonly ReplicaSet[]): ReplicaSet[] =>
  [...sets].sort((a, b) => creationMs(a) - creationMs(b) || (a.metadata.name < b.metadata.name ? -1 : 1));

/** Splits the sets into the one with the Deployment's template (the oldest when there are several) and all others. */
export function splitSets(
  deployment: Deployment,
  sets: readonly ReplicaSet[],
): { current: ReplicaSet | undefined; old: ReplicaSet[] } {
  const sorted = oldestFirst(sets);
  const current = sorted.find((set) => isSameTemplate(set.spec.template, deployment.spec.template));
  return { current, old: sorted.filter((set) => set !== current) };
}

/** Whether two templates are equal, apart from the hash label. */
export function isSameTemplate(a: PodTemplateSpec | undefined, b: PodTemplateSpec | undefined): boolean {
  return sameJson(pruned(withoutHash(a)), pruned(withoutHash(b)));
}

function withoutHash(template: PodTemplateSpec | undefined): PodTemplateSpec | undefined {
  if (template?.metadata?.labels === undefined) return template;
  const { [templateHashLabel]: _hash, ...labels } = template.metadata.labels;
  return { ...template, metadata: { ...template.metadata, labels } };
}

/** Removes null, empty lists and empty objects from optional fields. Go's semantic equality treats them like absent fields. */
function pruned(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map((item) => pruned(item) ?? item);
  if (typeof value !== 'object' || value === null) return value ?? undefined;
  const fields = Object.entries(value).map(([name, field]) => [name, keepsEmpty(field) ? field : pruned(field)] as const);
  const present = fields.filter(([, field]) => field !== undefined);
  return present.length === 0 ? undefined : Object.fromEntries(present);
}

/** Whether an empty object in this field has a meaning. `emptyDir: {}` has one; an empty list or map of labels has none. */
const keepsEmpty = (field: unknown): boolean => isJsonObject(field) && Object.keys(field).length === 0;

/**
 * A hash of the template: FNV-1a over its JSON with sorted keys, in upstream's alphabet without vowels and similar characters.
 */
export function templateHash(template: PodTemplateSpec, collisionCount: number | undefined): string {
  let hash = 0x811c9dc5;
  const bytes = Buffer.from(canonical(template) + (collisionCount === undefined ? '' : `#${collisionCount}`), 'utf8');
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  const alphabet = 'bcdfghjklmnpqrstvwxz2456789';
  return String(hash)
    .split('')
    .map((digit) => alphabet[digit.charCodeAt(0) % alphabet.length])
    .join('');
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return stringifyExact(value) ?? 'null';
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  fields.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`).join(',')}}`;
}

/**
 * The ReplicaSet for the Deployment's template, without replicas. The same template and collision count always give the same
 * name.
 */
export function newSet(deployment: Deployment): New<ReplicaSet> {
  const { name, namespace } = deployment.metadata;
  const { selector, template, minReadySeconds } = deployment.spec;
  const hash = templateHash(template, deployment.status?.collisionCount);
  const labels = { ...template.metadata?.labels, [templateHashLabel]: hash };
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      // A name has at most 253 characters, so the Deployment's part of it is cut.
      name: `${name.slice(0, 253 - 1 - hash.length)}-${hash}`,
      namespace,
      labels,
      ownerReferences: [controllerReference(deployment)],
    },
    spec: {
      minReadySeconds,
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [templateHashLabel]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  };
}

/**
 * The annotations of the current set: a copy of the Deployment's, and the revision. A set that is used again (after a rollback)
 * keeps its former revisions in its history annotation.
 */
export function currentSetAnnotations(
  deployment: Deployment,
  existing: Record<string, string> | undefined,
  old: readonly ReplicaSet[],
): Record<string, string> {
  const copied = Object.entries(deployment.metadata.annotations ?? {}).filter(([name]) => !ownAnnotations.includes(name));
  const annotations: Record<string, string> = { ...existing, ...Object.fromEntries(copied) };
  const present = existing?.[revisionAnnotation];
  const highest = old.map((set) => revisionOf(set) ?? 0n).reduce((most, one) => (one > most ? one : most), 0n);
  // Wraps like Go's addition: no revision is higher than the highest int64.
  const next = BigInt.asIntN(64, highest + 1n);
  const current = tryParseInt64(present || '0');
  if (current === undefined) return annotations; // A user has written a malformed annotation. It is not repaired.
  if (current >= next) return annotations;
  annotations[revisionAnnotation] = String(next);
  if (present !== undefined)
    annotations[revisionHistoryAnnotation] = withRevision(existing?.[revisionHistoryAnnotation] ?? '', present);
  return annotations;
}

function withRevision(history: string, revision: string): string {
  let revisions = [...history.split(',').filter((one) => one !== ''), revision];
  while (revisions.length > 1 && revisions.join(',').length > maxHistoryLength) revisions = revisions.slice(1);
  return revisions.join(',');
}

/** Sorts by revision. A set with a malformed revision is sorted by age. */
function byRevision(a: ReplicaSet, b: ReplicaSet): number {
  const [left, right] = [revisionOf(a), revisionOf(b)];
  if (left === undefined || right === undefined || left === right) return 0;
  return left < right ? -1 : 1;
}

/** The old sets without pods that exceed the history limit, lowest revisions first. Pure. */
export function expiredSets(deployment: Deployment, old: readonly ReplicaSet[]): ReplicaSet[] {
  const limit = deployment.spec.revisionHistoryLimit ?? 10;
  const alive = oldestFirst(old.filter((set) => set.metadata.deletionTimestamp === undefined)).sort(byRevision);
  return alive
    .slice(0, Math.max(0, alive.length - limit))
    .filter(
      ({ spec, status, metadata }) =>
        (status?.replicas ?? 0) === 0 && spec.replicas === 0 && (metadata.generation ?? 0) <= (status?.observedGeneration ?? 0),
    );
}
