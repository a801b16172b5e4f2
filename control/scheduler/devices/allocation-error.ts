/** The claim or the class cannot be used on any node. The message is upstream's. */
export class AllocationError extends Error {
  override name = 'AllocationError';
}
