/**
 * What the API server itself says in the status of definitions. Pure.
 *
 *   names accepted ──▶ served ──▶ Established
 *
 * Source: apiextensions-apiserver `pkg/controller/{status,establish,apiapproval,nonstructuralschema}`.
 */
import type { CustomResourceDefinition } from '#api/types.generated.ts';
import { approvalCondition } from '../kinds/apiextensions/customresourcedefinition/approval.ts';
import { hasUsableCa } from '../kinds/apiextensions/customresourcedefinition/ca-bundle.ts';
import { type ConditionFacts, isTrue, says, withCondition } from '../kinds/apiextensions/customresourcedefinition/conditions.ts';
import { withAcceptedNames } from './names.ts';

/** What is known besides the definition. */
export interface StatusFacts {
  /** The definitions of the same group. */
  group: readonly CustomResourceDefinition[];
  /** Whether this server serves its kinds. */
  isServed: boolean;
  nowMs: number;
}

/** @returns the definition with the status that it should have; itself when nothing changes */
export function withStatus(
  definition: CustomResourceDefinition,
  { group, isServed, nowMs }: StatusFacts,
): CustomResourceDefinition {
  const conditions = [approvalCondition(definition), isServed ? establishedCondition(definition) : undefined];
  let next = withAcceptedNames(definition, group, nowMs);
  for (const facts of conditions) if (facts !== undefined && !says(next, facts)) next = withCondition(next, facts, nowMs);
  return next;
}

/** Undefined: it stays as it is. Once established, a definition stays so. */
function establishedCondition(definition: CustomResourceDefinition): ConditionFacts | undefined {
  if (!isTrue(definition, 'NamesAccepted') || isTrue(definition, 'Established')) return undefined;
  if (!hasUsableCa(definition.spec.conversion?.webhook?.clientConfig?.caBundle))
    return {
      type: 'Established',
      status: 'False',
      reason: 'InvalidCABundle',
      message: 'The conversion webhook CABundle is invalid',
    };
  return {
    type: 'Established',
    status: 'True',
    reason: 'InitialNamesAccepted',
    message: 'the initial names have been accepted',
  };
}

/** Whether its kinds are served. */
export const isServable = (definition: CustomResourceDefinition): boolean =>
  isTrue(definition, 'NamesAccepted') || isTrue(definition, 'Established');
