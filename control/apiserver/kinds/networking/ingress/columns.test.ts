import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Ingress } from '#api/types.generated.ts';
import { metadata, row } from '../../columns.testing.ts';
import { ingressColumns } from './columns.ts';

const ingress = (spec: Ingress['spec'], more: Partial<Ingress> = {}): Ingress => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'Ingress',
  metadata,
  spec,
  ...more,
});
const hosts = (...names: string[]) => names.map((host) => ({ host }));

describe('columns of an ingress', () => {
  const cases: [what: string, Ingress, cells: object][] = [
    ['nothing but a backend', ingress({ defaultBackend: {} }), {}],
    ['three hosts', ingress({ rules: hosts('a', 'b', 'c') }), { Hosts: 'a,b,c' }],
    ['five hosts', ingress({ rules: hosts('a', 'b', 'c', 'd', 'e') }), { Hosts: 'a,b,c + 2 more...' }],
    ['a class and TLS', ingress({ ingressClassName: 'proxy', tls: [{}] }), { Class: 'proxy', Ports: '80, 443' }],
    [
      'addresses',
      ingress(
        {},
        { status: { loadBalancer: { ingress: [{ ip: '2.2.2.2' }, { hostname: 'lb' }, { ip: '1.1.1.1' }, { ip: '2.2.2.2' }] } } },
      ),
      { Address: '1.1.1.1,2.2.2.2,lb' },
    ],
  ];
  for (const [what, object, cells] of cases)
    it(`of ${what}`, () => {
      const usual = { Name: 'x', Class: '<none>', Hosts: '*', Address: '', Ports: '80', Age: '5m' };
      assert.deepEqual(row(ingressColumns, object), { ...usual, ...cells });
    });
});
