/**
 * MutatingAdmissionPolicies.
 *
 * Source: upstream `pkg/registry/admissionregistration/mutatingadmissionpolicy/strategy.go`; kubernetes
 * `pkg/apis/admissionregistration/validation/validation.go` (validateMutatingAdmissionPolicySpec).
 */

import { applyConfigurationType, jsonPatchType } from '#api/cel/admission-environments.ts';
import { listType } from '#api/cel/types.ts';
import { type FieldError, invalidValue, notSupported, required } from '#api/field-error.ts';
import { nameIsDnsSubdomain } from '#api/names.ts';
import type { MutatingAdmissionPolicy, Mutation } from '#api/types.generated.ts';
import type { Submitted } from '../../../validation/submitted.ts';
import { type BuiltInKind, defineKind } from '../../define-kind.ts';
import type { StrategyDeps } from '../../deps.ts';
import { hasSameConditions, validateMatchConditions } from '../match-conditions-validation.ts';
import {
  oneOfRequired,
  validateFailurePolicy,
  validateMatchConstraints,
  validateMutatingOperations,
  validateParamKind,
} from '../match-resources-validation.ts';
import { policyColumns } from '../policy-columns.ts';
import { setPolicyDefaults } from '../policy-defaults.ts';
import { PolicyExpressions } from '../policy-expressions-validation.ts';
import { reservedNameWarnings } from '../reserved-names.ts';

const reinvocationPolicies = ['IfNeeded', 'Never'];

/** Evaluated by the admission plugin MutatingAdmissionPolicy where a binding names it. */
export const mutatingAdmissionPolicyKind = ({ policies }: Pick<StrategyDeps, 'policies'>): BuiltInKind<MutatingAdmissionPolicy> =>
  defineKind({
    resource: 'mutatingadmissionpolicies.admissionregistration.k8s.io',
    cluster: true,
    names: nameIsDnsSubdomain,
    checkedAgain: 'last',
    allowUnconditionalUpdate: false,
    generation: 'spec',
    defaults: setPolicyDefaults,
    checkWriter: (policy, old, context) => policies.checkPolicy(policy, old, context, () => validatePolicy(policy, old)),
    validate: validatePolicy,
    warnings: reservedNameWarnings,
    columns: policyColumns(
      { name: 'Mutations', description: 'Mutation indicates the number of mutations rules defined in this configuration' },
      ({ spec }: MutatingAdmissionPolicy) => spec?.mutations?.length ?? 0,
    ),
  });

function validatePolicy({ spec }: MutatingAdmissionPolicy, old: MutatingAdmissionPolicy | undefined): FieldError[] {
  const { paramKind, matchConstraints, matchConditions = [], variables = [], mutations = [] } = spec ?? {};
  const expressions = new PolicyExpressions(paramKind !== undefined, true);
  return [
    ...validateFailurePolicy(spec?.failurePolicy),
    ...validateParamKind(paramKind),
    ...validateMatchConstraints(matchConstraints),
    ...validateMutatingOperations(matchConstraints, 'spec.matchConstraints'),
    ...(hasSameConditions(spec, old?.spec)
      ? []
      : validateMatchConditions(matchConditions, 'spec.matchConditions', paramKind !== undefined)),
    ...variables.flatMap((variable, index) => expressions.variable(variable, `spec.variables[${index}]`)),
    ...(mutations.length === 0 ? [required('spec.mutations', 'mutations must contain at least one item')] : []),
    ...mutations.flatMap((one, index) => validateMutation(one, `spec.mutations[${index}]`, expressions)),
    ...oneOfRequired(spec?.reinvocationPolicy, reinvocationPolicies, 'spec.reinvocationPolicy'),
  ];
}

/** Which field belongs to which type of patch, and what its expression has to give. */
const patchTypes = {
  ApplyConfiguration: { field: 'applyConfiguration', other: 'jsonPatch', result: applyConfigurationType },
  JSONPatch: { field: 'jsonPatch', other: 'applyConfiguration', result: listType(jsonPatchType) },
} as const;

function validateMutation(mutation: Submitted<Mutation>, path: string, expressions: PolicyExpressions): FieldError[] {
  const { patchType = '' } = mutation;
  if (patchType === '') return [required(`${path}.patchType`)];
  if (patchType !== 'JSONPatch' && patchType !== 'ApplyConfiguration')
    return [notSupported(`${path}.patchType`, patchType, Object.keys(patchTypes))];
  const { field, other, result } = patchTypes[patchType];
  const expression = mutation[field]?.expression?.trim() ?? '';
  const at = `${path}.${field}`;
  return [
    ...(mutation[field] === undefined
      ? [required(at, `must be specified when patchType is ${patchType}`)]
      : expression === ''
        ? [required(`${at}.expression`)]
        : expressions.expression(expression, `${at}.expression`, [result], { patches: true })),
    ...(mutation[other] === undefined
      ? []
      : [invalidValue(`${path}.${other}`, `{${other}}`, `must not be specified when patchType is ${patchType}`)]),
  ];
}
