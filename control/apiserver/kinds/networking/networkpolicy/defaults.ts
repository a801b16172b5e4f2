/** Defaults of a NetworkPolicy. Source: upstream `pkg/apis/networking/v1/defaults.go`. */
import type { NetworkPolicy } from '#api/types.generated.ts';

/** Sets the defaults of a NetworkPolicy, in place. */
export function setNetworkPolicyDefaults(policy: NetworkPolicy): void {
  policy.spec ??= {};
  const { spec } = policy;
  spec.podSelector ??= {};
  if ((spec.policyTypes ?? []).length === 0)
    spec.policyTypes = (spec.egress ?? []).length > 0 ? ['Ingress', 'Egress'] : ['Ingress'];
  for (const { ports = [] } of [...(spec.ingress ?? []), ...(spec.egress ?? [])])
    for (const port of ports) port.protocol ??= 'TCP';
}
