/**
 * Whether one rule of a role allows one request. Pure.
 *
 * Source: kubernetes `pkg/apis/rbac/v1/evaluation_helpers.go`; kubernetes.io, Using RBAC Authorization.
 */
import type { PolicyRule } from '#api/types.generated.ts';
import type { AuthorizationAttributes } from '../authorization.ts';

/** The attributes of a request that rules match. */
export type RuleRequest = Pick<
  AuthorizationAttributes,
  'verb' | 'isResource' | 'group' | 'resource' | 'subresource' | 'name' | 'path'
>;

/** A rule's resource `*` is every resource and subresource; `*&#47;scale` is that subresource of every resource. */
export function ruleAllows(request: RuleRequest, rule: PolicyRule): boolean {
  if (!hasOrAll(rule.verbs, request.verb)) return false;
  if (!request.isResource) return pathMatches(rule.nonResourceURLs ?? [], request.path);
  return (
    hasOrAll(rule.apiGroups ?? [], request.group) &&
    resourceMatches(rule.resources ?? [], request) &&
    nameMatches(rule.resourceNames ?? [], request.name)
  );
}

const hasOrAll = (list: readonly string[], value: string): boolean => list.includes('*') || list.includes(value);

function resourceMatches(resources: readonly string[], { resource, subresource }: RuleRequest): boolean {
  if (subresource === '') return hasOrAll(resources, resource);
  return hasOrAll(resources, `${resource}/${subresource}`) || resources.includes(`*/${subresource}`);
}

/** A rule without resource names matches all objects. A create request has no name yet, so a rule with names never matches it. */
const nameMatches = (names: readonly string[], name: string): boolean => names.length === 0 || names.includes(name);

/** A star at the end of a rule's path matches any suffix. */
function pathMatches(rulePaths: readonly string[], path: string): boolean {
  return rulePaths.some((rulePath) => rulePath === '*' || pathCovers(rulePath, path));
}

/** @param path of a request, or of another rule */
export function pathCovers(rulePath: string, path: string): boolean {
  return rulePath === path || (rulePath.endsWith('*') && path.startsWith(rulePath.replace(/\*+$/, '')));
}
