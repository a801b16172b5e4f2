/**
 * Types of CEL expressions, and the rules for assigning one to another.
 *
 * Source: cel-go `common/types/types.go`, `checker/types.go`, `checker/format.go`.
 */
import type { Value } from './values.ts';

/**
 * The kinds of types. `param`: a type parameter of a signature; `error`: the type of an expression that has been reported
 * already.
 */
export type TypeKind =
  | 'bool'
  | 'int'
  | 'uint'
  | 'double'
  | 'string'
  | 'bytes'
  | 'null'
  | 'duration'
  | 'timestamp'
  | 'list'
  | 'map'
  | 'type'
  | 'struct'
  | 'opaque'
  | 'param'
  | 'dyn'
  | 'error';

/** A declared field of an object type. */
export interface Field {
  type: Type;
  /** The member of the JSON object that holds it; the CEL name may be an escaped form of it. */
  property: string;
  /** JSON null is a value of the field. Otherwise null means that the field is absent. */
  nullable?: boolean;
}

/** How items of a list are identified: by the whole item (`set`), or by key fields with these CEL names. */
export type ListIdentity = 'set' | readonly string[];

/** A type of CEL. Types are compared by kind, name and parameters. */
export interface Type {
  readonly kind: TypeKind;
  /** The name in messages: `int`, `list`, `kubernetes.Quantity`, or the name of a type parameter. */
  readonly name: string;
  /** Type parameters of list (element), map (key, value), type and opaque types. */
  readonly params: readonly Type[];
  /** Fields of a struct by their CEL names. */
  readonly fields?: ReadonlyMap<string, Field>;
  /** Whether null may be assigned to the type too (wrapper types). */
  readonly nullable?: boolean;
  /** Identity of items of a list whose order does not matter. */
  readonly identity?: ListIdentity | undefined;
  /** Parses a JSON string to a value, for bytes, durations and timestamps. @throws CelError */
  readonly parse?: (text: string) => Value;
}

const simple = (kind: TypeKind, name: string = kind): Type => ({ kind, name, params: [] });

/** `bool` */
export const boolType = simple('bool');
/** `int`: 64 bits. */
export const intType = simple('int');
/** `uint`: 64 bits, without sign. */
export const uintType = simple('uint');
/** `double` */
export const doubleType = simple('double');
/** `string` */
export const stringType = simple('string');
/** `bytes` */
export const bytesType = simple('bytes');
/** The type of `null`. */
export const nullType = simple('null');
/** `google.protobuf.Duration` */
export const durationType = simple('duration');
/** `google.protobuf.Timestamp` */
export const timestampType = simple('timestamp');
/** The type of values whose type is known only at run time. It is compatible with every type. */
export const dynType = simple('dyn');
/** Like dyn, but loops over it are not allowed. */
export const anyType: Type = { kind: 'dyn', name: 'any', params: [] };
/** The type of an expression with a reported error. It suppresses further errors. */
export const errorType = simple('error', '!error!');

/** `list(element)`. @param identity for lists whose order does not matter */
export const listType = (element: Type, identity?: ListIdentity): Type => ({
  kind: 'list',
  name: 'list',
  params: [element],
  ...(identity === undefined ? {} : { identity }),
});
/** `map(key, value)` */
export const mapType = (key: Type, value: Type): Type => ({ kind: 'map', name: 'map', params: [key, value] });
/** The type of a type: `type(of)`. */
export const typeType = (of?: Type): Type => ({ kind: 'type', name: 'type', params: of === undefined ? [] : [of] });
/** A type parameter of a signature, by its name. */
export const paramType = (name: string): Type => simple('param', name);
/** A type without visible structure, such as `net.IP`. */
export const opaqueType = (name: string, ...params: Type[]): Type => ({ kind: 'opaque', name, params });
/** `optional_type(of)` */
export const optionalType = (of: Type): Type => opaqueType('optional_type', of);
/** An object type. @param fields by CEL name; may be filled later, for types that contain themselves */
export const structType = (name: string, fields: ReadonlyMap<string, Field>): Type => ({
  kind: 'struct',
  name,
  params: [],
  fields,
});

/** Whether the type is only known at run time. */
export const isDyn = ({ kind }: Type): boolean => kind === 'dyn';
/** Whether the checker lets everything pass: a dynamic type, or an error that has been reported. */
export const isDynOrError = ({ kind }: Type): boolean => kind === 'dyn' || kind === 'error';
/** Whether the type is an optional type. */
export const isOptionalType = ({ kind, name }: Type): boolean => kind === 'opaque' && name === 'optional_type';

/** The type within an optional type, and whether it was one. */
export function unwrapOptional(type: Type): [type: Type, wasOptional: boolean] {
  return isOptionalType(type) ? [type.params[0] ?? dynType, true] : [type, false];
}

/** A type as messages show it. */
export function formatType(type: Type): string {
  switch (type.kind) {
    case 'duration':
      return 'google.protobuf.Duration';
    case 'timestamp':
      return 'google.protobuf.Timestamp';
    case 'null':
      return 'null';
    case 'type':
    case 'list':
    case 'map':
    case 'opaque':
      return type.params.length === 0 ? type.name : `${type.name}(${type.params.map(formatType).join(', ')})`;
    default:
      return type.nullable === true ? `wrapper(${type.name})` : type.name;
  }
}

