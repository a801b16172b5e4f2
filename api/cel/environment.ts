/**
 * CEL environments (the variables and functions of expressions), and programs (expressions that are checked once and evaluated often).
 *
 * Source: apiserver `pkg/cel/environment/base.go` (which libraries, in 1.36); cel-go `cel/env.go`, `cel/program.go`.
 */
import { type CheckedExpr, check } from './checker.ts';
import type { Declarations, Library, Overload } from './declarations.ts';
import { type Activation, type Evaluate, Frame } from './evaluation.ts';
import { compile } from './interpreter.ts';
import { conversionLibrary } from './library/conversions.ts';
import { formatLibrary } from './library/format.ts';
import { listLibrary } from './library/lists.ts';
import { netLibrary } from './library/net.ts';
import { operatorLibrary } from './library/operators.ts';
import { optionalLibrary } from './library/optional.ts';
import { quantityLibrary } from './library/quantity.ts';
import { regexLibrary } from './library/regex.ts';
import { semverLibrary } from './library/semver.ts';
import { stringLibrary } from './library/strings.ts';
import { timeLibrary } from './library/time.ts';
import { urlLibrary } from './library/url.ts';
import { parse } from './parser.ts';
import { CelProgramError } from './source.ts';
import type { Type } from './types.ts';
import * as types from './types.ts';
import { CelError, keyOf, NativeObject, TypeValue, type Value } from './values.ts';

/** The functions of Kubernetes' environment. */
export const kubernetesLibraries: readonly Library[] = [
  operatorLibrary,
  conversionLibrary,
  stringLibrary,
  timeLibrary,
  regexLibrary,
  optionalLibrary,
  listLibrary,
  urlLibrary,
  quantityLibrary,
  netLibrary,
  formatLibrary,
  semverLibrary,
];

/** Cost limit of one evaluation (upstream's PerCallLimit): about 0.1 s of cel-go. */
export const perCallLimit = 1_000_000;

/** Names of types that are values: `type(x) == int`. */
const typeNames: readonly (readonly [name: string, type: Type])[] = [
  ['bool', types.boolType],
  ['bytes', types.bytesType],
  ['double', types.doubleType],
  ['int', types.intType],
  ['list', types.listType(types.dynType)],
  ['map', types.mapType(types.dynType, types.dynType)],
  ['null_type', types.nullType],
  ['string', types.stringType],
  ['type', types.typeType()],
  ['uint', types.uintType],
  ['google.protobuf.Timestamp', types.timestampType],
  ['google.protobuf.Duration', types.durationType],
  ['optional_type', types.optionalType(types.dynType)],
];

/** Options of an environment, in addition to Kubernetes' standard libraries. */
export interface EnvironmentOptions {
  /** An environment whose functions and types are reused. Creating the new one is then cheap. */
  base?: CelEnvironment;
  /** Variables by name. */
  variables?: Readonly<Record<string, Type>>;
  /** Libraries in addition to Kubernetes' own. */
  libraries?: readonly Library[];
  /** Types for object literals (`Name{…}`), by name. */
  structs?: Readonly<Record<string, Type>>;
  /** Returns types for object literals that are not in {@link structs}, created on demand. */
  structNamed?: (name: string) => Type | undefined;
  /** Whether `cel.bind(x, value, expression)` exists. Expressions of policies and validation rules do not have it. */
  bindings?: boolean;
  /** `[1, "a"]` is a list of dyn, as in CEL by default. Kubernetes refuses it. */
  mixedLiterals?: boolean;
}

/** Immutable. Making one takes some milliseconds, so it is kept for many expressions. */
export class CelEnvironment implements Declarations {
  readonly #functions: ReadonlyMap<string, readonly Overload[]>;
  readonly #variables: ReadonlyMap<string, Type>;
  readonly #structs: ReadonlyMap<string, Type>;
  readonly #structNamed: (name: string) => Type | undefined;
  readonly mixedLiterals: boolean;
  /** See {@link EnvironmentOptions.bindings}. */
  readonly bindings: boolean;
  /** Types that the libraries declare, by name. */
  readonly #declaredTypes: ReadonlyMap<string, Type>;

