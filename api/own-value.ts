/**
 * Maps of the API (labels, data, resources) come as plain objects, and their keys are users': `constructor` and `__proto__` are keys
 * like any other. A plain look-up would find what every object inherits.
 */

/** The value that the map itself has under the key. */
export function ownValue<V>(map: Readonly<Record<string, V>> | undefined, key: string): V | undefined {
  return map !== undefined && Object.hasOwn(map, key) ? map[key] : undefined;
}

/** Sets the key as the map's own, `__proto__` included. */
export function setOwn<V>(map: Record<string, V>, key: string, value: V): void {
  // An assignment would call the setter that objects inherit.
  if (key === '__proto__') Object.defineProperty(map, key, { value, enumerable: true, writable: true, configurable: true });
  else map[key] = value;
}
