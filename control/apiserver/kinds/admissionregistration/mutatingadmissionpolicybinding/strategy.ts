/** MutatingAdmissionPolicyBindings. Source: upstream `pkg/registry/admissionregistration/mutatingadmissionpolicybinding/strategy.go`. */
import type { FieldError } from '#api/field-error.ts';
import { nameIsDnsSubdomain } from '#api/names.ts';
import type { MutatingAdmissionPolicyBinding } from '#api/types.generated.ts';
import { type BuiltInKind, defineKind } from '../../define-kind.ts';
import type { StrategyDeps } from '../../deps.ts';
import { validateBindingTarget, validateMatchResources, validateMutatingOperations } from '../match-resources-validation.ts';
import { policyBindingColumns } from '../policy-columns.ts';
import { setMatchResourcesDefaults } from '../policy-defaults.ts';
import { reservedNameWarnings } from '../reserved-names.ts';

/** Puts a policy into use: for which requests, and with which parameters. */
export const mutatingAdmissionPolicyBindingKind = ({
  policies,
}: Pick<StrategyDeps, 'policies'>): BuiltInKind<MutatingAdmissionPolicyBinding> =>
  defineKind({
    resource: 'mutatingadmissionpolicybindings.admissionregistration.k8s.io',
    cluster: true,
    names: nameIsDnsSubdomain,
    checkedAgain: 'last',
    allowUnconditionalUpdate: false,
    generation: 'spec',
    defaults: ({ spec }) => setMatchResourcesDefaults(spec?.matchResources),
    checkWriter: (binding, old, context) =>
      policies.checkBinding(binding, old, 'mutatingadmissionpolicies.admissionregistration.k8s.io', context, () =>
        validateBinding(binding),
      ),
    validate: validateBinding,
    warnings: reservedNameWarnings,
    columns: policyBindingColumns,
  });

const validateBinding = ({ spec }: MutatingAdmissionPolicyBinding): FieldError[] => [
  ...validateBindingTarget(spec ?? {}),
  ...validateMatchResources(spec?.matchResources, 'spec.matchResources'),
  ...validateMutatingOperations(spec?.matchResources, 'spec.matchResources'),
];
