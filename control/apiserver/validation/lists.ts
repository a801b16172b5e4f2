/** Lists and maps of limited size. Beyond it nothing else is checked. Source: upstream `pkg/apis/resource/validation/validation.go`. */
import { duplicate, type FieldError, tooMany } from '#api/field-error.ts';

/** Each item at its path. @param max undefined: any number */
export function validateList<T>(
  items: readonly T[],
  max: number | undefined,
  path: string,
  check: (item: T, path: string) => FieldError[],
): FieldError[] {
  if (max !== undefined && items.length > max) return [tooMany(path, items.length, max)];
  return items.flatMap((item, index) => check(item, `${path}[${index}]`));
}

/** The same, where no key may come twice. @param shown what the error prints of a key; default: the key */
export function validateSet<T>(
  items: readonly T[],
  max: number | undefined,
  path: string,
  check: (item: T, path: string) => FieldError[],
  keyOf: (item: T) => string,
  shown: (key: string) => unknown = (key) => key,
): FieldError[] {
  if (max !== undefined && items.length > max) return [tooMany(path, items.length, max)];
  const seen = new Set<string>();
  const errors = validateList(items, undefined, path, check);
  items.forEach((item, index) => {
    const key = keyOf(item);
    if (seen.has(key)) errors.push(duplicate(`${path}[${index}]`, shown(key)));
    seen.add(key);
  });
  return errors;
}

/** Keys are checked at the map's path, values at their own, where a key of more than `keyBytes` loses its middle. */
export function validateMap<T>(
  map: Readonly<Record<string, T>>,
  { max, keyBytes, path }: { max?: number; keyBytes: number; path: string },
  checkKey: (key: string, path: string) => FieldError[],
  check: (value: T, path: string) => FieldError[],
): FieldError[] {
  const keys = Object.keys(map);
  if (max !== undefined && keys.length > max) return [tooMany(path, keys.length, max)];
  return keys.sort().flatMap((key) => [...checkKey(key, path), ...check(map[key] as T, `${path}[${shortened(key, keyBytes)}]`)]);
}

function shortened(text: string, max: number): string {
  if (text.length <= max) return text;
  const rest = max - 3;
  return `${text.slice(0, Math.floor((rest + 1) / 2))}...${text.slice(text.length - Math.floor(rest / 2))}`;
}
