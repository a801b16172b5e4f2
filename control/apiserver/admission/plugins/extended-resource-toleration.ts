/**
 * ExtendedResourceToleration: a pod that requests an extended resource (`example.com/gpu`) gets a toleration of the taint with that name,
 * which keeps other pods from such nodes. Off by default.
 *
 * Source: upstream `plugin/pkg/admission/extendedresourcetoleration`.
 */
import type { Pod, Toleration } from '#api/types.generated.ts';
import { isExtendedResource } from '../../validation/pod-spec/resources.ts';
import { type AdmissionPlugin, concerns } from '../plugin.ts';

/** The plugin; see the top of this file. */
export const extendedResourceToleration = (): AdmissionPlugin => ({
  name: 'ExtendedResourceToleration',
  handles: (operation) => operation === 'create' || operation === 'update',

  mutate(attributes) {
    if (!concerns(attributes, '', 'pods')) return;
    const { spec } = attributes.object as Pod;
    const containers = [...(spec.containers ?? []), ...(spec.initContainers ?? [])];
    const names = containers.flatMap(({ resources }) => Object.keys(resources?.requests ?? {})).filter(isExtendedResource);
    for (const key of [...new Set(names)].sort()) tolerate(spec, { key, operator: 'Exists', effect: 'NoSchedule' });
  },
});

/** Replaces a toleration that differs only in its seconds; otherwise appends it. */
function tolerate(spec: Pod['spec'], toleration: Toleration): void {
  const { key, operator, effect } = toleration;
  const isSame = (one: Toleration): boolean =>
    one.key === key && one.operator === operator && one.effect === effect && (one.value ?? '') === '';
  const all = spec.tolerations ?? [];
  spec.tolerations = all.some(isSame) ? all.map((one) => (isSame(one) ? toleration : one)) : [...all, toleration];
}
