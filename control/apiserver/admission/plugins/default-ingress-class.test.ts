import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KubeObject } from '#api/meta.ts';
import type { Ingress } from '#api/types.generated.ts';
import { ask, objectOf } from '../admission.testing.ts';
import { defaultIngressClass } from './default-ingress-class.ts';

const apiVersion = 'networking.k8s.io/v1';
const ingressClass = (name: string, created: string, isDefault: string): KubeObject => {
  const object = objectOf('IngressClass', name, undefined, { apiVersion });
  const annotations = { 'ingressclass.kubernetes.io/is-default-class': isDefault };
  return { ...object, metadata: { ...object.metadata, creationTimestamp: created, annotations } };
};
const storedAs = (...classes: KubeObject[]): Record<string, KubeObject> =>
  Object.fromEntries(classes.map((one) => [`ingressclasses.networking.k8s.io//${one.metadata.name}`, one]));
const ingress = (spec: object, annotations = {}): KubeObject => {
  const object = objectOf('Ingress', 'web', 'ns', { apiVersion, spec });
  return { ...object, metadata: { ...object.metadata, annotations } };
};
const old = ingressClass('old', '2026-01-01T00:00:00Z', 'true');
const second = ingressClass('second', '2026-02-01T00:00:00Z', 'true');
const twin = ingressClass('twin', '2026-02-01T00:00:00Z', 'true');
const other = ingressClass('other', '2026-03-01T00:00:00Z', 'false');

describe('DefaultIngressClass', () => {
  const cases: [what: string, KubeObject, classes: KubeObject[], expected: string | undefined][] = [
    ['takes the newest default class', ingress({}), [old, second, other], 'second'],
    ['takes the first by name of classes of one second', ingress({}), [twin, old, second], 'second'],
    ['keeps the class that is named', ingress({ ingressClassName: 'own' }), [old], 'own'],
    ['keeps an empty name', ingress({ ingressClassName: '' }), [old], ''],
    ['leaves one alone that is annotated', ingress({}, { 'kubernetes.io/ingress.class': 'nginx' }), [old], undefined],
    ['leaves one alone where no class is the default', ingress({}), [other], undefined],
  ];
  for (const [what, object, classes, expected] of cases)
    it(what, async () => {
      const answer = (await ask(defaultIngressClass(), 'create', { object, stored: storedAs(...classes) })) as Ingress;
      assert.equal(answer.spec.ingressClassName, expected);
    });
});
