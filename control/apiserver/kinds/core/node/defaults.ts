/** What the API fills in of a Node. Source: upstream `pkg/apis/core/v1/{conversion,defaults}.go`. */
import type { Node } from '#api/types.generated.ts';

/** In place. */
export function setNodeDefaults(node: Node): void {
  node.spec ??= {};
  node.status ??= {};
  if (node.status.allocatable === undefined && node.status.capacity !== undefined)
    node.status.allocatable = { ...node.status.capacity };
  mirrorPodCidr(node);
}

/** `podCIDR` is the old spelling of the first of `podCIDRs`; where both are there and differ, upstream's conversion believes the old. */
function mirrorPodCidr(node: Node): void {
  const { spec } = node;
  if (spec === undefined) return;
  const [first] = spec.podCIDRs ?? [];
  if (spec.podCIDR && spec.podCIDR !== first) spec.podCIDRs = [spec.podCIDR];
  else if (first !== undefined) spec.podCIDR = first;
}
