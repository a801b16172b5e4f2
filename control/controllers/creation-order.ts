/** The creation time in milliseconds, for sorting by age. An object without a time counts as the youngest. */
export function creationMs(object: { metadata: { creationTimestamp?: string | undefined } }): number {
  const ms = Date.parse(object.metadata.creationTimestamp ?? '');
  return Number.isNaN(ms) ? Number.MAX_SAFE_INTEGER : ms;
}
