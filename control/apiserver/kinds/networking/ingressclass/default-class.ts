/** The annotation that makes a class the default for Ingresses without one. */
import type { IngressClass } from '#api/types.generated.ts';

export const defaultIngressClassAnnotation = 'ingressclass.kubernetes.io/is-default-class';

export const isDefaultIngressClass = ({ metadata }: IngressClass): boolean =>
  metadata.annotations?.[defaultIngressClassAnnotation] === 'true';
