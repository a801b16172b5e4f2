/**
 * Nobody may grant what they do not have themselves: whether the rules that somebody has cover the rules that they want to give.
 *
 * Source: component-helpers `auth/rbac/validation/policy_comparator.go`; kubernetes `pkg/registry/rbac/validation/{rule,policy_compact}.go`.
 */
import type { PolicyRule } from '#api/types.generated.ts';
import type { UserInfo } from '../../registry/strategy.ts';
import { pathCovers } from './rule-matching.ts';

/** What of `wanted` no single rule of `owned` covers, taken apart into rules of one verb and one resource (or path) each. Empty: all is covered. */
export function uncovered(owned: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  return wanted.flatMap((rule) => [...takenApart(rule)]).filter((part) => !owned.some((rule) => covers(rule, part)));
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

function covers(owner: PolicyRule, part: PolicyRule): boolean {
  return (
    hasAll(owner.verbs, part.verbs) &&
    hasAll(owner.apiGroups ?? [], part.apiGroups ?? []) &&
    (part.resources ?? []).every((resource) => resourceCovered(owner.resources ?? [], resource)) &&
    namesCovered(owner.resourceNames ?? [], part.resourceNames ?? []) &&
    (part.nonResourceURLs ?? []).every((url) => (owner.nonResourceURLs ?? []).some((own) => pathCovers(own, url)))
  );
}

const hasAll = (owned: readonly string[], wanted: readonly string[]): boolean =>
  owned.includes('*') || wanted.every((one) => owned.includes(one));

function resourceCovered(owned: readonly string[], resource: string): boolean {
  if (owned.includes('*') || owned.includes(resource)) return true;
  const slash = resource.indexOf('/');
  return slash >= 0 && owned.includes(`*${resource.slice(slash)}`);
}

/** Who may act on certain names only does not cover a rule about all of them. */
const namesCovered = (owned: readonly string[], wanted: readonly string[]): boolean =>
  owned.length === 0 || (wanted.length > 0 && wanted.every((name) => owned.includes(name)));

/** Why `user`, who has the rules `owned`, may not grant `wanted`, in upstream's words; undefined: they may. @param errors of roles that could not be resolved */
export function escalation(
  user: UserInfo,
  owned: readonly PolicyRule[],
  errors: readonly string[],
  wanted: readonly PolicyRule[],
): string | undefined {
  const missing = uncovered(owned, wanted);
  if (missing.length === 0) return undefined;
  const described = [...new Set(compact(missing).map(ruleText))].sort();
  const message = `user ${JSON.stringify(user.name)} (groups=${quotedList(user.groups)}) is attempting to grant RBAC permissions not currently held:\n${described.join('\n')}`;
  return errors.length === 0 ? message : `${message}; resolution errors: ${aggregate(errors)}`;
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