/** The same type, parameters included. */
export function isSameType(a: Type, b: Type): boolean {
  return (
    a === b ||
    (a.kind === b.kind &&
      a.name === b.name &&
      (a.nullable ?? false) === (b.nullable ?? false) &&
      a.params.length === b.params.length &&
      a.params.every((param, index) => isSameType(param, b.params[index] as Type)))
  );
}

/** The types that have been found for type parameters. @see {@link isAssignable} */
export class Substitutions {
  readonly #types: Map<string, Type>;
  /** Earlier values, to undo a failed attempt. */
  #undo: [name: string, earlier: Type | undefined][] = [];
  constructor(types: Iterable<[string, Type]> = []) {
    this.#types = new Map(types);
  }
  find(type: Type): Type | undefined {
    return type.kind === 'param' ? this.#types.get(type.name) : undefined;
  }
  set({ name }: Type, to: Type): void {
    this.#undo.push([name, this.#types.get(name)]);
    this.#types.set(name, to);
  }
  /**
   * Runs `action` and undoes its changes if it fails. Copying all substitutions each time would take quadratic time for long expressions.
   */
  attempt(action: () => boolean): boolean {
    this.#undo = [];
    if (action()) return true;
    for (const [name, earlier] of this.#undo.reverse())
      if (earlier === undefined) this.#types.delete(name);
      else this.#types.set(name, earlier);
    return false;
  }
}

/** Whether `from` may be assigned to `to`. If so, adds the necessary substitutions. */
export const assign = (substitutions: Substitutions, from: readonly Type[], to: readonly Type[]): boolean =>
  substitutions.attempt(() => allAssignable(substitutions, from, to));

function allAssignable(known: Substitutions, from: readonly Type[], to: readonly Type[]): boolean {
  return from.length === to.length && from.every((type, index) => isAssignable(known, type, to[index] as Type));
}

function isAssignable(known: Substitutions, from: Type, to: Type): boolean {
  if (to.kind === 'param') {
    const found = substitutes(known, from, to);
    if (found.valid) return true;
    if (found.known) return false;
  }
  if (from.kind === 'param') return substitutes(known, to, from).valid;
  if (isDynOrError(from) || isDynOrError(to)) return true;
  if (from.kind === 'null') return isNullable(to);
  if (to.kind === 'null') return isNullable(from);
  switch (from.kind) {
    case 'type':
      return to.kind === 'type';
    case 'opaque':
    case 'list':
    case 'map':
      return from.kind === to.kind && from.name === to.name && allAssignable(known, from.params, to.params);
    default:
      return from.kind === to.kind && from.name === to.name;
  }
}

const isNullable = ({ kind, nullable }: Type): boolean =>
  nullable === true || ['null', 'opaque', 'struct', 'duration', 'timestamp'].includes(kind);

/** Whether `type` is compatible with the type parameter. A parameter without a substitution gets this type. */
function substitutes(known: Substitutions, type: Type, parameter: Type): { valid: boolean; known: boolean } {
  if (isSameType(type, parameter)) return { valid: true, known: true };
  const earlier = known.find(parameter);
  if (earlier !== undefined) {
    if (isSameType(type, earlier)) return { valid: true, known: true };
    if (!isAssignable(known, type, earlier)) return { valid: false, known: true };
    const general = mostGeneral(type, earlier);
    if (!occursIn(known, parameter, general)) known.set(parameter, general);
    return { valid: true, known: true };
  }
  if (occursIn(known, parameter, type)) return { valid: false, known: false };
  known.set(parameter, type);
  return { valid: true, known: false };
}

function occursIn(known: Substitutions, parameter: Type, type: Type): boolean {
  if (isSameType(parameter, type)) return true;
  if (type.kind === 'param') {
    const meaning = known.find(type);
    return meaning !== undefined && occursIn(known, parameter, meaning);
  }
  return type.params.some((param) => occursIn(known, parameter, param));
}

/** The more general one of two compatible types. */
export const mostGeneral = (a: Type, b: Type): Type => (isEqualOrLessSpecific(a, b) ? a : b);

function isEqualOrLessSpecific(a: Type, b: Type): boolean {
  if (isDyn(a) || a.kind === 'param') return true;
  if (isDyn(b) || b.kind === 'param' || a.kind !== b.kind) return false;
  switch (a.kind) {
    case 'opaque':
    case 'list':
    case 'map':
      return (
        a.name === b.name &&
        a.params.length === b.params.length &&
        a.params.every((param, index) => isEqualOrLessSpecific(param, b.params[index] as Type))
      );
    case 'type':
      return true;
    default:
      return isSameType(a, b);
  }
}

/** The type with its parameters replaced. @param unknownAsDyn whether unknown parameters become dyn */
export function substitute(known: Substitutions, type: Type, unknownAsDyn: boolean): Type {
  const meaning = known.find(type);
  if (meaning !== undefined) return substitute(known, meaning, unknownAsDyn);
  if (type.kind === 'param') return unknownAsDyn ? dynType : type;
  if (type.params.length === 0) return type;
  return { ...type, params: type.params.map((param) => substitute(known, param, unknownAsDyn)) };
}

/** The names of all parameters in a type. */
export function paramsIn(type: Type, into: Set<string> = new Set()): Set<string> {
  if (type.kind === 'param') into.add(type.name);
  for (const param of type.params) paramsIn(param, into);
  return into;
}
