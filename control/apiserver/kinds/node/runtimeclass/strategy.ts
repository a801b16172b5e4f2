/** RuntimeClasses. Source: upstream `pkg/registry/node/runtimeclass/strategy.go`. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import { defineKind } from '../../define-kind.ts';
import { runtimeClassColumns } from './columns.ts';
import { validateRuntimeClass } from './validation.ts';
import { runtimeClassWarnings } from './warnings.ts';

/** PUT may create it, and must name the resourceVersion that it replaces. `handler` is immutable. */
export const runtimeClassKind = defineKind({
  resource: 'runtimeclasses.node.k8s.io',
  cluster: true,
  names: nameIsDnsSubdomain,
  allowCreateOnUpdate: true,
  allowUnconditionalUpdate: false,
  checkedAgain: 'first',
  validate: validateRuntimeClass,
  immutable: ['handler'],
  warnings: runtimeClassWarnings,
  columns: runtimeClassColumns,
});
