/**
 * LimitPodHardAntiAffinityTopology: required anti-affinity is allowed only for the node's host name, not for a whole zone. Off by default.
 *
 * Source: upstream `plugin/pkg/admission/antiaffinity`.
 */
import { hostnameLabel } from '#api/node-labels.ts';
import { forbidden } from '#api/status.ts';
import type { Pod } from '#api/types.generated.ts';
import { type AdmissionPlugin, concerns } from '../plugin.ts';

/** @throws (when asked) ApiError 403 */
export const limitPodHardAntiAffinityTopology = (): AdmissionPlugin => ({
  name: 'LimitPodHardAntiAffinityTopology',
  handles: (operation) => operation === 'create' || operation === 'update',

  validate(attributes) {
    if (!concerns(attributes, '', 'pods')) return;
    const { metadata, spec } = attributes.object as Pod;
    const terms = spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
    const wide = terms.find(({ topologyKey }) => topologyKey !== hostnameLabel);
    if (wide === undefined) return;
    const why = `affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey ${wide.topologyKey} but only key ${hostnameLabel} is allowed`;
    throw forbidden({ group: '', name: 'pods' }, metadata.name, why);
  },
});
