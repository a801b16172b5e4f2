/** StatefulSets. Source: upstream `pkg/registry/apps/statefulset/strategy.go`. */
import { nameIsDnsLabel } from '#api/names.ts';
import type { StatefulSet } from '#api/types.generated.ts';
import { claimSpecWarnings } from '../../core/persistentvolumeclaim/warnings.ts';
import { defineKind } from '../../define-kind.ts';
import { scaleSubresource } from '../../scale.ts';
import { statefulSetColumns } from './columns.ts';
import { setStatefulSetDefaults } from './defaults.ts';
import { validateStatefulSet, validateStatefulSetStatus } from './validation.ts';

/** Has `/status` and `/scale`. Names are DNS labels, because each pod's host name is made of them. */
export const statefulSetKind = defineKind({
  resource: 'statefulsets.apps',
  names: nameIsDnsLabel,
  defaults: setStatefulSetDefaults,
  podTemplate: 'spec.template',
  status: { initial: () => ({ replicas: 0, availableReplicas: 0 }), validate: validateStatefulSetStatus },
  generation: 'spec',
  prepare: dropMaxUnavailable,
  validate: validateStatefulSet,
  warnings,
  subresources: { scale: scaleSubresource },
  columns: statefulSetColumns,
});

/** The gate MaxUnavailableStatefulSet is off by default in 1.36: the field is kept only where it is stored already. */
function dropMaxUnavailable({ spec }: StatefulSet, old: StatefulSet | undefined): void {
  if (old?.spec.updateStrategy?.rollingUpdate?.maxUnavailable === undefined)
    delete spec.updateStrategy?.rollingUpdate?.maxUnavailable;
}

function warnings({ spec }: StatefulSet, old: StatefulSet | undefined): string[] {
  // Upstream names the field of an update by another path than on create.
  const claims = (spec.volumeClaimTemplates ?? []).flatMap((claim, index) =>
    claimSpecWarnings(claim.spec, `spec.volumeClaimTemplates[${index}]${old === undefined ? '' : '.Spec'}`),
  );
  if ((spec.revisionHistoryLimit ?? 0) >= 0) return claims;
  const advice = 'a negative value retains all historical revisions; a value >= 0 is recommended';
  return [...claims, `spec.revisionHistoryLimit: ${advice}`];
}
