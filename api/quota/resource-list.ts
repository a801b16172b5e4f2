/** Arithmetic with lists of quantities by resource name. Exact. Pure. Source: apiserver `pkg/quota/v1/resources.go`. */
import type { Quantity } from '../json.ts';
import { ownValue, setOwn } from '../own-value.ts';
import type { ResourceList } from '../pod/requests.ts';
import { addQuantity, canonicalQuantity, compareQuantity, formatQuantity, subtractQuantity } from '../quantity.ts';

/** `a + b`; a name that only one of them has keeps its quantity. @throws QuantityError */
export function addLists(a: ResourceList, b: ResourceList): ResourceList {
  const sum: Record<string, Quantity> = { ...a };
  for (const [name, quantity] of Object.entries(b)) {
    const other = ownValue(a, name);
    setOwn(sum, name, other === undefined ? quantity : formatQuantity(addQuantity(other, quantity)));
  }
  return sum;
}

/** `a - b` for the names of both, never below zero. @throws QuantityError */
export function subtractLists(a: ResourceList, b: ResourceList): ResourceList {
  const rest: Record<string, Quantity> = {};
  for (const name of new Set([...Object.keys(a), ...Object.keys(b)])) {
    const difference = subtractQuantity(ownValue(a, name) ?? 0, ownValue(b, name) ?? 0);
    setOwn(rest, name, difference.unscaled > 0n ? formatQuantity(difference) : '0');
  }
  return rest;
}

/** The entries with these names. */
export function maskList(list: ResourceList, names: Iterable<string>): ResourceList {
  const wanted = new Set(names);
  return Object.fromEntries(Object.entries(list).filter(([name]) => wanted.has(name)));
}

/** The entries that are not zero. @throws QuantityError */
export const withoutZeros = (list: ResourceList): ResourceList =>
  Object.fromEntries(Object.entries(list).filter(([, quantity]) => compareQuantity(quantity, 0) !== 0));

/** The names of negative quantities. @throws QuantityError */
export const negativeNames = (list: ResourceList): string[] =>
  Object.keys(list).filter((name) => compareQuantity(list[name] ?? 0, 0) < 0);

/** The names of which `list` has more than `limits`; what `limits` does not name is unlimited. @throws QuantityError */
export function exceededNames(list: ResourceList, limits: ResourceList): string[] {
  return Object.entries(limits).flatMap(([name, limit]) => {
    const own = ownValue(list, name);
    return own !== undefined && compareQuantity(own, limit) > 0 ? [name] : [];
  });
}

/** Whether both have the same names with quantities of the same value. @throws QuantityError */
export function sameList(a: ResourceList, b: ResourceList): boolean {
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  return names.every((name) => {
    const other = ownValue(b, name);
    return other !== undefined && compareQuantity(a[name] ?? 0, other) === 0;
  });
}

/** `cpu=1,memory=2Gi`, sorted by name. @throws QuantityError */
export const listText = (list: ResourceList): string =>
  Object.keys(list)
    .sort()
    .map((name) => `${name}=${canonicalQuantity(list[name] ?? 0)}`)
    .join(',');
