/**
 * Functions on lists: Kubernetes' own, and those of cel-go's extensions for lists (version 3) and sets.
 *
 * Source: apiserver `pkg/cel/library/lists.go`; cel-go `ext/lists.go`, `ext/sets.go`.
 */
import { define, type Library } from '../declarations.ts';
import { compare, equal } from '../equality.ts';
import { sortByAssociatedKeys } from '../macros.ts';
import { createCosts, deepTraversal, traversalFactor } from '../runtime-cost.ts';
import { CelError, Duration, ListValue, NativeList, Optional, sizeOf, Uint, type Value } from '../values.ts';
import { int64, uint64 } from './operators.ts';
import { checkDuration } from './time-range.ts';

function isSorted(list: ListValue): boolean {
  for (let index = 1; index < list.size; index++) if (compare(list.at(index - 1), list.at(index)) > 0) return false;
  return true;
}

/** `min` or `max` of a list. @param prefers the result of `compare(best, next)` for which `next` is better */
function best(name: 'min' | 'max', prefers: number): (list: ListValue) => Value {
  return (list) => {
    let result: Value | undefined;
    for (const item of list) if (result === undefined || Math.sign(compare(result, item)) === prefers) result = item;
    if (result === undefined) throw new CelError(`${name} called on empty list`);
    return result;
  };
}

function indexOf(list: ListValue, item: Value): bigint {
  for (let index = 0; index < list.size; index++) if (equal(list.at(index), item)) return BigInt(index);
  return -1n;
}

function lastIndexOf(list: ListValue, item: Value): bigint {
  for (let index = list.size - 1; index >= 0; index--) if (equal(list.at(index), item)) return BigInt(index);
  return -1n;
}

const zeros: Readonly<Record<string, Value>> = { int: 0n, uint: new Uint(0n), double: 0, duration: new Duration(0n) };
const summable = Object.entries(zeros);

/** @throws CelError when two elements cannot be added: a dyn list may contain anything */
function add(a: Value, b: Value): Value {
  if (typeof a === 'bigint' && typeof b === 'bigint') return int64(a + b);
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  if (a instanceof Uint && b instanceof Uint) return uint64(a.value + b.value);
  if (a instanceof Duration && b instanceof Duration) return checkDuration(a.nanos + b.nanos);
  throw new CelError('no such overload');
}

/** `sum` of a list. @param zero the sum of an empty list */
const sumOf =
  (zero: Value) =>
  (list: ListValue): Value => {
    const [first, ...others] = [...list];
    return first === undefined ? zero : others.reduce(add, first);
  };

const comparable = ['int', 'uint', 'double', 'bool', 'duration', 'timestamp', 'string', 'bytes'];
const whole = { cost: deepTraversal };

/** Cost of creating a list. */
const allocating = (size: number): number => Math.floor(size) + 1 + createCosts.list;
const outputSize = { cost: (_: readonly Value[], result: Value): number => allocating(sizeOf(result)) };

/** Cost of comparing all items of a list with each other. */
function selfComparison(list: ListValue): number {
  const isText = list.size > 0 && (typeof list.at(0) === 'string' || list.at(0) instanceof Uint8Array);
  return allocating(list.size * list.size * (isText ? 2 + traversalFactor : 2));
}
const comparesAt = (index: number) => ({ cost: (args: readonly Value[]): number => selfComparison(args[index] as ListValue) });
const flattening = {
  cost: ([list, depth]: readonly Value[]): number => allocating(sizeOf(list as Value) * Number(depth ?? 1n)),
};

const end = (list: ListValue, index: number): Optional => (list.size === 0 ? Optional.none : Optional.of(list.at(index)));

function slice(list: ListValue, start: bigint, end: bigint): ListValue {
  if (start < 0n || end < 0n) throw new CelError(`cannot slice(${start}, ${end}), negative indexes not supported`);
  if (start > end) throw new CelError(`cannot slice(${start}, ${end}), start index must be less than or equal to end index`);
  if (end > list.size) throw new CelError(`cannot slice(${start}, ${end}), list is length ${list.size}`);
  return new NativeList([...list].slice(Number(start), Number(end)));
}

