/**
 * Arithmetic, comparison, membership and size.
 *
 * Source: cel-spec `doc/langdef.md` (Standard Definitions); cel-go `common/stdlib/standard.go`, `common/types/overflow.go`.
 */
import { operators } from '../ast.ts';
import { define, type Library } from '../declarations.ts';
import { compare, equal } from '../equality.ts';
import { IdentityList } from '../identity-lists.ts';
import { joinedList } from '../joined-list.ts';
import { mapInsert } from '../macros.ts';
import { comparison, concatenation, listSearch } from '../runtime-cost.ts';
import {
  CelError,
  Duration,
  keyOf,
  ListValue,
  type MapValue,
  NativeMap,
  sizeOf,
  Timestamp,
  Uint,
  type Value,
} from '../values.ts';
import { checkDuration, checkTimestamp } from './time-range.ts';

/** @throws CelError when it is no int64 */
export function int64(value: bigint): bigint {
  if (BigInt.asIntN(64, value) !== value) throw new CelError('integer overflow');
  return value;
}

/** @throws CelError when it is no uint64 */
export function uint64(value: bigint): Uint {
  if (BigInt.asUintN(64, value) !== value) throw new CelError('unsigned integer overflow');
  return new Uint(value);
}

function divisor(value: bigint, what: 'division' | 'modulus'): bigint {
  if (value === 0n) throw new CelError(`${what} by zero`);
  return value;
}

const { add, subtract, multiply, divide, modulo, negate, not } = operators;

const arithmetic: Library = [
  define(`${add}(int, int): int`, (a: bigint, b: bigint) => int64(a + b)),
  define(`${add}(uint, uint): uint`, (a: Uint, b: Uint) => uint64(a.value + b.value)),
  define(`${add}(double, double): double`, (a: number, b: number) => a + b),
  define(`${add}(string, string): string`, (a: string, b: string) => a + b, { id: 'add_string', cost: concatenation }),
  define(`${add}(bytes, bytes): bytes`, (a: Uint8Array, b: Uint8Array) => Buffer.concat([a, b]), {
    id: 'add_bytes',
    cost: concatenation,
  }),
  define(`${add}(list(A), list(A)): list(A)`, joinLists, { id: 'add_list', cost: joinCost }),
  define(`${add}(duration, duration): duration`, (a: Duration, b: Duration) => checkDuration(a.nanos + b.nanos)),
  define(`${add}(timestamp, duration): timestamp`, (a: Timestamp, b: Duration) => checkTimestamp(a.nanos + b.nanos)),
  define(`${add}(duration, timestamp): timestamp`, (a: Duration, b: Timestamp) => checkTimestamp(a.nanos + b.nanos)),
  define(`${subtract}(int, int): int`, (a: bigint, b: bigint) => int64(a - b)),
  define(`${subtract}(uint, uint): uint`, (a: Uint, b: Uint) => uint64(a.value - b.value)),
  define(`${subtract}(double, double): double`, (a: number, b: number) => a - b),
  define(`${subtract}(duration, duration): duration`, (a: Duration, b: Duration) => checkDuration(a.nanos - b.nanos)),
  define(`${subtract}(timestamp, duration): timestamp`, (a: Timestamp, b: Duration) => checkTimestamp(a.nanos - b.nanos)),
  define(`${subtract}(timestamp, timestamp): duration`, (a: Timestamp, b: Timestamp) => checkDuration(a.nanos - b.nanos)),
  define(`${multiply}(int, int): int`, (a: bigint, b: bigint) => int64(a * b)),
  define(`${multiply}(uint, uint): uint`, (a: Uint, b: Uint) => uint64(a.value * b.value)),
  define(`${multiply}(double, double): double`, (a: number, b: number) => a * b),
  define(`${divide}(int, int): int`, (a: bigint, b: bigint) => int64(a / divisor(b, 'division'))),
  define(`${divide}(uint, uint): uint`, (a: Uint, b: Uint) => uint64(a.value / divisor(b.value, 'division'))),
  define(`${divide}(double, double): double`, (a: number, b: number) => a / b),
  define(`${modulo}(int, int): int`, (a: bigint, b: bigint) => {
    if (a === -(2n ** 63n) && b === -1n) throw new CelError('integer overflow');
    return a % divisor(b, 'modulus');
  }),
  define(`${modulo}(uint, uint): uint`, (a: Uint, b: Uint) => uint64(a.value % divisor(b.value, 'modulus'))),
  define(`${negate}(int): int`, (a: bigint) => int64(-a)),
  define(`${negate}(double): double`, (a: number) => -a),
  define(`${not}(bool): bool`, (a: boolean) => !a),
];

/** When two sets or maps are merged, items beyond this number add to the cost. Upstream charges the same for all sizes. */
const freeItems = 1_000;
const costOfItem = 4;

function joinCost([a, b]: readonly Value[]): number {
  return a instanceof IdentityList ? Math.max(1, costOfItem * (a.size + sizeOf(b as Value) - freeItems)) : 1;
}

