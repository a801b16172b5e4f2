/** What is special to Nodes. Source: upstream `pkg/registry/core/node/strategy.go`. */
import type { Node } from '#api/types.generated.ts';
import type { Strategy } from '../../../registry/strategy.ts';
import { nodeTable } from './columns.ts';
import { validateNode, validateNodeUpdate } from './validation.ts';

/** `podCIDR` is the old spelling of the first of `podCIDRs`; where both are there and differ, upstream's conversion believes the old. */
function mirrorPodCidr(node: Node): void {
  const { spec } = node;
  if (spec === undefined) return;
  const [first] = spec.podCIDRs ?? [];
  if (spec.podCIDR && spec.podCIDR !== first) spec.podCIDRs = [spec.podCIDR];
  else if (first !== undefined) spec.podCIDR = first;
}

export const nodeStrategy: Strategy<Node> = {
  setDefaults(node) {
    node.spec ??= {};
    node.status ??= {};
    if (node.status.allocatable === undefined && node.status.capacity !== undefined)
      node.status.allocatable = { ...node.status.capacity };
    mirrorPodCidr(node);
  },
  prepareForCreate(node) {
    delete node.spec?.configSource;
    delete node.status?.config;
  },
  prepareForUpdate(node, old, _context, subresource) {
    if (subresource === 'status') node.spec = old.spec;
    else {
      node.status = structuredClone(old.status);
      if (old.spec?.configSource === undefined) delete node.spec?.configSource;
    }
  },
  validate: validateNode,
  validateUpdate: (node, old, subresource) => [
    ...(subresource === 'status' ? [] : validateNode(node)),
    ...validateNodeUpdate(node, old),
  ],
  warnings(node) {
    if (!node.spec.externalID) return [];
    return ['spec.externalID: this field is deprecated, and is unused by Kubernetes'];
  },
  selectableFields: ['spec.unschedulable'],
  fields: (node) => ({ 'spec.unschedulable': String(node.spec?.unschedulable ?? false) }),
  table: nodeTable,
};
