/** StatefulSets. Source: upstream `pkg/registry/apps/statefulset/strategy.go`. */
import { nameIsDnsLabel } from '#api/names.ts';
import { toMillis } from '#api/quantity.ts';
import type { StatefulSet } from '#api/types.generated.ts';
import { defineKind } from '../../define-kind.ts';
import { scaleSubresource } from '../../scale.ts';
import { statefulSetColumns } from './columns.ts';
import { setStatefulSetDefaults } from './defaults.ts';
import { validateStatefulSet, validateStatefulSetStatus } from './validation.ts';

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
  const claims = (spec.volumeClaimTemplates ?? []).flatMap(({ spec: claim }, index) => {
    // Upstream writes the path of an update differently.
    const path = `spec.volumeClaimTemplates[${index}]${old === undefined ? '' : '.Spec'}.resources`;
    return (['requests', 'limits'] as const).flatMap((which) => {
      const size = claim?.resources?.[which]?.['storage'];
      if (size === undefined || toMillis(size) % 1000 === 0) return [];
      const shown = JSON.stringify(String(size));
      return [`${path}.${which}[storage]: fractional byte value ${shown} is invalid, must be an integer`];
    });
  });
  if ((spec.revisionHistoryLimit ?? 0) >= 0) return claims;
  const advice = 'a negative value retains all historical revisions; a value >= 0 is recommended';
  return [...claims, `spec.revisionHistoryLimit: ${advice}`];
}
