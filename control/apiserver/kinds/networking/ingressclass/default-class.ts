/** The annotation that makes a class the default for Ingresses without one. */
import type { IngressClass } from '#api/types.generated.ts';

/** `true`: Ingresses that name no class get this one. */
export const defaultIngressClassAnnotation = 'ingressclass.kubernetes.io/is-default-class';

/** Whether new Ingresses without a class get this one. */
export const isDefaultIngressClass = ({ metadata }: IngressClass): boolean =>
  metadata.annotations?.[defaultIngressClassAnnotation] === 'true';
