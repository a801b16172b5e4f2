import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Service } from '#api/types.generated.ts';
import { metadata, row } from '../../columns.testing.ts';
import { serviceColumns } from './columns.ts';

describe('columns of services', () => {
  const service = (spec: Service['spec'], status?: Service['status']): Service => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata,
    spec,
    status,
  });

  it('show type, addresses and ports', () => {
    const ports = [
      { port: 80, protocol: 'TCP', nodePort: 30080 },
      { port: 53, protocol: 'UDP' },
    ];
    assert.deepEqual(
      row(serviceColumns, service({ type: 'NodePort', clusterIPs: ['10.96.0.5'], ports, selector: { b: '2', a: '1' } })),
      {
        Name: 'x',
        Type: 'NodePort',
        'Cluster-IP': '10.96.0.5',
        'External-IP': '<none>',
        'Port(s)': '80:30080/TCP,53/UDP',
        Age: '5m',
        Selector: 'a=1,b=2',
      },
    );
  });

  for (const [what, object, expected] of [
    ['a balancer without address', service({ type: 'LoadBalancer' }), '<pending>'],
    [
      'a balancer',
      service(
        { type: 'LoadBalancer', externalIPs: ['1.1.1.1'] },
        { loadBalancer: { ingress: [{ hostname: 'b.example' }, { ip: '2.2.2.2' }] } },
      ),
      '2.2.2.2,b.example,1.1.1.1',
    ],
    ['a name', service({ type: 'ExternalName', externalName: 'example.org' }), 'example.org'],
    ['an external address', service({ type: 'ClusterIP', externalIPs: ['1.1.1.1', '1.1.1.2'] }), '1.1.1.1,1.1.1.2'],
  ] as const) {
    it(`external address of ${what}`, () => assert.equal(row(serviceColumns, object)['External-IP'], expected));
  }
});
