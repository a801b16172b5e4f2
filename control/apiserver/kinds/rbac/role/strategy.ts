/** Roles. Source: upstream `pkg/registry/rbac/role/{strategy.go,policybased}`. */
import { nameIsPathSegment } from '#api/names.ts';
import { defineKind } from '../../define-kind.ts';
import type { StrategyDeps } from '../../deps.ts';
import { validatePolicyRules } from '../policy-rules.ts';

/** @param deps.roles prevents privilege escalation */
export const roleKind = ({ roles }: Pick<StrategyDeps, 'roles'>) =>
  defineKind({
    resource: 'roles.rbac.authorization.k8s.io',
    names: nameIsPathSegment,
    allowCreateOnUpdate: true,
    checkedAgain: 'first',
    validate: ({ rules }) => validatePolicyRules(rules, true),
    checkWriter: (role, old, context) => roles.checkRole('roles', role, old, context),
  });
