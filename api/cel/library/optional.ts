/** Values that may be absent. Source: cel-go `cel/library.go` (OptionalTypes, version 0). */
import { define, type Library } from '../declarations.ts';
import { CelError, Duration, ListValue, MapValue, NativeList, Optional, Timestamp, Uint, type Value } from '../values.ts';

/** Whether a value is the zero of its type. */
function isZero(value: Value): boolean {
  if (value === null || value === false || value === '' || value === 0n || value === 0) return true;
  if (value instanceof Uint) return value.value === 0n;
  if (value instanceof Uint8Array) return value.length === 0;
  if (value instanceof ListValue || value instanceof MapValue) return value.size === 0;
  if (value instanceof Duration) return value.nanos === 0n;
  if (value instanceof Timestamp) return value.nanos === goZeroTime;
  return value instanceof Optional && value.value === undefined;
}

function valueOf({ value }: Optional): Value {
  if (value === undefined) throw new CelError('optional.none() dereference');
  return value;
}

/** 0001-01-01T00:00:00Z, in nanoseconds since 1970: what Go calls the zero time. */
const goZeroTime = -62_135_596_800_000_000_000n;

/** Values that may be absent: `optional.of`, `orValue`, … Source: cel-go `cel/library.go` (OptionalTypes). */
export const optionalLibrary: Library = [
  define('optional.of(A): optional(A)', (value: Value) => Optional.of(value)),
  define('optional.ofNonZeroValue(A): optional(A)', (value: Value) => (isZero(value) ? Optional.none : Optional.of(value))),
  define('optional.none(): optional(A)', () => Optional.none),
  define('.value(optional(A)): A', valueOf),
  define('.hasValue(optional(A)): bool', ({ value }: Optional) => value !== undefined),
  define('.or(optional(A), optional(A)): optional(A)', (first: Optional, second: Optional) =>
    first.value === undefined ? second : first,
  ),
  define('.orValue(optional(A), A): A', ({ value }: Optional, other: Value) => (value === undefined ? other : value)),
  define('optional.unwrap(list(optional(A))): list(A)', unwrap),
  define('.unwrapOpt(list(optional(A))): list(A)', unwrap),
];

function unwrap(list: ListValue): ListValue {
  return new NativeList([...list].flatMap((item) => (item instanceof Optional && item.value !== undefined ? [item.value] : [])));
}
