/**
 * Definitions in Kubernetes' own groups need the annotation that says who has approved them. Pure.
 *
 * Source: apiextensions-apiserver `pkg/apihelpers/helpers.go`, `pkg/apis/apiextensions/validation/validation.go` (validateAPIApproval),
 * `pkg/controller/apiapproval`.
 */
import { type FieldError, invalidValue, required } from '#api/field-error.ts';
import { ownValue } from '#api/own-value.ts';
import type { CustomResourceDefinition } from '#api/types.generated.ts';
import type { ConditionFacts } from './conditions.ts';

const annotation = 'api-approved.kubernetes.io';
const elsewhere = 'see https://github.com/kubernetes/enhancements/pull/1111';

interface Approval {
  state: 'approved' | 'bypassed' | 'invalid' | 'missing';
  reason: string;
}

const isProtected = (group: string): boolean => /(^|\.)(k8s|kubernetes)\.io$/.test(group);

function approvalOf({ metadata: { annotations } }: CustomResourceDefinition): Approval {
  const value = ownValue(annotations, annotation) ?? '';
  if (value === '')
    return { state: 'missing', reason: `protected groups must have approval annotation "${annotation}", ${elsewhere}` };
  if (value.startsWith('unapproved')) return { state: 'bypassed', reason: `not approved: ${JSON.stringify(value)}` };
  if (URL.canParse(value) && new URL(value).host !== '') return { state: 'approved', reason: `approved in ${value}` };
  const reason = `protected groups must have approval annotation "${annotation}" with either a URL or a reason starting with "unapproved", ${elsewhere}`;
  return { state: 'invalid', reason };
}

/** @param old undefined on create; what it had wrong already may stay so */
export function validateApproval(definition: CustomResourceDefinition, old: CustomResourceDefinition | undefined): FieldError[] {
  if (!isProtected(definition.spec.group)) return [];
  const { state, reason } = approvalOf(definition);
  if (old !== undefined && approvalOf(old).state === state) return [];
  const path = `metadata.annotations[${annotation}]`;
  if (state === 'missing') return [required(path, reason)];
  return state === 'invalid' ? [invalidValue(path, ownValue(definition.metadata.annotations, annotation), reason)] : [];
}

/** The condition that says so; undefined for groups that need no approval. */
export function approvalCondition(definition: CustomResourceDefinition): ConditionFacts | undefined {
  if (!isProtected(definition.spec.group)) return undefined;
  const { state, reason: message } = approvalOf(definition);
  const reasons = { approved: 'Approved', bypassed: 'Unapproved', invalid: 'Invalid', missing: 'Missing' };
  return {
    type: 'KubernetesAPIApprovalPolicyConformant',
    status: state === 'approved' ? 'True' : 'False',
    reason: `${reasons[state]}Annotation`,
    message,
  };
}
