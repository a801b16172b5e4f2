/** The rules of Roles and ClusterRoles. Source: upstream `pkg/apis/rbac/validation/validation.go`, ValidatePolicyRule. */
import type { FieldError } from '#api/field-error.ts';
import { invalidValue, required } from '#api/field-error.ts';
import type { PolicyRule } from '#api/types.generated.ts';

/** Validates policy rules. @param isNamespaced true for a Role, whose rules cannot have nonResourceURLs */
export function validatePolicyRules(rules: readonly PolicyRule[] | undefined, isNamespaced: boolean): FieldError[] {
  return (rules ?? []).flatMap((rule, index) => validateRule(rule, isNamespaced, `rules[${index}]`));
}

function validateRule(rule: Partial<PolicyRule>, isNamespaced: boolean, path: string): FieldError[] {
  const { verbs = [], apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] } = rule;
  const errors = verbs.length === 0 ? [required(`${path}.verbs`, 'verbs must contain at least one value')] : [];
  if (nonResourceURLs.length > 0) {
    const wrong = (why: string): FieldError => invalidValue(`${path}.nonResourceURLs`, nonResourceURLs, why);
    if (isNamespaced) errors.push(wrong('namespaced rules cannot apply to non-resource URLs'));
    if (apiGroups.length + resources.length + resourceNames.length > 0)
      errors.push(wrong('rules cannot apply to both regular resources and non-resource URLs'));
    return errors;
  }
  if (apiGroups.length === 0) errors.push(required(`${path}.apiGroups`, 'resource rules must supply at least one api group'));
  if (resources.length === 0) errors.push(required(`${path}.resources`, 'resource rules must supply at least one resource'));
  return errors;
}