  constructor({
    base,
    variables = {},
    libraries = [],
    structs = {},
    structNamed,
    mixedLiterals = false,
    bindings = false,
  }: EnvironmentOptions = {}) {
    this.bindings = base?.bindings ?? bindings;
    this.mixedLiterals = base?.mixedLiterals ?? mixedLiterals;
    this.#variables = new Map(Object.entries(variables));
    this.#structNamed = structNamed ?? (base === undefined ? () => undefined : base.#structNamed);
    if (base !== undefined) {
      this.#functions = base.#functions;
      this.#structs = base.#structs;
      this.#declaredTypes = base.#declaredTypes;
      return;
    }
    const functions = new Map<string, Overload[]>();
    for (const overload of [...kubernetesLibraries, ...libraries].flat()) {
      const named = functions.get(overload.name);
      if (named === undefined) functions.set(overload.name, [overload]);
      else named.push(overload);
    }
    this.#functions = functions;
    const results = [...functions.values()].flat().map(({ result }) => result);
    this.#declaredTypes = new Map(
      results.filter(({ kind, name }) => kind === 'opaque' && name !== 'optional_type').map((type) => [type.name, type]),
    );
    this.#structs = new Map(Object.entries(structs));
  }

  /** This environment with more variables. */
  with(variables: Readonly<Record<string, Type>>): CelEnvironment {
    return new CelEnvironment({ base: this, variables: { ...Object.fromEntries(this.#variables), ...variables } });
  }

  variable(name: string): Type | undefined {
    return this.#variables.get(name);
  }

  constant(name: string): { type: Type; value: Value } | undefined {
    const found = typeNames.find(([typeName]) => typeName === name)?.[1] ?? this.#declaredTypes.get(name);
    return found === undefined ? undefined : { type: types.typeType(found), value: new TypeValue(name) };
  }

  overloads(name: string): readonly Overload[] {
    return this.#functions.get(name) ?? [];
  }

  struct(name: string): Type | undefined {
    return this.#structs.get(name) ?? this.#structNamed(name);
  }

  /** @throws CelCompileError with cel-go's text @throws CelProgramError when a literal cannot be evaluated */
  compile(source: string): Program {
    const checked = check(source, parse(source, { bindings: this.bindings }), this);
    try {
      return new Program(source, checked, compile(checked, makeStruct));
    } catch (error) {
      if (error instanceof CelError) throw new CelProgramError(source, error.message);
      throw error;
    }
  }
}

/** The value of an object literal is a map of its fields. */
function makeStruct(name: string, fields: Map<string, Value>): Value {
  return new NativeObject(name, new Map([...fields].map(([field, value]) => [keyOf(field) as string, [field, value] as const])));
}

/** A checked expression. */
export class Program {
  readonly source: string;
  readonly checked: CheckedExpr;
  readonly #evaluate: Evaluate;

  constructor(source: string, checked: CheckedExpr, evaluate: Evaluate) {
    this.source = source;
    this.checked = checked;
    this.#evaluate = evaluate;
  }

  /** The type of its value. */
  get type(): Type {
    return this.checked.result;
  }

  /**
   * @param limit limit of the cost, in units of about 50 ns
   * @throws CelError when the evaluation fails @throws CelCostError when the cost exceeds the limit
   */
  evaluate(variables: Activation | Readonly<Record<string, Value>>, limit = perCallLimit): { value: Value; cost: number } {
    const { value, error, cost } = this.run(variables, limit);
    if (error !== undefined) throw error;
    return { value: value as Value, cost };
  }

  /** Like {@link evaluate}, but also returns the cost of a failed evaluation. */
  run(
    variables: Activation | Readonly<Record<string, Value>>,
    limit = perCallLimit,
  ): { value?: Value; error?: CelError; cost: number } {
    const frame = new Frame(isActivation(variables) ? variables : recordActivation(variables), limit);
    try {
      return { value: this.#evaluate(frame), cost: frame.cost };
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      return { error, cost: frame.cost };
    }
  }
}

const isActivation = (variables: object): variables is Activation => 'get' in variables && typeof variables.get === 'function';

const recordActivation = (variables: Readonly<Record<string, Value>>): Activation => ({
  get: (name) => (Object.hasOwn(variables, name) ? variables[name] : undefined),
});
