/** Estimates the cost of calls from the sizes of their arguments. Source: as `cost-estimate.ts`. */
import {
  exactly,
  plus,
  type Range,
  type Sized,
  type SizeEstimator,
  scaled,
  times,
  unbounded,
  unknownRange,
} from './cost-range.ts';
import { createCosts, regexFactor, traversalFactor } from './runtime-cost.ts';

/** The cost of a call and the size of its result. Costs are in upstream's units, about one per step of the evaluation. */
export interface CallEstimate {
  /** Cost without that of the arguments. */
  cost: Range;
  /** Size of the result, if known. */
  size?: Range | undefined;
}

type Estimate = (target: Sized | undefined, args: readonly Sized[], estimateSize: SizeEstimator) => CallEstimate | undefined;

const one = exactly(1);
const traversed = (size: Range, times = 1): Range => scaled(size, times * traversalFactor);
const sizeAt = (args: readonly Sized[], index: number): Range => args[index]?.size ?? unknownRange;

/** Estimates by function name (Kubernetes' libraries). */
const byName: ReadonlyMap<string, Estimate> = new Map<string, Estimate>([
  ['check', () => ({ cost: exactly(350_000) })],
  ...['fieldSelector', 'labelSelector'].map((name): [string, Estimate] => [
    name,
    (_, args) => ({ cost: selector(sizeAt(args, 0)) }),
  ]),
  ...['isSorted', 'sum', 'max', 'min', 'indexOf', 'lastIndexOf'].map((name): [string, Estimate] => [name, overList]),
  ...['url', 'jsonpatch.escapeKey'].map((name): [string, Estimate] => [
    name,
    (_, args) => ({ cost: traversed(sizeAt(args, 0)), size: sizeAt(args, 0) }),
  ]),
  ...['lowerAscii', 'upperAscii', 'substring', 'trim'].map((name): [string, Estimate] => [
    name,
    (target) => target && { cost: traversed(target.size), size: target.size },
  ]),
  ['replace', replace],
  ['split', split],
  ['join', join],
  ...['find', 'findAll'].map((name): [string, Estimate] => [
    name,
    (target, args) => target && { cost: matching(target.size, sizeAt(args, 0)), size: { min: 0, max: target.size.max } },
  ]),
  ...['cidr', 'isIP', 'isCIDR', 'quantity', 'isQuantity', 'semver', 'isSemver'].map((name): [string, Estimate] => [
    name,
    (_, args) => ({ cost: traversed(sizeAt(args, 0)) }),
  ]),
  ['ip', (target, args) => ({ cost: target === undefined ? traversed(sizeAt(args, 0)) : one })],
  ['ip.isCanonical', (_, args) => ({ cost: traversed(sizeAt(args, 0), 2) })],
  ['containsIP', (_, args) => ({ cost: containsAddress(args) })],
  ['containsCIDR', (_, args) => ({ cost: plus(containsAddress(args), plus(traversed(addressBytes), one)) })],
  ['validate', (_, args) => ({ cost: scaled(traversed(sizeAt(args, 0)), 128 * regexFactor) })],
  ['slice', slice],
  ['reverse', (target) => target && allocating(1, target.size)],
  ['flatten', (target, args) => target && allocating(args.length === 0 ? 1 : literalOf(args[0], unbounded), target.size)],
  ['distinct', (target) => target && allocating(2, times(target.size, target.size))],
  ['lists.range', (_, args) => allocating(1, exactly(literalOf(args[0], unbounded)))],
  ['sets.contains', setWork(1)],
  ['sets.intersects', setWork(1)],
  ['sets.equivalent', setWork(2)],
]);

