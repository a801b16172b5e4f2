/**
 * PodTopologyLabels: a pod that is bound to a node gets the node's zone and region as labels (KEP-4742).
 *
 * Source: upstream `plugin/pkg/admission/podtopologylabels`.
 */

import { regionLabel, zoneLabel } from '#api/node-labels.ts';
import { ownValue } from '#api/own-value.ts';
import type { Binding, Pod } from '#api/types.generated.ts';
import { type AdmissionPlugin, concerns } from '../plugin.ts';

const copied = [zoneLabel, regionLabel];

/** The plugin; see the top of this file. */
export const podTopologyLabels = (): AdmissionPlugin => ({
  name: 'PodTopologyLabels',
  handles: (operation) => operation === 'create',

  async mutate(attributes, context) {
    let nodeName = '';
    if (concerns(attributes, '', 'pods')) nodeName = (attributes.object as Pod).spec.nodeName ?? '';
    else if (concerns(attributes, '', 'pods', 'binding')) {
      // The labels of the Binding are copied to the pod.
      const { target } = attributes.object as unknown as Binding;
      nodeName = target?.kind === 'Node' ? (target.name ?? '') : '';
    }
    if (nodeName === '' || attributes.object === undefined) return;
    const node = await context.read('nodes', undefined, nodeName);
    const labels = copied.flatMap((key) => {
      const value = ownValue(node?.metadata.labels, key);
      return value === undefined ? [] : [[key, value] as const];
    });
    if (labels.length === 0) return;
    const { metadata } = attributes.object;
    metadata.labels = { ...metadata.labels, ...Object.fromEntries(labels) };
  },
});
