/** A pod's position in an order by age; objects without a time are the youngest. */
export function creationMs(object: { metadata: { creationTimestamp?: string | undefined } }): number {
  const ms = Date.parse(object.metadata.creationTimestamp ?? '');
  return Number.isNaN(ms) ? Number.MAX_SAFE_INTEGER : ms;
}