/** Estimates by overload ID (CEL's own functions). */
const byId: ReadonlyMap<string, Estimate> = new Map<string, Estimate>([
  ...['int', 'uint', 'double', 'bool', 'duration', 'timestamp', 'string', 'bytes'].flatMap((type): [string, Estimate][] => {
    const factor = type === 'string' || type === 'bytes' ? 2 + traversalFactor : 2;
    return [
      [`list_sort_${type}`, (target) => target && allocating(factor, times(target.size, target.size))],
      [`list_sort_by_${type}`, (_, args) => allocating(factor, times(sizeAt(args, 0), sizeAt(args, 0)))],
    ];
  }),
  ['string_format', (target) => target && { cost: traversed(target.size) }],
  ['string_to_bytes', (_, [arg]) => arg && { cost: traversed(arg.size), size: { min: arg.size.min, max: arg.size.max * 4 } }],
  [
    'bytes_to_string',
    (_, [arg]) => arg && { cost: traversed(arg.size), size: { min: Math.floor(arg.size.min / 4), max: arg.size.max } },
  ],
  [
    'strings_quote',
    (_, [arg]) => arg && { cost: traversed(arg.size), size: { min: arg.size.min + 2, max: arg.size.max * 2 + 2 } },
  ],
  ['starts_with_string', (_, args) => ({ cost: traversed(sizeAt(args, 0)) })],
  ['ends_with_string', (_, args) => ({ cost: traversed(sizeAt(args, 0)) })],
  ['in_list', (_, args) => ({ cost: sizeAt(args, 1) })],
  ['matches_string', (target, args) => target && { cost: matching(target.size, sizeAt(args, 0)) }],
  ['contains_string', (target, args) => target && { cost: times(traversed(target.size), traversed(sizeAt(args, 0))) }],
  ['add_string', concatenation],
  ['add_bytes', concatenation],
  ['add_list', (_, args) => ({ cost: one, size: plus(sizeAt(args, 0), sizeAt(args, 1)) })],
  ...['equals', 'not_equals'].map((id): [string, Estimate] => [id, equality]),
  ...['_<_', '_<=_', '_>_', '_>=_'].flatMap((name) =>
    ['string', 'bytes'].map((type): [string, Estimate] => [`${name}_${type}`, comparison]),
  ),
]);

/** Estimates one call. @param call its function name and the ID of one overload */
export function callEstimate(
  { name, id }: { name: string; id: string },
  target: Sized | undefined,
  args: readonly Sized[],
  estimateSize: SizeEstimator,
): CallEstimate {
  return byName.get(name)?.(target, args, estimateSize) ?? byId.get(id)?.(target, args, estimateSize) ?? { cost: one };
}

/** The estimate of a function that makes a list of this size. */
const allocating = (factor: number, size: Range): CallEstimate => ({
  cost: plus(scaled(size, factor), exactly(1 + createCosts.list)),
  size,
});

/** The value of an argument that is a literal. */
function literalOf(arg: Sized | undefined, otherwise: number): number {
  const literal = arg?.expr;
  return literal?.kind === 'literal' && typeof literal.value === 'bigint' ? Math.max(0, Number(literal.value)) : otherwise;
}

function slice(target: Sized | undefined, args: readonly Sized[]): CallEstimate | undefined {
  if (target === undefined) return undefined;
  const length = literalOf(args[1], target.size.max) - literalOf(args[0], 0);
  return allocating(1, exactly(length < 0 ? unbounded : length));
}

/** A selector must be parsed. Each requirement creates a struct and a list, and the shortest requirement has two characters. */
const selector = (length: Range): Range => plus(exactly(10), plus(traversed(length), scaled(scaled(length, 0.5), 50)));

function overList(target: Sized | undefined, _args: readonly Sized[], estimateSize: SizeEstimator): CallEstimate | undefined {
  if (target === undefined) return undefined;
  const element = target.type.params[0];
  if (element === undefined) return { cost: traversed(target.size) };
  const isText = element.kind === 'string' || element.kind === 'bytes';
  const size = isText
    ? (estimateSize(target.path === undefined ? [] : [...target.path, '@items'], element) ?? unknownRange)
    : exactly(0);
  return { cost: times(target.size, isText ? plus(one, traversed(size)) : one) };
}

