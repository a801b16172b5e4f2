/**
 * CEL selectors of devices (resource.k8s.io): what they may say of `device`, what they can cost at most, and whether one selects a device.
 *
 * Source: upstream `k8s.io/dynamic-resource-allocation/cel/compile.go`, with the feature gates of 1.36 (consumable capacity is on, attributes
 * that are lists are off).
 */
import { estimateCost } from '../cel/cost-estimate.ts';
import { CelEnvironment, type Program } from '../cel/environment.ts';
import { QuantityValue } from '../cel/library/quantity.ts';
import { semverOf } from '../cel/library/semver.ts';
import { CelCompileError } from '../cel/source.ts';
import * as types from '../cel/types.ts';
import { CelError, MapValue, type Value } from '../cel/values.ts';
import { ownValue } from '../own-value.ts';
import { parseQuantity } from '../quantity.ts';
import type { DeviceAttribute, DeviceCapacity } from '../types.generated.ts';

/** The most that one selector may cost for one device, also in the worst case that is estimated (upstream's CELSelectorExpressionMaxCost). */
export const maxSelectorCost = 1_000_000;

/** A device, as selectors see it. */
export interface SelectableDevice {
  /** Also the domain of all names without one. */
  driver: string;
  allowMultipleAllocations?: boolean | undefined;
  /** By qualified name: `domain/id`, or `id`. */
  attributes?: Readonly<Record<string, DeviceAttribute>> | undefined;
  capacity?: Readonly<Record<string, DeviceCapacity>> | undefined;
}

/** A selector cannot be compiled; the message is that of the field error. */
export class DeviceSelectorError extends Error {
  override name = 'DeviceSelectorError';
}

/** Why a selector says neither yes nor no of a device: a key that is not there, an attribute without a value, too high a cost. */
export class DeviceMatchError extends Error {
  override name = 'DeviceMatchError';
}

/** Sizes of the parts of `device`, for the estimate. */
interface Sizes {
  max?: number;
  fields?: Readonly<Record<string, Sizes>>;
  key?: Sizes;
  element?: Sizes;
}

const maxNames = 32;
const domain: Sizes = { max: 63 };
const id: Sizes = { max: 32 };
const mapOfNames = (element: Sizes): Sizes => ({ max: maxNames, key: domain, element: { max: maxNames, key: id, element } });
const attributeSize: Sizes = { max: 64 };
const deviceSizes: Sizes = {
  fields: {
    driver: { max: 63 },
    allowMultipleAllocations: { max: 1 },
    attributes: mapOfNames(attributeSize),
    capacity: mapOfNames({}),
  },
};

const byName = (value: types.Type): types.Type => types.mapType(types.stringType, types.mapType(types.stringType, value));
const fieldTypes: [name: string, type: types.Type][] = [
  ['driver', types.stringType],
  ['allowMultipleAllocations', types.boolType],
  ['attributes', byName(types.anyType)],
  ['capacity', byName(QuantityValue.type)],
];
const deviceType = types.structType(
  'kubernetes.DRADevice',
  new Map(fieldTypes.map(([property, type]) => [property, { type, property }])),
);
const environment = new CelEnvironment({ variables: { device: deviceType }, bindings: true });

/** A compiled selector. */
export class DeviceSelector {
  readonly expression: string;
  /** In the worst case, from the largest devices there can be; beyond {@link maxSelectorCost} the API server refuses it. */
  readonly maxCost: number;
  readonly #program: Program;

  constructor(program: Program) {
    this.#program = program;
    this.expression = program.source;
    this.maxCost = estimateCost(program.checked, (path) => {
      const max = sizesAt(path)?.max;
      return max === undefined ? undefined : { min: 0, max };
    }).max;
  }

  /** @throws DeviceMatchError */
  matches(device: SelectableDevice): boolean {
    try {
      const { value } = this.#program.evaluate({ device: deviceValue(device) }, maxSelectorCost);
      if (typeof value === 'boolean') return value;
      throw new CelError('the result is no bool');
    } catch (error) {
      if (error instanceof CelError) throw new DeviceMatchError(error.message);
      throw error;
    }
  }
}

