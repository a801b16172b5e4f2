/**
 * The revisions of a Deployment: one ReplicaSet per pod template, numbered by annotation, which `kubectl rollout history` and
 * `undo` read.
 *
 * Source: kubernetes `pkg/controller/deployment/util/deployment_util.go`, `sync.go`.
 */

import { stringifyExact } from '#api/int64.ts';
import { parseInt64 } from '#api/label-requirement.ts';
import type { New } from '#api/meta.ts';
import { controllerReference, sameJson } from '#api/meta.ts';
import type { Deployment, PodTemplateSpec, ReplicaSet } from '#api/types.generated.ts';
import { creationMs } from './creation-order.ts';

export const revisionAnnotation = 'deployment.kubernetes.io/revision';
const revisionHistoryAnnotation = 'deployment.kubernetes.io/revision-history';
export const desiredReplicasAnnotation = 'deployment.kubernetes.io/desired-replicas';
export const maxReplicasAnnotation = 'deployment.kubernetes.io/max-replicas';
const templateHashLabel = 'pod-template-hash';

const ownAnnotations: readonly string[] = [
  'kubectl.kubernetes.io/last-applied-configuration',
  revisionAnnotation,
  revisionHistoryAnnotation,
  desiredReplicasAnnotation,
  maxReplicasAnnotation,
  'deprecated.deployment.rollback.to',
];

/** Characters of the history annotation. */
const maxHistoryLength = 2000;

/** Revisions are int64, of which JavaScript's numbers hold no more than 53 bits; undefined where the annotation is none. */
function revisionOf({ metadata }: ReplicaSet): bigint | undefined {
  return parseInt64(metadata.annotations?.[revisionAnnotation] ?? '');
}

export const oldestFirst = (sets: readonly ReplicaSet[]): ReplicaSet[] =>
  [...sets].sort((a, b) => creationMs(a) - creationMs(b) || (a.metadata.name < b.metadata.name ? -1 : 1));

/** The set with the Deployment's template (the oldest, should there be several), and all others. */
export function splitSets(
  deployment: Deployment,
  sets: readonly ReplicaSet[],
): { current: ReplicaSet | undefined; old: ReplicaSet[] } {
  const sorted = oldestFirst(sets);
  const current = sorted.find((set) => isSameTemplate(set.spec.template, deployment.spec.template));
  return { current, old: sorted.filter((set) => set !== current) };
}

/** Whether two templates are the same but for the hash label. */
export function isSameTemplate(a: PodTemplateSpec | undefined, b: PodTemplateSpec | undefined): boolean {
  return sameJson(pruned(withoutHash(a)), pruned(withoutHash(b)));
}

function withoutHash(template: PodTemplateSpec | undefined): PodTemplateSpec | undefined {
  if (template?.metadata?.labels === undefined) return template;
  const { [templateHashLabel]: _hash, ...labels } = template.metadata.labels;
  return { ...template, metadata: { ...template.metadata, labels } };
}

/** Without null, empty lists and empty objects at optional places: Go's semantic equality does not tell them from absent ones. */
function pruned(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map((item) => pruned(item) ?? item);
  if (typeof value !== 'object' || value === null) return value ?? undefined;
  const fields = Object.entries(value).map(([name, field]) => [name, keepsEmpty(field) ? field : pruned(field)] as const);
  const present = fields.filter(([, field]) => field !== undefined);
  return present.length === 0 ? undefined : Object.fromEntries(present);
}

/** `emptyDir: {}` says something; an empty list or map of labels does not. */
const keepsEmpty = (field: unknown): boolean =>
  typeof field === 'object' && field !== null && !Array.isArray(field) && Object.keys(field).length === 0;

/** FNV-1a over the template with sorted keys, in upstream's alphabet without vowels and look-alikes. */
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

/** The set for the Deployment's template, without replicas; its name is the same each time it is computed. */
export function newSet(deployment: Deployment): New<ReplicaSet> {
  const { name, namespace } = deployment.metadata;
  const { selector, template, minReadySeconds } = deployment.spec;
  const hash = templateHash(template, deployment.status?.collisionCount);
  const labels = { ...template.metadata?.labels, [templateHashLabel]: hash };
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      // 253: the longest name; the Deployment's part gives way.
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
 * The annotations of the current set: the Deployment's, copied, and the next revision. A set that is taken up again (a
 * rollback) keeps the numbers it had in its history.
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
  // Go's addition: after the last revision of all comes none that is higher.
  const next = BigInt.asIntN(64, highest + 1n);
  const current = parseInt64(present || '0');
  if (current === undefined) return annotations; // Not ours to repair: somebody wrote it.
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

/** A set whose revision cannot be read keeps its place by age. */
function byRevision(a: ReplicaSet, b: ReplicaSet): number {
  const [left, right] = [revisionOf(a), revisionOf(b)];
  if (left === undefined || right === undefined || left === right) return 0;
  return left < right ? -1 : 1;
}

/** Old sets without pods beyond the history limit, the lowest revisions first. Pure. */
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