function flatten(list: ListValue, depth = 1n): ListValue {
  if (depth < 0n) throw new CelError('level must be non-negative');
  const flat = (items: ListValue, left: bigint): Value[] =>
    [...items].flatMap((item) => (item instanceof ListValue && left > 0n ? flat(item, left - 1n) : [item]));
  return new NativeList(flat(list, depth));
}

function distinct(list: ListValue): ListValue {
  const kept: Value[] = [];
  for (const item of list) if (!kept.some((one) => equal(one, item))) kept.push(item);
  return new NativeList(kept);
}

const sorted = (list: ListValue): ListValue => new NativeList([...list].sort(compare));

/** Limit of `lists.range`. A longer list would exceed every cost limit. */
const maxRange = 1_000_000n;

function range(size: bigint): ListValue {
  if (size > maxRange) throw new CelError(`range size ${size} is too large`);
  return new NativeList(Array.from({ length: Math.max(0, Number(size)) }, (_, index) => BigInt(index)));
}

/** Sorts by keys of the same positions. */
function sortByKeys(list: ListValue, keys: ListValue): ListValue {
  if (list.size !== keys.size)
    throw new CelError(`@sortByAssociatedKeys() expected a list of the same size as the associated keys list`);
  const order = [...keys].map((key, index) => ({ key, index })).sort((a, b) => compare(a.key, b.key));
  return new NativeList(order.map(({ index }) => list.at(index)));
}

const containsAll = (list: ListValue, part: ListValue): boolean => [...part].every((item) => indexOf(list, item) >= 0n);
const pairwise = { cost: ([a, b]: readonly Value[]) => 1 + sizeOf(a as Value) * sizeOf(b as Value) };

/**
 * Functions of lists: `sum`, `min`, `isSorted`, `indexOf`, … Source: apiserver `pkg/cel/library/lists.go`; cel-go
 * `ext/lists.go`.
 */
export const listLibrary: Library = [
  ...comparable.flatMap((type) => [
    define(`.isSorted(list(${type})): bool`, isSorted, whole),
    define(`.min(list(${type})): ${type}`, best('min', 1), whole),
    define(`.max(list(${type})): ${type}`, best('max', -1), whole),
    define(`.sort(list(${type})): list(${type})`, sorted, { id: `list_sort_${type}`, ...comparesAt(0) }),
    define(`.${sortByAssociatedKeys}(list(T), list(${type})): list(T)`, sortByKeys, {
      id: `list_sort_by_${type}`,
      ...comparesAt(1),
    }),
  ]),
  ...summable.map(([type, zero]) => define(`.sum(list(${type})): ${type}`, sumOf(zero), whole)),
  define('.indexOf(list(A), A): int', indexOf, { id: 'list_index_of', ...whole }),
  define('.lastIndexOf(list(A), A): int', lastIndexOf, { id: 'list_last_index_of', ...whole }),
  define('.slice(list(A), int, int): list(A)', slice, outputSize),
  define('.flatten(list(list(A))): list(A)', (list: ListValue) => flatten(list), flattening),
  define('.flatten(list(dyn), int): list(dyn)', flatten, flattening),
  define('lists.range(int): list(int)', range, outputSize),
  define('.reverse(list(A)): list(A)', (list: ListValue) => new NativeList([...list].reverse()), outputSize),
  define('.distinct(list(A)): list(A)', distinct, comparesAt(0)),
  define('.first(list(A)): optional(A)', (list: ListValue) => end(list, 0)),
  define('.last(list(A)): optional(A)', (list: ListValue) => end(list, list.size - 1)),
  define('sets.contains(list(A), list(A)): bool', containsAll, pairwise),
  define('sets.equivalent(list(A), list(A)): bool', (a: ListValue, b: ListValue) => containsAll(a, b) && containsAll(b, a), {
    cost: ([a, b]) => 1 + 2 * sizeOf(a as Value) * sizeOf(b as Value),
  }),
  define(
    'sets.intersects(list(A), list(A)): bool',
    (a: ListValue, b: ListValue) => [...b].some((item) => indexOf(a, item) >= 0n),
    pairwise,
  ),
];