/** @throws DeviceSelectorError in upstream's words */
export function compileDeviceSelector(expression: string): DeviceSelector {
  const program = compiled(expression);
  const { type } = program;
  if (type.kind !== 'bool' && type !== types.anyType)
    throw new DeviceSelectorError(`must evaluate to bool or the unknown type, not ${types.formatType(type)}`);
  return new DeviceSelector(program);
}

function compiled(expression: string): Program {
  try {
    return environment.compile(expression);
  } catch (error) {
    if (error instanceof CelCompileError) throw new DeviceSelectorError(`compilation failed: ${error.message}`, { cause: error });
    throw error;
  }
}

/** @param path `['device', 'attributes', '@values', 'model']` */
function sizesAt([root, ...names]: readonly string[]): Sizes | undefined {
  let sizes: Sizes | undefined = root === 'device' ? deviceSizes : undefined;
  for (const name of names) {
    if (sizes === undefined) return undefined;
    if (name === '@items' || name === '@values') sizes = sizes.element;
    else if (name === '@keys') sizes = sizes.key;
    // All attributes have the same size, whatever their names.
    else sizes = ownField(sizes, name) ?? (sizes.element === attributeSize ? attributeSize : undefined);
  }
  return sizes;
}

const ownField = ({ fields }: Sizes, name: string): Sizes | undefined =>
  fields === undefined ? undefined : ownValue(fields, name);

/** A map from strings. @see noNames */
class NameMap extends MapValue {
  readonly #values: ReadonlyMap<string, Value>;
  readonly #otherwise: Value | undefined;
  override readonly typeName: string | undefined;

  /** @param otherwise what a key gives that is not there */
  constructor(values: ReadonlyMap<string, Value>, otherwise?: Value, typeName?: string) {
    super();
    this.#values = values;
    this.#otherwise = otherwise;
    this.typeName = typeName;
  }
  get size(): number {
    return this.#values.size;
  }
  override has(key: Value): boolean {
    return typeof key === 'string' && this.#values.has(key);
  }
  get(key: Value): Value | undefined {
    return (typeof key === 'string' ? this.#values.get(key) : undefined) ?? this.#otherwise;
  }
  keys(): Iterable<Value> {
    return this.#values.keys();
  }
}

/** The attributes of a domain that the device does not have. It is an empty map, so that a selector need not check for the domain first. */
const noNames = new NameMap(new Map());

function deviceValue({ driver, allowMultipleAllocations = false, attributes = {}, capacity = {} }: SelectableDevice): Value {
  const quantityOf = ({ value }: DeviceCapacity): Value => new QuantityValue(parseQuantity(String(value)));
  const values = new Map<string, Value>([
    ['driver', driver],
    ['allowMultipleAllocations', allowMultipleAllocations],
    ['attributes', byDomain(driver, attributes, attributeValue)],
    ['capacity', byDomain(driver, capacity, quantityOf)],
  ]);
  return new NameMap(values, undefined, deviceType.name);
}

function byDomain<T>(driver: string, named: Readonly<Record<string, T>>, valueOf: (part: T, name: string) => Value): MapValue {
  const domains = new Map<string, Map<string, Value>>();
  for (const [name, part] of Object.entries(named)) {
    const separator = name.indexOf('/');
    const domainName = separator < 0 ? driver : name.slice(0, separator);
    const ids = domains.get(domainName) ?? new Map<string, Value>();
    domains.set(domainName, ids.set(name.slice(separator + 1), valueOf(part, name)));
  }
  return new NameMap(new Map([...domains].map(([name, ids]) => [name, new NameMap(ids)])), noNames);
}

/** @throws CelError for one without a value, so that nothing is allocated by mistake */
function attributeValue({ int, bool, string, version }: DeviceAttribute, name: string): Value {
  if (int !== undefined) return BigInt(int);
  if (bool !== undefined) return bool;
  if (string !== undefined) return string;
  if (version === undefined) throw new CelError(`attribute ${name}: unsupported attribute value`);
  try {
    return semverOf(version);
  } catch (error) {
    if (error instanceof CelError) throw new CelError(`attribute ${name}: parse semantic version: ${error.message}`);
    throw error;
  }
}
