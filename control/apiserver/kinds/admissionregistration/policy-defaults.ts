/** What the API promises for absent fields of policies and their bindings. Source: kubernetes `pkg/apis/admissionregistration/v1/defaults.go`. */
import type { MatchResources, MutatingAdmissionPolicy, ValidatingAdmissionPolicy } from '#api/types.generated.ts';

/** In place. */
export function setMatchResourcesDefaults(resources: MatchResources | undefined): void {
  if (resources === undefined) return;
  resources.matchPolicy ??= 'Equivalent';
  resources.namespaceSelector ??= {};
  resources.objectSelector ??= {};
  for (const rule of [...(resources.resourceRules ?? []), ...(resources.excludeResourceRules ?? [])]) rule.scope ??= '*';
}

/** In place. */
export function setPolicyDefaults(policy: MutatingAdmissionPolicy | ValidatingAdmissionPolicy): void {
  policy.spec ??= {};
  policy.spec.failurePolicy ??= 'Fail';
  setMatchResourcesDefaults(policy.spec.matchConstraints);
}
