/** Whether a rule chooses a request. Source: apiserver `pkg/admission/plugin/webhook/predicates/rules/rules.go`. */
import type { RuleWithOperations } from '#api/types.generated.ts';
import type { AdmissionAttributes } from '../plugin.ts';

/** What rules look at. */
export interface RuleTarget {
  operation: AdmissionAttributes['operation'];
  resource: AdmissionAttributes['resource'];
  subresource: string;
  /** '' for what is in no namespace; a Namespace object itself is not in one either. */
  namespace: string;
}

/** Whether operation, group, version, resource and scope of the request are in the rule; `*` is any. */
export function ruleMatches(rule: RuleWithOperations, { operation, resource, subresource, namespace }: RuleTarget): boolean {
  const { operations = [], apiGroups = [], apiVersions = [], resources = [], scope = '*' } = rule;
  const isNamespaced = namespace !== '' && !(resource.group === '' && resource.plural === 'namespaces');
  return (
    has(operations, operation.toUpperCase()) &&
    has(apiGroups, resource.group) &&
    has(apiVersions, resource.version) &&
    (scope === '*' || (scope === 'Namespaced') === isNamespaced) &&
    resources.some((text) => resourceMatches(text, resource.plural, subresource))
  );
}

const has = (values: readonly string[], wanted: string): boolean => values.includes('*') || values.includes(wanted);

function resourceMatches(text: string, plural: string, subresource: string): boolean {
  const slash = text.indexOf('/');
  const [resource, sub] = slash < 0 ? [text, ''] : [text.slice(0, slash), text.slice(slash + 1)];
  return (resource === '*' || resource === plural) && (sub === '*' || sub === subresource);
}
