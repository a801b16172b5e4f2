/**
 * What is wrong with a ValidatingAdmissionPolicy.
 *
 * Source: kubernetes `pkg/apis/admissionregistration/validation/validation.go` (validateValidatingAdmissionPolicySpec).
 */
import { boolType, nullType, stringType } from '#api/cel/types.ts';
import { duplicate, type FieldError, invalidValue, notSupported, required } from '#api/field-error.ts';
import { isQualifiedName } from '#api/names.ts';
import type {
  AuditAnnotation,
  ExpressionWarning,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyStatus,
  Validation,
} from '#api/types.generated.ts';
import { validateMetaConditions } from '../../../validation/conditions.ts';
import type { Submitted } from '../../../validation/submitted.ts';
import { hasSameConditions, validateMatchConditions } from '../match-conditions-validation.ts';
import { validateFailurePolicy, validateMatchConstraints, validateParamKind } from '../match-resources-validation.ts';
import { PolicyExpressions } from '../policy-expressions-validation.ts';

const reasons = ['Forbidden', 'Invalid', 'RequestEntityTooLarge'];
const maxAuditAnnotations = 20;
const maxValueExpressionBytes = 5 * 1024;

/** @param old undefined on create: what compiled once is not compiled again where it has not changed */
export function validatePolicy(
  { metadata, spec }: ValidatingAdmissionPolicy,
  old: ValidatingAdmissionPolicy | undefined,
): FieldError[] {
  const {
    paramKind,
    matchConstraints,
    matchConditions = [],
    variables = [],
    validations = [],
    auditAnnotations = [],
  } = spec ?? {};
  const expressions = new PolicyExpressions(paramKind !== undefined, variables.length > 0);
  const nothing = 'validations or auditAnnotations must contain at least one item';
  return [
    ...validateFailurePolicy(spec?.failurePolicy),
    ...validateParamKind(paramKind),
    ...validateMatchConstraints(matchConstraints),
    ...(hasSameConditions(spec, old?.spec)
      ? []
      : validateMatchConditions(matchConditions, 'spec.matchConditions', paramKind !== undefined)),
    ...variables.flatMap((variable, index) => expressions.variable(variable, `spec.variables[${index}]`)),
    ...(validations.length === 0 && auditAnnotations.length === 0
      ? [required('spec.validations', nothing), required('spec.auditAnnotations', nothing)]
      : []),
    ...validations.flatMap((one, index) => validateValidation(one, `spec.validations[${index}]`, expressions)),
    ...validateAuditAnnotations(auditAnnotations, metadata.name, expressions),
  ];
}

function validateValidation(
  { expression = '', message = '', messageExpression = '', reason }: Submitted<Validation>,
  path: string,
  expressions: PolicyExpressions,
): FieldError[] {
  const at = `${path}.messageExpression`;
  const empty = 'must be non-empty if specified';
  return [
    ...(expression.trim() === ''
      ? [required(`${path}.expression`, 'expression is not specified')]
      : expressions.expression(expression, `${path}.expression`, [boolType])),
    ...(messageExpression === ''
      ? []
      : messageExpression.trim() === ''
        ? [invalidValue(at, messageExpression, empty)]
        : expressions.expression(messageExpression, at, [stringType], { authorizer: false })),
    ...(message !== '' && message.trim() === '' ? [invalidValue(`${path}.message`, message, empty)] : []),
    ...(/[\n\r]/.test(message.trim()) ? [invalidValue(`${path}.message`, message, 'must not contain line breaks')] : []),
    ...(reason === undefined || reasons.includes(reason) ? [] : [notSupported(`${path}.reason`, reason, reasons)]),
  ];
}

function validateAuditAnnotations(
  annotations: readonly Submitted<AuditAnnotation>[],
  policy: string,
  expressions: PolicyExpressions,
): FieldError[] {
  const path = 'spec.auditAnnotations';
  const keys = new Set<string>();
  const errors =
    annotations.length > maxAuditAnnotations
      ? [invalidValue(path, annotations, `must not have more than ${maxAuditAnnotations} auditAnnotations`)]
      : [];
  for (const [index, annotation] of annotations.entries()) {
    const { key = '' } = annotation;
    errors.push(...validateAuditAnnotation(annotation, policy, `${path}[${index}]`, expressions));
    if (keys.has(key)) errors.push(duplicate(`${path}[${index}].key`, key));
    keys.add(key);
  }
  return errors;
}

function validateAuditAnnotation(
  { key = '', valueExpression = '' }: Submitted<AuditAnnotation>,
  policy: string,
  path: string,
  expressions: PolicyExpressions,
): FieldError[] {
  const at = `${path}.valueExpression`;
  const trimmed = valueExpression.trim();
  const full = `${policy}/${key}`;
  return [
    ...(policy === ''
      ? [invalidValue(`${path}.key`, key, 'requires metadata.name be non-empty')]
      : isQualifiedName(full).map((text) => invalidValue(`${path}.key`, full, text))),
    ...(trimmed === ''
      ? [required(at, 'valueExpression is not specified')]
      : Buffer.byteLength(trimmed) > maxValueExpressionBytes
        ? [required(at, `must not exceed ${maxValueExpressionBytes} bytes in length`)]
        : expressions.expression(trimmed, at, [stringType, nullType], {}, valueExpression)),
  ];
}

/** `/status`: what the check of types has found. */
export function validatePolicyStatus({ typeChecking, conditions = [] }: ValidatingAdmissionPolicyStatus): FieldError[] {
  return [
    ...(typeChecking?.expressionWarnings ?? []).flatMap((one, index) =>
      validateWarning(one, `status.typeChecking.expressionWarnings[${index}]`),
    ),
    ...validateMetaConditions(conditions, 'status.conditions'),
  ];
}

const validateWarning = ({ warning = '', fieldRef = '' }: Submitted<ExpressionWarning>, path: string): FieldError[] => [
  ...(warning === '' ? [required(`${path}.warning`)] : []),
  ...(fieldRef.trim() === '' ? [required(`${path}.fieldRef`)] : []),
];
