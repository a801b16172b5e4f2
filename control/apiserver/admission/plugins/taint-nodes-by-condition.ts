/**
 * TaintNodesByCondition: a new node gets the taint not-ready, which the node lifecycle controller removes when the node is ready.
 *
 * Source: upstream `plugin/pkg/admission/nodetaint`.
 */
import { notReadyTaint } from '#api/node-taints.ts';
import type { Node } from '#api/types.generated.ts';
import { type AdmissionPlugin, concerns } from '../plugin.ts';

/** Adds the taint. */
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
