/** Quantities: `quantity("100Mi")`. Source: apiserver `pkg/cel/library/quantity.go`. */
import {
  addQuantity,
  compareQuantity,
  isQuantity,
  isWhole,
  type ParsedQuantity,
  parseQuantity,
  QuantityError,
  subtractQuantity,
  wholeQuantity,
  wholeUnits,
} from '../../quantity.ts';
import { define, type Library, type Overload } from '../declarations.ts';
import { traverses } from '../runtime-cost.ts';
import { opaqueType } from '../types.ts';
import { CelError, Opaque, type Value } from '../values.ts';

/** A quantity of resources as a value of CEL (`kubernetes.Quantity`). */
export class QuantityValue extends Opaque {
  static readonly type = opaqueType('kubernetes.Quantity');
  readonly typeName = QuantityValue.type.name;
  readonly quantity: ParsedQuantity;
  constructor(quantity: ParsedQuantity) {
    super();
    this.quantity = quantity;
  }
  override equals(other: Opaque): boolean {
    return other instanceof QuantityValue && compareQuantity(this.quantity, other.quantity) === 0;
  }
}

/** @throws CelError */
function quantityOf(text: string): QuantityValue {
  try {
    return new QuantityValue(parseQuantity(text));
  } catch (error) {
    if (error instanceof QuantityError) throw new CelError(error.message);
    throw error;
  }
}

const isInt64 = (value: bigint): boolean => BigInt.asIntN(64, value) === value;
const fitsInteger = ({ quantity }: QuantityValue): boolean => isWhole(quantity) && isInt64(wholeUnits(quantity));

function integerOf(value: QuantityValue): bigint {
  if (!fitsInteger(value)) throw new CelError('cannot convert value to integer');
  return wholeUnits(value.quantity);
}

const order = (a: QuantityValue, b: QuantityValue): number => compareQuantity(a.quantity, b.quantity);
const ofInt = (value: bigint): ParsedQuantity => wholeQuantity(value, 'DecimalExponent');
const named = { Quantity: QuantityValue.type };
const on = (signature: string, call: (...args: never[]) => Value): Overload => define(signature, call, { named });

/** `quantity()` and arithmetic of quantities. Source: apiserver `pkg/cel/library/quantity.go`. */
export const quantityLibrary: Library = [
  define('quantity(string): Quantity', quantityOf, { id: 'string_to_quantity', named, cost: traverses(0) }),
  define('isQuantity(string): bool', isQuantity, { id: 'is_quantity_string', cost: traverses(0) }),
  on('sign(Quantity): int', ({ quantity }: QuantityValue) => BigInt(compareQuantity(quantity, ofInt(0n)))),
  on('.isGreaterThan(Quantity, Quantity): bool', (a: QuantityValue, b: QuantityValue) => order(a, b) > 0),
  on('.isLessThan(Quantity, Quantity): bool', (a: QuantityValue, b: QuantityValue) => order(a, b) < 0),
  on('.compareTo(Quantity, Quantity): int', (a: QuantityValue, b: QuantityValue) => BigInt(order(a, b))),
  on('.asApproximateFloat(Quantity): double', ({ quantity: { unscaled, scale } }: QuantityValue) =>
    Number(`${unscaled}e${scale}`),
  ),
  on('.asInteger(Quantity): int', integerOf),
  on('.isInteger(Quantity): bool', fitsInteger),
  on(
    '.add(Quantity, Quantity): Quantity',
    (a: QuantityValue, b: QuantityValue) => new QuantityValue(addQuantity(a.quantity, b.quantity)),
  ),
  on('.add(Quantity, int): Quantity', (a: QuantityValue, b: bigint) => new QuantityValue(addQuantity(a.quantity, ofInt(b)))),
  on(
    '.sub(Quantity, Quantity): Quantity',
    (a: QuantityValue, b: QuantityValue) => new QuantityValue(subtractQuantity(a.quantity, b.quantity)),
  ),
  on('.sub(Quantity, int): Quantity', (a: QuantityValue, b: bigint) => new QuantityValue(subtractQuantity(a.quantity, ofInt(b)))),
];
