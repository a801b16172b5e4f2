/** RoleBindings. Source: upstream `pkg/registry/rbac/rolebinding/{strategy.go,policybased}`. */
import { nameIsPathSegment } from '#api/names.ts';
import { defineKind } from '../../define-kind.ts';
import type { StrategyDeps } from '../../deps.ts';
import { bindingColumns, setBindingDefaults, validateBinding, validateBindingUpdate } from '../bindings.ts';

/** @param deps.roles prevents privilege escalation */
export const roleBindingKind = ({ roles }: Pick<StrategyDeps, 'roles'>) =>
  defineKind({
    resource: 'rolebindings.rbac.authorization.k8s.io',
    names: nameIsPathSegment,
    allowCreateOnUpdate: true,
    checkedAgain: 'first',
    defaults: setBindingDefaults,
    validate: (binding) => validateBinding(binding, true),
    validateUpdate: validateBindingUpdate,
    checkWriter: (binding, old, context) => roles.checkBinding('rolebindings', binding, old, context),
    columns: bindingColumns,
  });
