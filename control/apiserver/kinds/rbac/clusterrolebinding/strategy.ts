/** ClusterRoleBindings. Source: upstream `pkg/registry/rbac/clusterrolebinding/{strategy.go,policybased}`. */
import { nameIsPathSegment } from '#api/names.ts';
import { defineKind } from '../../define-kind.ts';
import type { StrategyDeps } from '../../deps.ts';
import { bindingColumns, setBindingDefaults, validateBinding, validateBindingUpdate } from '../bindings.ts';

/** @param deps.roles prevents privilege escalation */
export const clusterRoleBindingKind = ({ roles }: Pick<StrategyDeps, 'roles'>) =>
  defineKind({
    resource: 'clusterrolebindings.rbac.authorization.k8s.io',
    cluster: true,
    names: nameIsPathSegment,
    allowCreateOnUpdate: true,
    checkedAgain: 'first',
    defaults: setBindingDefaults,
    validate: (binding) => validateBinding(binding, false),
    validateUpdate: validateBindingUpdate,
    checkWriter: (binding, old, context) => roles.checkBinding('clusterrolebindings', binding, old, context),
    columns: bindingColumns,
  });