function joinLists(a: ListValue, b: ListValue): ListValue {
  return a instanceof IdentityList ? a.merge(b) : joinedList(a, b);
}

const ordered = ['bool', 'int', 'uint', 'double', 'string', 'bytes', 'timestamp', 'duration'];
const numbers = ['int', 'uint', 'double'];
const orders: [name: string, holds: (order: number) => boolean][] = [
  [operators.less, (order) => order < 0],
  [operators.lessEquals, (order) => order <= 0],
  [operators.greater, (order) => order > 0],
  [operators.greaterEquals, (order) => order >= 0],
];
/** Operands of one type, and numbers of any two types. */
const operandPairs = [
  ...ordered.map((type) => [type, type]),
  ...numbers.flatMap((a) => numbers.filter((b) => a !== b).map((b) => [a, b])),
];
const comparisons: Library = orders.flatMap(([name, holds]) =>
  operandPairs.map(([a, b]) => {
    const isText = a === 'string' || a === 'bytes';
    const call = (left: Value, right: Value): boolean => holds(compare(left, right));
    return define(`${name}(${a}, ${b}): bool`, call, isText ? { id: `${name}_${a}`, cost: comparison } : {});
  }),
);

/** The interpreter implements these; here are only their types. */
const unreached = (): never => {
  throw new Error('the interpreter evaluates this operator itself');
};
const special: Library = [
  define(`${operators.conditional}(bool, A, A): A`, unreached, { id: 'conditional' }),
  define(`${operators.and}(bool, bool): bool`, unreached, { id: 'logical_and' }),
  define(`${operators.or}(bool, bool): bool`, unreached, { id: 'logical_or' }),
  define(`${operators.notStrictlyFalse}(bool): bool`, unreached),
  define(`${operators.equals}(A, A): bool`, unreached, { id: 'equals' }),
  define(`${operators.notEquals}(A, A): bool`, unreached, { id: 'not_equals' }),
  define(`${operators.index}(list(A), int): A`, unreached, { id: 'index_list' }),
  define(`${operators.index}(map(A, B), A): B`, unreached, { id: 'index_map' }),
  define(`${operators.index}(optional(list(A)), int): optional(A)`, unreached),
  define(`${operators.index}(optional(map(A, B)), A): optional(B)`, unreached),
  define(`${operators.optIndex}(list(A), int): optional(A)`, unreached),
  define(`${operators.optIndex}(optional(list(A)), int): optional(A)`, unreached),
  define(`${operators.optIndex}(map(A, B), A): optional(B)`, unreached),
  define(`${operators.optIndex}(optional(map(A, B)), A): optional(B)`, unreached),
];

const sized = (value: Value): bigint => BigInt(sizeOf(value));

const containers: Library = [
  define(`${operators.in}(A, list(A)): bool`, isElement, { id: 'in_list', cost: listSearch }),
  define(`${operators.in}(A, map(A, B)): bool`, (key: Value, map: MapValue) => map.has(key), { id: 'in_map' }),
  ...['string', 'bytes', 'list(A)', 'map(A, B)'].flatMap((type) => [
    define(`size(${type}): int`, sized),
    define(`.size(${type}): int`, sized),
  ]),
  define(`${mapInsert}(map(A, B), A, B): map(A, B)`, (map: MapValue, key: Value, value: Value) => inserted(map, [[key, value]])),
  define(`${mapInsert}(map(A, B), map(A, B)): map(A, B)`, (map: MapValue, more: MapValue) =>
    inserted(
      map,
      [...more.keys()].map((key) => [key, more.get(key) as Value] as const),
    ),
  ),
];

function isElement(element: Value, list: ListValue): boolean {
  for (const item of list) if (equal(element, item)) return true;
  return false;
}

/** A map that grows in a loop. Successive versions share one table as long as only the newest one adds to it. */
class GrowingMap extends NativeMap {
  readonly #table: Map<string, readonly [Value, Value]>;
  constructor(table: Map<string, readonly [Value, Value]>) {
    super(table);
    this.#table = table;
  }
  plus(entries: readonly (readonly [Value, Value])[]): GrowingMap {
    const table = this.#table;
    for (const [key, value] of entries) {
      const name = keyOf(key);
      if (name === undefined) throw new CelError('unsupported key type');
      if (table.has(name)) throw new CelError(`insert failed: key ${String(key)} already exists`);
      table.set(name, [key, value]);
    }
    return new GrowingMap(table);
  }
}

function inserted(map: MapValue, entries: readonly (readonly [Value, Value])[]): MapValue {
  if (map instanceof GrowingMap) return map.plus(entries);
  const table = new Map<string, readonly [Value, Value]>();
  for (const key of map.keys()) table.set(keyOf(key) as string, [key, map.get(key) as Value]);
  return new GrowingMap(table).plus(entries);
}

/** The operators of the language, which are functions with names such as `_+_`. Source: cel-spec, "Standard Definitions". */
export const operatorLibrary: Library = [...special, ...arithmetic, ...comparisons, ...containers];
