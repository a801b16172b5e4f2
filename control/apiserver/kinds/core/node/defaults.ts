/** What the API fills in of a Node. Source: upstream `pkg/apis/core/v1/{conversion,defaults}.go`. */
import type { Node } from '#api/types.generated.ts';

/** Sets the defaults of a Node, in place. */
export function setNodeDefaults(node: Node): void {
  node.spec ??= {};
  node.status ??= {};
  if (node.status.allocatable === undefined && node.status.capacity !== undefined)
    node.status.allocatable = { ...node.status.capacity };
  mirrorPodCidr(node);
}

/**
 * Copies between `podCIDR`, the old field, and the first of `podCIDRs`. If both are set and differ, `podCIDR` wins, as in
 * upstream's conversion.
 */
function mirrorPodCidr(node: Node): void {
  const { spec } = node;
  if (spec === undefined) return;
  const [first] = spec.podCIDRs ?? [];
  if (spec.podCIDR && spec.podCIDR !== first) spec.podCIDRs = [spec.podCIDR];
  else if (first !== undefined) spec.podCIDR = first;
}
