/**
 * Reconciles an existing default role or binding when the server starts: missing parts are added, additions of administrators are kept.
 * Pure.
 *
 * Source: component-helpers `auth/rbac/reconciliation`; kubernetes.io, Using RBAC Authorization, "Auto-reconciliation".
 */
import type { KubeObject, New } from '#api/meta.ts';
import { sameJson } from '#api/meta.ts';
import type { AggregationRule, ClusterRole, LabelSelector, Role, Subject } from '#api/types.generated.ts';
import { uncovered } from './escalation.ts';
import { autoUpdateAnnotation } from './policy/default-policy.ts';
import type { Binding } from './role-index.ts';

/**
 * - `none`: there is nothing to change, or the administrator has opted out.
 * - `update`: store the object.
 * - `recreate`: the binding refers to another role; delete it and create the default one.
 */
export type Reconciliation<T> = { kind: 'none' } | { kind: 'update'; object: T } | { kind: 'recreate' };

const none = { kind: 'none' } as const;

/** What to do so that the role has at least the expected rules. Source: upstream `pkg/registry/rbac/reconciliation/reconcile_role.go`. */
export function reconcileRole<T extends Role | ClusterRole>(existing: T, expected: New<T>): Reconciliation<T> {
  if (isProtected(existing)) return none;
  const missing = uncovered(existing.rules ?? [], expected.rules ?? []);
  const rules = missing.length === 0 ? existing.rules : [...(existing.rules ?? []), ...missing];
  const object: T = { ...existing, metadata: mergedMetadata(existing, expected), ...(rules === undefined ? {} : { rules }) };
  const aggregationRule = mergedAggregation(aggregationOf(existing), aggregationOf(expected));
  if (aggregationRule === undefined) delete (object as ClusterRole).aggregationRule;
  else (object as ClusterRole).aggregationRule = aggregationRule;
  return sameJson(object, existing) ? none : { kind: 'update', object };
}

/**
 * What to do so that the binding has at least the expected subjects. It is recreated if it has another roleRef. Source: upstream
 * `pkg/registry/rbac/reconciliation/reconcile_rolebindings.go`.
 */
export function reconcileBinding<T extends Binding>(existing: T, expected: New<T>): Reconciliation<T> {
  if (isProtected(existing)) return none;
  if (!sameJson(existing.roleRef, expected.roleRef)) return { kind: 'recreate' };
  const own = existing.subjects ?? [];
  const missing = (expected.subjects ?? []).filter((subject) => !own.some((other) => sameSubject(other, subject)));
  const subjects = missing.length === 0 ? existing.subjects : [...own, ...missing];
  const object: T = {
    ...existing,
    metadata: mergedMetadata(existing, expected),
    ...(subjects === undefined ? {} : { subjects }),
  };
  return sameJson(object, existing) ? none : { kind: 'update', object };
}

const isProtected = ({ metadata }: KubeObject): boolean => metadata.annotations?.[autoUpdateAnnotation] === 'false';

/** Existing labels and annotations take precedence. */
function mergedMetadata<T extends KubeObject>({ metadata }: T, expected: New<T>): T['metadata'] {
  return {
    ...metadata,
    labels: { ...expected.metadata.labels, ...metadata.labels },
    annotations: { ...expected.metadata.annotations, ...metadata.annotations },
  };
}

const aggregationOf = (role: object): AggregationRule | undefined =>
  'aggregationRule' in role ? (role.aggregationRule as AggregationRule | undefined) : undefined;

/** Removes an aggregation rule that the default role does not have. */
function mergedAggregation(
  existing: AggregationRule | undefined,
  expected: AggregationRule | undefined,
): AggregationRule | undefined {
  if (expected === undefined) return undefined;
  const own: readonly LabelSelector[] = existing?.clusterRoleSelectors ?? [];
  const missing = (expected.clusterRoleSelectors ?? []).filter((selector) => !own.some((other) => sameJson(other, selector)));
  return missing.length === 0 ? existing : { ...existing, clusterRoleSelectors: [...own, ...missing] };
}

const sameSubject = (a: Subject, b: Subject): boolean =>
  a.kind === b.kind &&
  a.name === b.name &&
  (a.namespace ?? '') === (b.namespace ?? '') &&
  (a.apiGroup ?? '') === (b.apiGroup ?? '');
