/**
 * What is wrong with the rules by which webhooks and policies choose requests.
 *
 * Source: kubernetes `pkg/apis/admissionregistration/validation/validation.go` (validateRuleWithOperations, validateRule, validateResources).
 */
import { type FieldError, invalidValue, notSupported, required } from '#api/field-error.ts';
import type { RuleWithOperations } from '#api/types.generated.ts';

const operations = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'];
const scopes = ['*', 'Cluster', 'Namespaced'];

/** Problems of one rule: operations, groups, versions, resources, scope. */
export function validateRule(rule: RuleWithOperations, path: string): FieldError[] {
  const { apiGroups = [], apiVersions = [], resources = [], scope } = rule;
  return [
    ...validateOperations(rule.operations ?? [], `${path}.operations`),
    ...atLeastOne(apiGroups, `${path}.apiGroups`),
    ...wildcardAlone(apiGroups, `${path}.apiGroups`, 'API groups'),
    ...atLeastOne(apiVersions, `${path}.apiVersions`),
    ...wildcardAlone(apiVersions, `${path}.apiVersions`, 'API versions'),
    ...apiVersions.flatMap((version, index) => (version === '' ? [required(`${path}.apiVersions[${index}]`)] : [])),
    ...validateResources(resources, `${path}.resources`),
    ...(scope === undefined || scopes.includes(scope) ? [] : [notSupported(`${path}.scope`, scope, scopes)]),
  ];
}

function validateOperations(given: readonly string[], path: string): FieldError[] {
  return [
    ...atLeastOne(given, path),
    ...wildcardAlone(given, path, 'operations'),
    ...given.flatMap((operation, index) =>
      operations.includes(operation) ? [] : [notSupported(`${path}[${index}]`, operation, operations)],
    ),
  ];
}

const atLeastOne = (values: readonly string[], path: string): FieldError[] => (values.length === 0 ? [required(path)] : []);

const wildcardAlone = (values: readonly string[], path: string, what: string): FieldError[] =>
  values.length > 1 && values.includes('*')
    ? [invalidValue(path, values, `if '*' is present, must not specify other ${what}`)]
    : [];

/** Resources such as `pods`, `pods/log`, `pods/\*`: no entry of the list may be covered by another entry. */
function validateResources(resources: readonly string[], path: string): FieldError[] {
  const errors = atLeastOne(resources, path);
  const allOf = new Set<string>();
  const everywhere = new Set<string>();
  let hasPlain = false;
  for (const [index, text] of resources.entries()) {
    const at = `${path}[${index}]`;
    if (text === '') {
      errors.push(required(at));
      continue;
    }
    const slash = text.indexOf('/');
    if (slash < 0) {
      // As upstream: the last one without a subresource decides.
      hasPlain = text !== '*';
      continue;
    }
    const [resource, subresource] = [text.slice(0, slash), text.slice(slash + 1)];
    if (allOf.has(resource)) errors.push(invalidValue(at, text, `if '${resource}/*' is present, must not specify ${text}`));
    if (everywhere.has(subresource))
      errors.push(invalidValue(at, text, `if '*/${subresource}' is present, must not specify ${text}`));
    if (subresource === '*') allOf.add(resource);
    if (resource === '*') everywhere.add(subresource);
  }
  if (resources.length > 1 && resources.includes('*/*'))
    errors.push(invalidValue(path, resources, "if '*/*' is present, must not specify other resources"));
  if (resources.includes('*') && hasPlain)
    errors.push(invalidValue(path, resources, "if '*' is present, must not specify other resources without subresources"));
  return errors;
}
