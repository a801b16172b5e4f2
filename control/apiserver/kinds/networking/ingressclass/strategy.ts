/** IngressClasses. Source: upstream `pkg/registry/networking/ingressclass/strategy.go`. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import { defineKind } from '../../define-kind.ts';
import { ingressClassColumns } from './columns.ts';
import { validateIngressClass } from './validation.ts';

/** `spec.controller` is immutable. */
export const ingressClassKind = defineKind({
  resource: 'ingressclasses.networking.k8s.io',
  cluster: true,
  names: nameIsDnsSubdomain,
  defaults(object) {
    object.spec ??= {};
    if (object.spec.parameters !== undefined) object.spec.parameters.scope ??= 'Cluster';
  },
  generation: 'spec',
  checkedAgain: 'last',
  validate: validateIngressClass,
  immutable: ['spec.controller'],
  columns: ingressClassColumns,
});
