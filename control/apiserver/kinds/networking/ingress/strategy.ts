/** Ingresses. Source: upstream `pkg/registry/networking/ingress/strategy.go`. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import type { Ingress } from '#api/types.generated.ts';
import { defineKind } from '../../define-kind.ts';
import { ingressColumns } from './columns.ts';
import { ingressClassAnnotation, validateIngress, validateIngressStatus } from './validation.ts';

/** Has `/status`. The API server only stores Ingresses; the user installs an ingress controller. */
export const ingressKind = defineKind({
  resource: 'ingresses.networking.k8s.io',
  names: nameIsDnsSubdomain,
  defaults(object) {
    object.spec ??= {};
    for (const { http } of object.spec.rules ?? []) for (const path of http?.paths ?? []) path.backend ??= {};
  },
  status: { initial: () => ({ loadBalancer: {} }), validate: validateIngressStatus },
  generation: 'spec',
  checkedAgain: 'last',
  validate: validateIngress,
  warnings,
  columns: ingressColumns,
});

function warnings({ metadata, spec }: Ingress, old: Ingress | undefined): string[] {
  const isAnnotated = metadata.annotations?.[ingressClassAnnotation] !== undefined;
  if (old !== undefined || !isAnnotated || spec.ingressClassName !== undefined) return [];
  return [`annotation "${ingressClassAnnotation}" is deprecated, please use 'spec.ingressClassName' instead`];
}
