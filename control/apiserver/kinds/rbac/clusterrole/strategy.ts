/** ClusterRoles. Source: upstream `pkg/registry/rbac/clusterrole/{strategy.go,policybased}`, `pkg/apis/rbac/validation`. */
import type { FieldError } from '#api/field-error.ts';
import { invalidValue, required } from '#api/field-error.ts';
import { validateLabelSelector } from '#api/labels.ts';
import { nameIsPathSegment } from '#api/names.ts';
import type { AggregationRule, LabelSelector } from '#api/types.generated.ts';
import { defineKind } from '../../define-kind.ts';
import type { StrategyDeps } from '../../deps.ts';
import { validatePolicyRules } from '../policy-rules.ts';

/** @param deps.roles prevents privilege escalation */
export const clusterRoleKind = ({ roles }: Pick<StrategyDeps, 'roles'>) =>
  defineKind({
    resource: 'clusterroles.rbac.authorization.k8s.io',
    cluster: true,
    names: nameIsPathSegment,
    allowCreateOnUpdate: true,
    checkedAgain: 'first',
    validate: ({ rules, aggregationRule }) => [
      ...validatePolicyRules(rules, false),
      ...(aggregationRule === undefined ? [] : validateAggregation(aggregationRule)),
    ],
    checkWriter: (role, old, context) => roles.checkRole('clusterroles', role, old, context),
  });

const selectorsPath = 'aggregationRule.clusterRoleSelectors';

function validateAggregation({ clusterRoleSelectors = [] }: AggregationRule): FieldError[] {
  if (clusterRoleSelectors.length === 0)
    return [required(selectorsPath, 'at least one clusterRoleSelector required if aggregationRule is non-nil')];
  return clusterRoleSelectors.flatMap((selector, index) => validateSelector(selector, `${selectorsPath}[${index}]`));
}

/** As upstream, an invalid selector gives one more error for the selector as a whole. */
function validateSelector(selector: LabelSelector, path: string): FieldError[] {
  const errors = validateLabelSelector(selector, path);
  return errors.length === 0 ? [] : [...errors, invalidValue(path, null, 'invalid label selector.')];
}
