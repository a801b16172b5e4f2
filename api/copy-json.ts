/** Copies of JSON values. */

/**
 * A deep copy that may be changed, of a JSON value (which may hold bigints and `undefined`). `structuredClone` would take four times as
 * long.
 */
export function copyJson<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(copyJson) as T;
  // The own key `__proto__` is an own property of the copy too, so the assignment below sets that property.
  const copy = { ...value };
  for (const key in copy) {
    const member = copy[key];
    if (typeof member === 'object' && member !== null) copy[key] = copyJson(member);
  }
  return copy;
}
