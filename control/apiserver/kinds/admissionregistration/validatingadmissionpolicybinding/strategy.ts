/** ValidatingAdmissionPolicyBindings. Source: upstream `pkg/registry/admissionregistration/validatingadmissionpolicybinding/strategy.go`. */
import { duplicate, type FieldError, invalidValue, notSupported, required } from '#api/field-error.ts';
import { nameIsDnsSubdomain } from '#api/names.ts';
import type { ValidatingAdmissionPolicyBinding } from '#api/types.generated.ts';
import { type BuiltInKind, defineKind } from '../../define-kind.ts';
import type { StrategyDeps } from '../../deps.ts';
import { validateBindingTarget, validateMatchResources } from '../match-resources-validation.ts';
import { policyBindingColumns } from '../policy-columns.ts';
import { setMatchResourcesDefaults } from '../policy-defaults.ts';
import { reservedNameWarnings } from '../reserved-names.ts';

const actions = ['Audit', 'Deny', 'Warn'];

/** Puts a policy into use: for which requests, with which parameters, and what follows from a validation that fails. */
export const validatingAdmissionPolicyBindingKind = ({
  policies,
}: Pick<StrategyDeps, 'policies'>): BuiltInKind<ValidatingAdmissionPolicyBinding> =>
  defineKind({
    resource: 'validatingadmissionpolicybindings.admissionregistration.k8s.io',
    cluster: true,
    names: nameIsDnsSubdomain,
    checkedAgain: 'last',
    allowUnconditionalUpdate: false,
    generation: 'spec',
    defaults: ({ spec }) => setMatchResourcesDefaults(spec?.matchResources),
    checkWriter: (binding, old, context) =>
      policies.checkBinding(binding, old, 'validatingadmissionpolicies.admissionregistration.k8s.io', context, () =>
        validateBinding(binding),
      ),
    validate: validateBinding,
    warnings: reservedNameWarnings,
    columns: policyBindingColumns,
  });

function validateBinding({ spec }: ValidatingAdmissionPolicyBinding): FieldError[] {
  return [
    ...validateBindingTarget(spec ?? {}),
    ...validateMatchResources(spec?.matchResources, 'spec.matchResources'),
    ...validateActions(spec?.validationActions ?? [], 'spec.validationActions'),
  ];
}

function validateActions(given: readonly string[], path: string): FieldError[] {
  const seen = new Set<string>();
  const errors = given.flatMap((action, index) => {
    const at = `${path}[${index}]`;
    const isRepeated = seen.has(action);
    seen.add(action);
    return [
      ...(actions.includes(action) ? [] : [notSupported(at, action, actions)]),
      ...(isRepeated ? [duplicate(at, action)] : []),
    ];
  });
  const both =
    'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)';
  return [
    ...errors,
    ...(seen.has('Deny') && seen.has('Warn') ? [invalidValue(path, given, both)] : []),
    ...(seen.size === 0 ? [required(path, 'at least one validation action is required')] : []),
  ];
}
