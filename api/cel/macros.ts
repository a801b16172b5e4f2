/**
 * Macros: calls that the parser rewrites, most of them to loops.
 *
 * Source: cel-spec `doc/langdef.md` (Macros); cel-go `parser/macro.go`, `cel/library.go` (optMap, optFlatMap), `ext/bindings.go`,
 * `ext/comprehensions.go`.
 */
import { accumulatorName, type Expr, operators } from './ast.ts';
import type { NodeFactory } from './node-factory.ts';

interface MacroCall {
  make: NodeFactory;
  /** Of the call. */
  offset: number;
  target: Expr;
  args: Expr[];
}

type Expander = (call: MacroCall) => Expr;

/** The expansion of a macro; undefined when the call is not a macro. @param bindings whether `cel.bind` exists */
export function expandMacro(
  name: string,
  { target, ...call }: Omit<MacroCall, 'target'> & { target: Expr | undefined },
  bindings: boolean,
): Expr | undefined {
  const { make, offset, args } = call;
  if (target === undefined) return name === 'has' && args.length === 1 ? has(make, offset, args[0] as Expr) : undefined;
  const isBinding = name === 'bind' && args.length === 3 && target.kind === 'ident' && target.name === 'cel';
  if (isBinding && bindings) return bind(make, offset, args);
  return macros.get(`${name}/${args.length}`)?.({ ...call, target });
}

function has(make: NodeFactory, offset: number, arg: Expr): Expr {
  if (arg.kind !== 'select') return make.mistake(arg.offset, 'invalid argument to has() macro');
  return { ...arg, ...make.node(offset), testOnly: true };
}

/** `cel.bind(x, value, expression)`: a loop over nothing, whose result sees the accumulator under the name x. */
function bind(make: NodeFactory, offset: number, [name, value, expression]: Expr[]): Expr {
  if (name?.kind !== 'ident') return make.mistake(name?.offset ?? offset, 'cel.bind() variable names must be simple identifiers');
  return {
    kind: 'comprehension',
    ...make.node(offset),
    range: make.list(offset, []),
    variable: '#unused',
    variable2: undefined,
    accumulator: name.name,
    init: value as Expr,
    condition: make.literal(offset, false),
    step: make.ident(offset, name.name),
    result: expression as Expr,
  };
}

/** The parts of a loop other than its range. */
interface Loop {
  init: Expr;
  condition: Expr;
  step: Expr;
  result: Expr;
}

function loop({ make, offset, target }: MacroCall, variables: string[], { init, condition, step, result }: Loop): Expr {
  const [variable = '', variable2] = variables;
  const node = make.node(offset);
  return {
    kind: 'comprehension',
    ...node,
    range: target,
    variable,
    variable2,
    accumulator: accumulatorName,
    init,
    condition,
    step,
    result,
  };
}

/** The names of the loop's variables, or an error node. */
function variablesOf({ make, args }: MacroCall, count: number): string[] | Expr {
  const names: string[] = [];
  for (const arg of args.slice(0, count)) {
    if (arg.kind !== 'ident')
      return make.mistake(arg.offset, count === 1 ? 'argument is not an identifier' : 'argument must be a simple name');
    if (arg.name === accumulatorName || arg.name === '__result__')
      return make.mistake(arg.offset, 'iteration variable overwrites accumulator variable');
    if (names.includes(arg.name)) return make.mistake(arg.offset, `duplicate variable name: ${arg.name}`);
    names.push(arg.name);
  }
  return names;
}

/** A macro over `count` variables. @param parts makes the parts of the loop from the arguments after the variables */
function looping(count: number, parts: (call: MacroCall, rest: Expr[], variables: string[]) => Loop): Expander {
  return (call) => {
    const variables = variablesOf(call, count);
    return Array.isArray(variables) ? loop(call, variables, parts(call, call.args.slice(count), variables)) : variables;
  };
}

const all = (count: number): Expander =>
  looping(count, ({ make, offset }, [predicate]) => ({
    init: make.literal(offset, true),
    condition: make.call(offset, operators.notStrictlyFalse, [make.accumulator(offset)]),
    step: make.call(offset, operators.and, [make.accumulator(offset), predicate as Expr]),
    result: make.accumulator(offset),
  }));

const exists = (count: number): Expander =>
  looping(count, ({ make, offset }, [predicate]) => ({
    init: make.literal(offset, false),
    condition: make.call(offset, operators.notStrictlyFalse, [make.call(offset, operators.not, [make.accumulator(offset)])]),
    step: make.call(offset, operators.or, [make.accumulator(offset), predicate as Expr]),
    result: make.accumulator(offset),
  }));

