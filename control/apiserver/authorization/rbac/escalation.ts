/**
 * Escalation check: a user may grant only rights that they have. Computes whether the rules of a user cover the rules that they want to
 * grant.
 *
 * Source: component-helpers `auth/rbac/validation/policy_comparator.go`; kubernetes `pkg/registry/rbac/validation/{rule,policy_compact}.go`.
 */
import type { PolicyRule } from '#api/types.generated.ts';
import type { UserInfo } from '../../registry/strategy.ts';
import { pathCovers } from './rule-matching.ts';

/** The maximum number of rule parts that are examined one by one. Upstream has no limit, so one role could keep it busy for hours. */
const maxParts = 20_000;
/** The maximum number of comparisons with rules of the user, which take some tenths of a second. */
const maxComparisons = 1_000_000;
/** The maximum length of the missing rules in an error message. The parts of a rule repeat its strings, so the text could be gigabytes. */
const maxToldLength = 1024 * 1024;

/**
 * The parts of `wanted` that no single rule of `owned` covers. Each part is a rule of one verb and one resource (or path). Empty:
 * everything is covered. @throws TooManyPartsError for rules of too many parts, or with too many candidates in `owned`, unless single rules
 * cover them as a whole
 */
export function uncovered(owned: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  const held = new HeldRules(owned);
  const missing: PolicyRule[] = [];
  let parts = 0;
  for (const rule of wanted) {
    const count = partCount(rule);
    if (count === 0 || held.cover(rule)) continue;
    parts += count;
    if (parts > maxParts) throw new TooManyPartsError();
    for (const part of takenApart(rule)) if (!held.cover(part)) missing.push(part);
  }
  return missing;
}

/** There are too many rules, or too large ones, to decide whether they are covered. */
export class TooManyPartsError extends Error {
  constructor() {
    super(
      'the rules name too many combinations of verbs and resources to tell whether all are held: divide them into several roles',
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

/** The rules of a user, indexed by resource: a rule about a resource is compared only with rules that name it, or all resources. */
class HeldRules {
  readonly #byResource = new Map<string, PolicyRule[]>();
  readonly #withPaths: PolicyRule[] = [];
  /** The rules that may cover a resource, by resource. */
  readonly #candidates = new Map<string, readonly PolicyRule[]>();
  readonly #sets = new Map<PolicyRule, OwnedRule>();
  #comparisons = 0;

  constructor(rules: readonly PolicyRule[]) {
    for (const rule of rules) {
      if ((rule.nonResourceURLs ?? []).length > 0) this.#withPaths.push(rule);
      for (const resource of new Set(rule.resources)) {
        const known = this.#byResource.get(resource);
        if (known === undefined) this.#byResource.set(resource, [rule]);
        else known.push(rule);
      }
    }
  }

  /** Whether one rule covers the given one, which has one resource or path. @throws TooManyPartsError after too many comparisons */
  cover(rule: PolicyRule): boolean {
    const [resource] = rule.resources ?? [];
    const candidates = resource === undefined ? this.#withPaths : this.#candidatesFor(resource);
    return candidates.some((candidate) => {
      const owner = this.#setsOf(candidate);
      this.#comparisons += 1 + owner.pathPrefixes.length;
      if (this.#comparisons > maxComparisons) throw new TooManyPartsError();
      return covers(owner, rule);
    });
  }

  #candidatesFor(resource: string): readonly PolicyRule[] {
    const known = this.#candidates.get(resource);
    if (known !== undefined) return known;
    const names = new Set(['*', resource, subresourceOfAll(resource) ?? resource]);
    const found = [...names].flatMap((name) => this.#byResource.get(name) ?? []);
    this.#candidates.set(resource, found);
    return found;
  }

  #setsOf(rule: PolicyRule): OwnedRule {
    const known = this.#sets.get(rule);
    if (known !== undefined) return known;
    const sets = toSets(rule);
    this.#sets.set(rule, sets);
    return sets;
  }
}

/** A rule of the user, prepared for many comparisons. */
interface OwnedRule {
  verbs: ReadonlySet<string>;
  apiGroups: ReadonlySet<string>;
  resources: ReadonlySet<string>;
  resourceNames: ReadonlySet<string>;
  paths: ReadonlySet<string>;
  /** Paths that end with a star. */
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
  return owned.has('*') || owned.has(resource) || owned.has(subresourceOfAll(resource) ?? resource);
}

/** `*&#47;scale` for `deployments/scale`; undefined if it is not a subresource. */
function subresourceOfAll(resource: string): string | undefined {
  const slash = resource.indexOf('/');
  return slash < 0 ? undefined : `*${resource.slice(slash)}`;
}

/** A rule with resource names does not cover a rule without them. */
const namesCovered = (owned: ReadonlySet<string>, wanted: readonly string[]): boolean =>
  owned.size === 0 || (wanted.length > 0 && wanted.every((name) => owned.has(name)));

/**
 * Why `user`, who has the rules `owned`, may not grant `wanted`, with upstream's message; undefined if they may. @param errors of roles
 * that could not be resolved
 */
export function escalation(
  user: UserInfo,
  owned: readonly PolicyRule[],
  errors: readonly string[],
  wanted: readonly PolicyRule[],
): string | undefined {
  const missing = missingOrProblem(owned, wanted);
  if (typeof missing === 'string') return missing;
  if (missing.length === 0) return undefined;
  const { rules, isCut } = compact(missing);
  const described = [...new Set(rules.map(ruleText))].sort();
  if (isCut) described.push('…');
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

/** Joins parts that differ only by verb. @returns `isCut`: some are left out */
function compact(parts: readonly PolicyRule[]): { rules: PolicyRule[]; isCut: boolean } {
  const byTarget = new Map<string, PolicyRule>();
  let length = 0;
  for (const { verbs, ...target } of parts) {
    if (length > maxToldLength) return { rules: [...byTarget.values()], isCut: true };
    const key = target.nonResourceURLs === undefined ? JSON.stringify(target) : JSON.stringify([target, verbs]);
    length += key.length + verbs.join('').length;
    const known = byTarget.get(key);
    if (known === undefined) byTarget.set(key, { ...target, verbs: [...verbs] });
    else known.verbs.push(...verbs);
  }
  return { rules: [...byTarget.values()], isCut: false };
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
