/**
 * Nobody may grant what they do not have themselves: whether the rules that somebody has cover the rules that they want to give.
 *
 * Source: component-helpers `auth/rbac/validation/policy_comparator.go`; kubernetes `pkg/registry/rbac/validation/{rule,policy_compact}.go`.
 */
import type { PolicyRule } from '#api/types.generated.ts';
import type { UserInfo } from '../../registry/strategy.ts';
import { pathCovers } from './rule-matching.ts';

/** So many parts of rules are compared one by one; upstream has no limit, and one role could hold it up for hours. */
const maxParts = 20_000;

/**
 * What of `wanted` no single rule of `owned` covers, taken apart into rules of one verb and one resource (or path) each. Empty: all is
 * covered. @throws TooManyPartsError for rules of too many parts, unless single rules cover them whole
 */
export function uncovered(owned: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  const owners = owned.map(toSets);
  const missing: PolicyRule[] = [];
  let parts = 0;
  for (const rule of wanted) {
    if (owners.some((owner) => covers(owner, rule))) continue;
    parts += partCount(rule);
    if (parts > maxParts) throw new TooManyPartsError();
    for (const part of takenApart(rule)) if (!owners.some((owner) => covers(owner, part))) missing.push(part);
  }
  return missing;
}

/** The rules are too many, or too large, to tell whether they are covered. */
export class TooManyPartsError extends Error {
  constructor() {
    super(
      `the rules name more than ${maxParts} combinations of verbs and resources, too many to tell whether all are held: divide them into several roles`,
    );
    this.name = 'TooManyPartsError';
  }
}

function partCount({ apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [], verbs }: PolicyRule): number {
  return verbs.length * (apiGroups.length * resources.length * Math.max(1, resourceNames.length) + nonResourceURLs.length);
}

function* takenApart({
  apiGroups = [],
  resources = [],
  resourceNames = [],
  nonResourceURLs = [],
  verbs,
}: PolicyRule): Generator<PolicyRule> {
  for (const group of apiGroups)
    for (const resource of resources)
      for (const verb of verbs) {
        const part = { apiGroups: [group], resources: [resource], verbs: [verb] };
        if (resourceNames.length === 0) yield part;
        for (const name of resourceNames) yield { ...part, resourceNames: [name] };
      }
  for (const url of nonResourceURLs) for (const verb of verbs) yield { nonResourceURLs: [url], verbs: [verb] };
}

/** A rule of the owner, for many questions. */
interface OwnedRule {
  verbs: ReadonlySet<string>;
  apiGroups: ReadonlySet<string>;
  resources: ReadonlySet<string>;
  resourceNames: ReadonlySet<string>;
  paths: ReadonlySet<string>;
  /** Paths with a star at their end. */
  pathPrefixes: readonly string[];
}

function toSets({ verbs, apiGroups, resources, resourceNames, nonResourceURLs = [] }: PolicyRule): OwnedRule {
  return {
    verbs: new Set(verbs),
    apiGroups: new Set(apiGroups),
    resources: new Set(resources),
    resourceNames: new Set(resourceNames),
    paths: new Set(nonResourceURLs),
    pathPrefixes: nonResourceURLs.filter((path) => path.endsWith('*')),
  };
}

function covers(owner: OwnedRule, rule: PolicyRule): boolean {
  return (
    hasAll(owner.verbs, rule.verbs) &&
    hasAll(owner.apiGroups, rule.apiGroups ?? []) &&
    (rule.resources ?? []).every((resource) => resourceCovered(owner.resources, resource)) &&
    namesCovered(owner.resourceNames, rule.resourceNames ?? []) &&
    (rule.nonResourceURLs ?? []).every(
      (path) => owner.paths.has(path) || owner.pathPrefixes.some((prefix) => pathCovers(prefix, path)),
    )
  );
}

const hasAll = (owned: ReadonlySet<string>, wanted: readonly string[]): boolean =>
  owned.has('*') || wanted.every((one) => owned.has(one));

function resourceCovered(owned: ReadonlySet<string>, resource: string): boolean {
  if (owned.has('*') || owned.has(resource)) return true;
  const slash = resource.indexOf('/');
  return slash >= 0 && owned.has(`*${resource.slice(slash)}`);
}

/** Who may act on certain names only does not cover a rule about all of them. */
const namesCovered = (owned: ReadonlySet<string>, wanted: readonly string[]): boolean =>
  owned.size === 0 || (wanted.length > 0 && wanted.every((name) => owned.has(name)));

/** Why `user`, who has the rules `owned`, may not grant `wanted`, in upstream's words; undefined: they may. @param errors of roles that could not be resolved */
export function escalation(
  user: UserInfo,
  owned: readonly PolicyRule[],
  errors: readonly string[],
  wanted: readonly PolicyRule[],
): string | undefined {
  const missing = missingOrProblem(owned, wanted);
  if (typeof missing === 'string') return missing;
  if (missing.length === 0) return undefined;
  const described = [...new Set(compact(missing).map(ruleText))].sort();
  const message = `user ${JSON.stringify(user.name)} (groups=${quotedList(user.groups)}) is attempting to grant RBAC permissions not currently held:\n${described.join('\n')}`;
  return errors.length === 0 ? message : `${message}; resolution errors: ${aggregate(errors)}`;
}

function missingOrProblem(owned: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] | string {
  try {
    return uncovered(owned, wanted);
  } catch (error) {
    if (error instanceof TooManyPartsError) return error.message;
    throw error;
  }
}

/** Parts that differ only by verb become one. */
function compact(parts: readonly PolicyRule[]): PolicyRule[] {
  const byTarget = new Map<string, PolicyRule>();
  for (const { verbs, ...target } of parts) {
    const key = target.nonResourceURLs === undefined ? JSON.stringify(target) : JSON.stringify([target, verbs]);
    const known = byTarget.get(key);
    byTarget.set(key, { ...target, verbs: [...(known?.verbs ?? []), ...verbs] });
  }
  return [...byTarget.values()];
}

/** As Go's `%q` prints a list. */
const quotedList = (list: readonly string[]): string => `[${list.map((one) => JSON.stringify(one)).join(' ')}]`;

/** Upstream's short form of a rule: `{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}`. */
function ruleText({ apiGroups, resources, nonResourceURLs, resourceNames, verbs }: PolicyRule): string {
  const fields: [name: string, values: readonly string[] | undefined][] = [
    ['APIGroups', apiGroups],
    ['Resources', resources],
    ['NonResourceURLs', nonResourceURLs],
    ['ResourceNames', resourceNames],
    ['Verbs', verbs],
  ];
  const texts = fields.flatMap(([name, values = []]) => (values.length === 0 ? [] : [`${name}:${quotedList(values)}`]));
  return `{${texts.join(', ')}}`;
}

/** Several errors as one text (apimachinery `util/errors` Aggregate): each once. */
export function aggregate(errors: readonly string[]): string {
  const all = [...new Set(errors)];
  return all.length === 1 ? (all[0] ?? '') : `[${all.join(', ')}]`;
}
