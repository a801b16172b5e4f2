/**
 * TaintNodesByCondition: a new node takes no pods until the node lifecycle controller has seen it ready.
 *
 * Source: upstream `plugin/pkg/admission/nodetaint`.
 */
import { notReadyTaint } from '#api/node-taints.ts';
import type { Node } from '#api/types.generated.ts';
import { type AdmissionPlugin, concerns } from '../plugin.ts';

/** The plugin; see the top of this file. */
export const taintNodesByCondition = (): AdmissionPlugin => ({
  name: 'TaintNodesByCondition',
  handles: (operation) => operation === 'create',

  mutate(attributes) {
    if (!concerns(attributes, '', 'nodes')) return;
    const node = attributes.object as Node;
    node.spec ??= {};
    const taints = node.spec.taints ?? [];
    if (taints.some(({ key, effect }) => key === notReadyTaint && effect === 'NoSchedule')) return;
    node.spec.taints = [...taints, { key: notReadyTaint, effect: 'NoSchedule' }];
  },
});
