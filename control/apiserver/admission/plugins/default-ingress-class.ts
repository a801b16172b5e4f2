/**
 * DefaultIngressClass: an Ingress without a class gets the default class.
 *
 * Source: upstream `plugin/pkg/admission/network/defaultingressclass`.
 */
import type { Ingress, IngressClass } from '#api/types.generated.ts';
import { ingressClassAnnotation } from '../../kinds/networking/ingress/validation.ts';
import { isDefaultIngressClass } from '../../kinds/networking/ingressclass/default-class.ts';
import { type AdmissionPlugin, concerns } from '../plugin.ts';

/** Of several default classes it uses the newest; of those created in the same second, the first by name. */
export const defaultIngressClass = (): AdmissionPlugin => ({
  name: 'DefaultIngressClass',
  handles: (operation) => operation === 'create',

  async mutate(attributes, { list }) {
    if (!concerns(attributes, 'networking.k8s.io', 'ingresses')) return;
    const { metadata, spec } = attributes.object as Ingress;
    if (spec.ingressClassName !== undefined || metadata.annotations?.[ingressClassAnnotation] !== undefined) return;
    const classes = ((await list('ingressclasses.networking.k8s.io')) as IngressClass[]).filter(isDefaultIngressClass);
    const [newest] = classes.sort(newestFirst);
    if (newest !== undefined) spec.ingressClassName = newest.metadata.name;
  },
});

function newestFirst({ metadata: a }: IngressClass, { metadata: b }: IngressClass): number {
  const [timeA, timeB] = [a.creationTimestamp ?? '', b.creationTimestamp ?? ''];
  if (timeA !== timeB) return timeA > timeB ? -1 : 1;
  return a.name < b.name ? -1 : 1;
}
