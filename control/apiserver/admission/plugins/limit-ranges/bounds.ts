/** Violations of an item of a LimitRange, with upstream's messages. Source: upstream `plugin/pkg/admission/limitranger`. Pure. */
import type { Quantity } from '#api/json.ts';
import { ownValue } from '#api/own-value.ts';
import type { ResourceList } from '#api/pod/requests.ts';
import { compareQuantity, canonicalQuantity as shown, toMillis } from '#api/quantity.ts';
import type { LimitRangeItem } from '#api/types.generated.ts';

type Bounds = Pick<LimitRangeItem, 'type' | 'min' | 'max' | 'maxLimitRequestRatio'>;

/** Violations of minimum, maximum and ratio by requests and limits. @throws QuantityError */
export function problemsOf(
  { type, min, max, maxLimitRequestRatio }: Bounds,
  requests: ResourceList,
  limits: ResourceList,
): string[] {
  const each = (list: ResourceList | undefined, check: Check): string[] =>
    Object.entries(list ?? {}).flatMap(([name, bound]) => {
      const problem = check(`${name}`, type, bound, ownValue(requests, name), ownValue(limits, name));
      return problem === undefined ? [] : [problem];
    });
  return [...each(min, belowMinimum), ...each(max, aboveMaximum), ...each(maxLimitRequestRatio, aboveRatio)];
}

/** Violations of the maximum, for objects with requests only. @throws QuantityError */
export function maximumOfRequest(type: string, max: ResourceList | undefined, requests: ResourceList): string[] {
  return Object.entries(max ?? {}).flatMap(([name, bound]) => {
    const request = ownValue(requests, name);
    const rule = `maximum ${name} usage per ${type} is ${shown(bound)}`;
    if (request === undefined) return [`${rule}.  No request is specified`];
    return compareQuantity(request, bound) > 0 ? [`${rule}, but request is ${shown(request)}`] : [];
  });
}

/** One text, or several in brackets without repetitions (apimachinery `pkg/util/errors`, Aggregate). */
export function joinProblems(problems: readonly string[]): string {
  const different = [...new Set(problems)];
  return different.length === 1 ? (different[0] ?? '') : `[${different.join(', ')}]`;
}

type Check = (
  name: string,
  type: string,
  bound: Quantity,
  request: Quantity | undefined,
  limit: Quantity | undefined,
) => string | undefined;

const belowMinimum: Check = (name, type, bound, request, limit) => {
  const rule = `minimum ${name} usage per ${type} is ${shown(bound)}`;
  if (request === undefined) return `${rule}.  No request is specified`;
  if (compareQuantity(request, bound) < 0) return `${rule}, but request is ${shown(request)}`;
  return limit !== undefined && compareQuantity(limit, bound) < 0 ? `${rule}, but limit is ${shown(limit)}` : undefined;
};

const aboveMaximum: Check = (name, type, bound, request, limit) => {
  const rule = `maximum ${name} usage per ${type} is ${shown(bound)}`;
  if (limit === undefined) return `${rule}.  No limit is specified`;
  if (compareQuantity(limit, bound) > 0) return `${rule}, but limit is ${shown(limit)}`;
  return request !== undefined && compareQuantity(request, bound) > 0 ? `${rule}, but request is ${shown(request)}` : undefined;
};

const aboveRatio: Check = (name, type, bound, request, limit) => {
  const rule = `${name} max limit to request ratio per ${type} is ${shown(bound)}`;
  const isNothing = (quantity: Quantity | undefined): quantity is undefined => quantity === undefined || toMillis(quantity) === 0;
  if (isNothing(request)) return `${rule}, but no request is specified or request is 0`;
  if (isNothing(limit)) return `${rule}, but no limit is specified or limit is 0`;
  const ratio = toMillis(limit) / toMillis(request);
  return ratio * 1000 > toMillis(bound) ? `${rule}, but provided ratio is ${ratio.toFixed(6)}` : undefined;
};
