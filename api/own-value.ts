/**
 * Reads and writes maps of the API (labels, data, resources). They are plain objects whose keys come from users, so `constructor`
 * and `__proto__` are possible keys. A plain look-up would find the properties that every object inherits.
 */

/** The map's own value of the key; undefined when it has none. */
export function ownValue<V>(map: Readonly<Record<string, V>> | undefined, key: string): V | undefined {
  return map !== undefined && Object.hasOwn(map, key) ? map[key] : undefined;
}

/** Sets the map's own value of the key, also of the key `__proto__`. */
export function setOwn<V>(map: Record<string, V>, key: string, value: V): void {
  // An assignment would call the setter that every object inherits.
  if (key === '__proto__') Object.defineProperty(map, key, { value, enumerable: true, writable: true, configurable: true });
  else map[key] = value;
}
