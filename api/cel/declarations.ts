/**
 * Declarations of variables, types and functions that expressions may use. Each function overload has a signature and an implementation.
 *
 * Source: cel-go `common/decls/decls.go`.
 */

import type { Type } from './types.ts';
import * as types from './types.ts';
import type { Value } from './values.ts';

/** The implementation of an overload. Arguments have the types of the signature. @throws CelError */
export type Implementation = (...args: never[]) => Value;

/** One signature of a function, with its implementation. Source: cel-go `common/decls/decls.go`. */
export interface Overload {
  /** Unique among all functions; costs are looked up by it. */
  readonly id: string;
  readonly name: string;
  /** Types of the arguments. For a member function, the receiver is the first. */
  readonly args: readonly Type[];
  readonly result: Type;
  readonly isMember: boolean;
  /** Names of the type parameters in the signature. */
  readonly params: readonly string[];
  readonly call: (...args: Value[]) => Value;
  /** Cost of one call in the units of `Frame.cost`. Default 1. */
  readonly cost?: Cost | undefined;
}

/** Computes the cost of a call from its arguments and result. */
export type Cost = (args: readonly Value[], result: Value) => number;

/** The declarations that expressions may use. */
export interface Declarations {
  /** The type of a variable; undefined when it is not declared. Names may contain dots. */
  variable(name: string): Type | undefined;
  /** A name with a constant value: a type such as `int`, or a value of an enum. */
  constant(name: string): { type: Type; value: Value } | undefined;
  /** The overloads of a function; empty when it is not declared. */
  overloads(name: string): readonly Overload[];
  /** The type of `Name{…}`. */
  struct(name: string): Type | undefined;
  /** Whether the elements of a list or map literal may have different types; their type is then dyn. */
  readonly mixedLiterals: boolean;
}

/** A set of functions that is added to an environment together. */
export type Library = readonly Overload[];

/** Declares named types for {@link define}. */
export type NamedTypes = Readonly<Record<string, Type>>;

/**
 * Declares one overload.
 * @param signature `size(list(A)): int`, or with a dot in front a member call: `.startsWith(string, string): bool`. A single capital letter
 * is a type parameter
 * @param id default: the signature; estimates of costs look it up
 */
export function define(
  signature: string,
  call: Implementation,
  { id = signature, named = {}, cost }: { id?: string; named?: NamedTypes; cost?: Cost } = {},
): Overload {
  const match = /^(\.?)([^(]+)\((.*)\): (.+)$/.exec(signature);
  if (match === null) throw new Error(`"${signature}" is no signature`);
  const [, dot, name = '', args = '', result = ''] = match;
  const reader = new TypeReader(named);
  const argTypes = args === '' ? [] : reader.list(args);
  const resultType = reader.type(result);
  const params = new Set<string>();
  for (const type of [...argTypes, resultType]) types.paramsIn(type, params);
  return {
    id,
    name,
    args: argTypes,
    result: resultType,
    isMember: dot === '.',
    params: [...params],
    call: call as Overload['call'],
    cost,
  };
}

const simpleTypes: NamedTypes = {
  bool: types.boolType,
  int: types.intType,
  uint: types.uintType,
  double: types.doubleType,
  string: types.stringType,
  bytes: types.bytesType,
  null: types.nullType,
  duration: types.durationType,
  timestamp: types.timestampType,
  dyn: types.dynType,
  type: types.typeType(),
};

/** Parses the types of signatures. */
class TypeReader {
  readonly #named: NamedTypes;
  constructor(named: NamedTypes) {
    this.#named = named;
  }

  type(text: string): Type {
    const open = text.indexOf('(');
    const name = open < 0 ? text : text.slice(0, open);
    const params = open < 0 ? [] : this.list(text.slice(open + 1, -1));
    if (name === 'list') return types.listType(params[0] as Type);
    if (name === 'map') return types.mapType(params[0] as Type, params[1] as Type);
    if (name === 'type' && params.length === 1) return types.typeType(params[0]);
    if (name === 'optional') return types.optionalType(params[0] as Type);
    if (/^[A-Z]$/.test(name)) return types.paramType(name);
    const found = simpleTypes[name] ?? this.#named[name];
    if (found === undefined) throw new Error(`there is no type "${name}"`);
    return found;
  }

  list(text: string): Type[] {
    const parts: string[] = [];
    let depth = 0;
    let start = 0;
    for (let index = 0; index < text.length; index++) {
      const char = text[index];
      if (char === '(') depth++;
      if (char === ')') depth--;
      if (char === ',' && depth === 0) {
        parts.push(text.slice(start, index));
        start = index + 1;
      }
    }
    parts.push(text.slice(start));
    return parts.map((part) => this.type(part.trim()));
  }
}
