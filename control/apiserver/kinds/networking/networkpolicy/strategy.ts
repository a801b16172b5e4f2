/** NetworkPolicies. Source: upstream `pkg/registry/networking/networkpolicy/strategy.go`. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import { defineKind } from '../../define-kind.ts';
import { networkPolicyColumns } from './columns.ts';
import { setNetworkPolicyDefaults } from './defaults.ts';
import { validateNetworkPolicy } from './validation.ts';
import { networkPolicyWarnings } from './warnings.ts';

/** Has no status. Absent `policyTypes` are derived from the rules. */
export const networkPolicyKind = defineKind({
  resource: 'networkpolicies.networking.k8s.io',
  names: nameIsDnsSubdomain,
  defaults: setNetworkPolicyDefaults,
  generation: 'spec',
  validate: validateNetworkPolicy,
  warnings: networkPolicyWarnings,
  columns: networkPolicyColumns,
});
