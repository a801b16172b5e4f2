/**
 * What the API server itself says in the status of definitions. Pure.
 *
 *   names accepted ──▶ served ──▶ Established
 *
 * Source: apiextensions-apiserver `pkg/controller/{status,establish,apiapproval,nonstructuralschema}`.
 */
import { invalidValue } from '#api/field-error.ts';
import { unsupportedReason, validateStructural } from '#api/structural-schema/structural-checks.ts';
import type { CustomResourceDefinition } from '#api/types.generated.ts';
import { approvalCondition } from '../kinds/apiextensions/customresourcedefinition/approval.ts';
import { hasUsableCa } from '../kinds/apiextensions/customresourcedefinition/ca-bundle.ts';
import {
  type ConditionFacts,
  findCondition,
  isTrue,
  says,
  withCondition,
  withoutCondition,
} from '../kinds/apiextensions/customresourcedefinition/conditions.ts';
import { withAcceptedNames } from './names.ts';

/** What is known besides the definition. */
export interface StatusFacts {
  /** The definitions of the same group; asked for only where names change. */
  group(): readonly CustomResourceDefinition[];
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
  const violations = structuralViolations(definition);
  if (violations === undefined) next = withoutCondition(next, 'NonStructuralSchema');
  else conditions.push(violations);
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

/**
 * The condition NonStructuralSchema. Only definitions made with apiextensions.k8s.io/v1beta1 can have it: validation refuses such
 * schemas in all others, so these are not checked again.
 */
function structuralViolations(definition: CustomResourceDefinition): ConditionFacts | undefined {
  const { versions, preserveUnknownFields = false } = definition.spec;
  if (!preserveUnknownFields && findCondition(definition, 'NonStructuralSchema') === undefined) return undefined;
  const errors = preserveUnknownFields ? [invalidValue('spec.preserveUnknownFields', true, 'must be false')] : [];
  for (const [index, { name, schema }] of versions.entries()) {
    const props = schema?.openAPIV3Schema;
    if (props === undefined) continue;
    const why = unsupportedReason(props);
    if (why !== undefined) {
      const message = `failed to check validation schema for version ${name}: ${why}`;
      return { type: 'NonStructuralSchema', status: 'Unknown', reason: 'StructuralError', message };
    }
    errors.push(...validateStructural(props, `spec.versions[${index}].schema.openAPIV3Schema`));
  }
  if (errors.length === 0) return undefined;
  const texts = errors.map(({ field, message }) => `${field}: ${message}`);
  const message = texts.length === 1 ? (texts[0] as string) : `[${texts.join(', ')}]`;
  return { type: 'NonStructuralSchema', status: 'True', reason: 'Violations', message };
}

/** Whether its kinds are served. */
export const isServable = (definition: CustomResourceDefinition): boolean =>
  isTrue(definition, 'NamesAccepted') || isTrue(definition, 'Established');