function replace(target: Sized | undefined, args: readonly Sized[]): CallEstimate | undefined {
  if (target === undefined) return undefined;
  const { size } = target;
  const [old, by] = [sizeAt(args, 0), sizeAt(args, 1)];
  const cost = traversed(size, 2);
  // The longest result comes from replacing the shortest parts by the longest replacement; the shortest result from the opposite.
  const longest =
    old.min === 0
      ? { count: Math.min(size.max + 1, unbounded), kept: size.max }
      : { count: by.max <= old.min ? 0 : Math.ceil(size.max / old.min), kept: by.max <= old.min ? size.max : 0 };
  const shortest =
    old.max === 0
      ? { count: size.min + 1, kept: size.min }
      : { count: old.max <= by.min ? 0 : Math.ceil(size.min / old.max), kept: old.max <= by.min ? size.min : 0 };
  const replaced = times({ min: shortest.count, max: longest.count }, by);
  return { cost, size: plus(replaced, { min: shortest.kept, max: longest.kept }) };
}

function split(target: Sized | undefined, args: readonly Sized[]): CallEstimate | undefined {
  if (target === undefined) return undefined;
  const limit = args[1]?.expr;
  const max =
    limit?.kind === 'literal' && typeof limit.value === 'bigint' && limit.value >= 0n ? Number(limit.value) : target.size.max;
  return { cost: traversed(target.size, 2), size: { min: 0, max } };
}

function join(target: Sized | undefined, args: readonly Sized[], estimateSize: SizeEstimator): CallEstimate | undefined {
  if (target === undefined) return undefined;
  const element = target.type.params[0];
  const items =
    element === undefined
      ? exactly(0)
      : (estimateSize(target.path === undefined ? [] : [...target.path, '@items'], element) ?? unknownRange);
  let size = times(target.size, items);
  if (args.length > 0)
    size = plus(size, times(sizeAt(args, 0), { min: Math.max(0, target.size.min - 1), max: Math.max(0, target.size.max - 1) }));
  return { cost: traversed(size), size };
}

const matching = (text: Range, pattern: Range): Range => times(traversed(plus(text, one)), scaled(pattern, regexFactor));

const addressBytes: Range = { min: 4, max: 16 };
function containsAddress(args: readonly Sized[]): Range {
  const compared = traversed(plus(addressBytes, addressBytes));
  return args[0]?.type.kind === 'string' ? plus(compared, traversed(args[0].size)) : compared;
}

function setWork(factor: number): Estimate {
  return (_, args) => ({ cost: plus(one, scaled(times(sizeAt(args, 0), sizeAt(args, 1)), factor)) });
}

function concatenation(_target: Sized | undefined, args: readonly Sized[]): CallEstimate {
  const size = plus(sizeAt(args, 0), sizeAt(args, 1));
  return { cost: traversed(size), size };
}

function comparison(_target: Sized | undefined, args: readonly Sized[]): CallEstimate {
  const max = Math.min(sizeAt(args, 0).max, sizeAt(args, 1).max);
  return { cost: traversed({ min: max > 0 ? 1 : 0, max }) };
}

/** Upstream's size limit of a named format, for the cost of a comparison. */
const maxFormatSize = 64;

/** Values of opaque types are compared in constant time. */
function equality(target: Sized | undefined, args: readonly Sized[]): CallEstimate {
  const [left, right] = args;
  if (left?.type.kind === 'opaque' && left.type.name !== 'optional_type' && left.type.name === right?.type.name) {
    if (left.type.name === 'kubernetes.NamedFormat') return { cost: traversed({ min: 1, max: maxFormatSize }) };
    if (left.type.name === 'kubernetes.URL' && right.size.max < unbounded)
      return { cost: traversed({ min: 1, max: right.size.max }) };
    return { cost: one };
  }
  return comparison(target, args);
}
