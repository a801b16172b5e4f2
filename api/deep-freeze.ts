/**
 * Freezes a value and everything it contains, in place. Writing to a shared object then throws. For tests, and for caches under
 * test. @returns the same value
 */
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
