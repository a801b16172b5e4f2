/** ValidatingAdmissionPolicies. Source: upstream `pkg/registry/admissionregistration/validatingadmissionpolicy/strategy.go`. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import type { ValidatingAdmissionPolicy } from '#api/types.generated.ts';
import { type BuiltInKind, defineKind } from '../../define-kind.ts';
import type { StrategyDeps } from '../../deps.ts';
import { policyColumns } from '../policy-columns.ts';
import { setPolicyDefaults } from '../policy-defaults.ts';
import { reservedNameWarnings } from '../reserved-names.ts';
import { validatePolicy, validatePolicyStatus } from './validation.ts';

/** Evaluated by the admission plugin of the same name where a binding names it; the controller `validatingadmissionpolicy-status` checks its types. */
export const validatingAdmissionPolicyKind = ({
  policies,
}: Pick<StrategyDeps, 'policies'>): BuiltInKind<ValidatingAdmissionPolicy> =>
  defineKind({
    resource: 'validatingadmissionpolicies.admissionregistration.k8s.io',
    cluster: true,
    names: nameIsDnsSubdomain,
    checkedAgain: 'last',
    allowUnconditionalUpdate: false,
    status: { validate: ({ status = {} }) => validatePolicyStatus(status) },
    generation: 'spec',
    defaults: setPolicyDefaults,
    checkWriter: (policy, old, context) => policies.checkPolicy(policy, old, context, () => validatePolicy(policy, old)),
    validate: validatePolicy,
    warnings: reservedNameWarnings,
    columns: policyColumns(
      { name: 'Validations', description: 'Validations indicates the number of validation rules defined in this configuration' },
      ({ spec }: ValidatingAdmissionPolicy) => spec?.validations?.length ?? 0,
    ),
  });