const existsOne = (count: number): Expander =>
  looping(count, ({ make, offset }, [predicate]) => ({
    init: make.literal(offset, 0n),
    condition: make.literal(offset, true),
    step: when(make, offset, predicate, make.call(offset, operators.add, [make.accumulator(offset), make.literal(offset, 1n)])),
    result: make.call(offset, operators.equals, [make.accumulator(offset), make.literal(offset, 1n)]),
  }));

/** `predicate ? step : accumulator`; without a predicate the step. */
function when(make: NodeFactory, offset: number, predicate: Expr | undefined, step: Expr): Expr {
  return predicate === undefined ? step : make.call(offset, operators.conditional, [predicate, step, make.accumulator(offset)]);
}

/** A macro that builds a list. @param element from the rest of the arguments and the variables */
const listOf = (count: number, of: (rest: Expr[], variable: Expr) => { predicate?: Expr | undefined; element: Expr }): Expander =>
  looping(count, ({ make, offset, args }, rest) => {
    const { predicate, element } = of(rest, args[0] as Expr);
    const appended = make.call(offset, operators.add, [make.accumulator(offset), make.list(offset, [element])]);
    return {
      init: make.list(offset, []),
      condition: make.literal(offset, true),
      step: when(make, offset, predicate, appended),
      result: make.accumulator(offset),
    };
  });

const transformed = (rest: Expr[]): { predicate?: Expr | undefined; element: Expr } =>
  rest.length === 1 ? { element: rest[0] as Expr } : { predicate: rest[0], element: rest[1] as Expr };

/** The function behind `transformMap`. Its name is not a valid identifier, so expressions cannot call it. */
export const mapInsert = 'cel.@mapInsert';

const mapOf = (withKey: boolean): Expander =>
  looping(2, ({ make, offset }, rest, [key = '']) => {
    const { predicate, element } = transformed(rest);
    const args = [make.accumulator(offset), ...(withKey ? [make.ident(offset, key)] : []), element];
    return {
      init: make.map(offset, []),
      condition: make.literal(offset, true),
      step: when(make, offset, predicate, make.call(offset, mapInsert, args)),
      result: make.accumulator(offset),
    };
  });

/** `target.optMap(x, expression)`: the expression of what the optional holds. */
function optMap(isFlat: boolean): Expander {
  return ({ make, offset, target, args: [name, expression] }) => {
    const macro = isFlat ? 'optFlatMap' : 'optMap';
    if (name?.kind !== 'ident')
      return make.mistake(name?.offset ?? offset, `${macro}() variable name must be a simple identifier`);
    const result = bindTo(make, offset, name.name, make.call(offset, 'value', [], target), expression as Expr);
    return make.call(offset, operators.conditional, [
      make.call(offset, 'hasValue', [], target),
      isFlat ? result : make.call(offset, 'optional.of', [result]),
      make.call(offset, 'optional.none', []),
    ]);
  };
}

const bindTo = (make: NodeFactory, offset: number, name: string, value: Expr, expression: Expr): Expr =>
  bind(make, offset, [make.ident(offset, name), value, expression]);

/**
 * `list.sortBy(x, key)`: the list by the keys of its elements. The list is evaluated once and bound to a name that is not a valid
 * identifier.
 */
const sortBy: Expander = ({ make, offset, target, args }) => {
  const input = '@__sortBy_input__';
  const keys = listOf(1, transformed)({ make, offset, target: make.ident(offset, input), args });
  const sorted = make.call(offset, sortByAssociatedKeys, [keys], make.ident(offset, input));
  return bindTo(make, offset, input, target, sorted);
};

/** The function behind `sortBy`. Its name is not a valid identifier, so expressions cannot call it. */
export const sortByAssociatedKeys = '@sortByAssociatedKeys';

/** By `name/arguments`. */
const macros: ReadonlyMap<string, Expander> = new Map([
  ['all/2', all(1)],
  ['all/3', all(2)],
  ['exists/2', exists(1)],
  ['exists/3', exists(2)],
  ['exists_one/2', existsOne(1)],
  ['exists_one/3', existsOne(2)],
  ['existsOne/2', existsOne(1)],
  ['existsOne/3', existsOne(2)],
  ['map/2', listOf(1, transformed)],
  ['map/3', listOf(1, transformed)],
  ['filter/2', listOf(1, ([predicate], variable) => ({ predicate, element: variable }))],
  ['transformList/3', listOf(2, transformed)],
  ['transformList/4', listOf(2, transformed)],
  ['transformMap/3', mapOf(true)],
  ['transformMap/4', mapOf(true)],
  ['transformMapEntry/3', mapOf(false)],
  ['transformMapEntry/4', mapOf(false)],
  ['sortBy/2', sortBy],
  ['optMap/2', optMap(false)],
  ['optFlatMap/2', optMap(true)],
]);
