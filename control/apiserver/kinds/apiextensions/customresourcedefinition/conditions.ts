/**
 * The conditions of a CustomResourceDefinition. Pure.
 *
 * Source: apiextensions-apiserver `pkg/apihelpers/helpers.go`.
 */
import { rfc3339 } from '#api/meta.ts';
import type { CustomResourceDefinition, CustomResourceDefinitionCondition } from '#api/types.generated.ts';

/** Holds a definition back until its objects are gone. */
export const cleanupFinalizer = 'customresourcecleanup.apiextensions.k8s.io';

/** The types of conditions. */
export type ConditionType =
  | 'Established'
  | 'KubernetesAPIApprovalPolicyConformant'
  | 'NamesAccepted'
  | 'NonStructuralSchema'
  | 'Terminating';

/** What a condition says, without its time. */
export interface ConditionFacts {
  type: ConditionType;
  status: 'True' | 'False' | 'Unknown';
  reason: string;
  message: string;
}

/** The condition of this type; undefined: there is none. */
export const findCondition = (
  { status }: CustomResourceDefinition,
  type: ConditionType,
): CustomResourceDefinitionCondition | undefined => status?.conditions?.find((one) => one.type === type);

/** Whether there is such a condition and it is true. */
export const isTrue = (definition: CustomResourceDefinition, type: ConditionType): boolean =>
  findCondition(definition, type)?.status === 'True';

/** Whether the condition says this already. */
export function says(definition: CustomResourceDefinition, { type, status, reason, message }: ConditionFacts): boolean {
  const found = findCondition(definition, type);
  return found !== undefined && found.status === status && found.reason === reason && found.message === message;
}

/** The definition with this condition; its time changes only with its status. */
export function withCondition(
  definition: CustomResourceDefinition,
  facts: ConditionFacts,
  nowMs: number,
): CustomResourceDefinition {
  const conditions = definition.status?.conditions ?? [];
  const old = conditions.find(({ type }) => type === facts.type);
  const isSame = old?.status === facts.status && old.lastTransitionTime !== undefined;
  const next = { ...old, ...facts, lastTransitionTime: isSame ? old.lastTransitionTime : rfc3339(nowMs) };
  const changed = old === undefined ? [...conditions, next] : conditions.map((one) => (one === old ? next : one));
  return { ...definition, status: { ...definition.status, conditions: changed } };
}

/** The definition without the condition of this type; itself when it has none. */
export function withoutCondition(definition: CustomResourceDefinition, type: ConditionType): CustomResourceDefinition {
  if (findCondition(definition, type) === undefined) return definition;
  const conditions = (definition.status?.conditions ?? []).filter((one) => one.type !== type);
  return { ...definition, status: { ...definition.status, conditions } };
}
