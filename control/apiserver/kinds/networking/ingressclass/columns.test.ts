import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { IngressClass } from '#api/types.generated.ts';
import { metadata, row } from '../../columns.testing.ts';
import { ingressClassColumns } from './columns.ts';
import { defaultIngressClassAnnotation } from './default-class.ts';

it('columns of an ingress class', () => {
  const object: IngressClass = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'IngressClass',
    metadata,
    spec: { controller: 'example.com/proxy' },
  };
  const expected = { Name: 'x', Controller: 'example.com/proxy', Parameters: '<none>', Age: '5m' };
  assert.deepEqual(row(ingressClassColumns, object), expected);
  const other: IngressClass = {
    ...object,
    metadata: { ...metadata, annotations: { [defaultIngressClassAnnotation]: 'true' } },
    spec: { ...object.spec, parameters: { apiGroup: 'example.com', kind: 'Config', name: 'small' } },
  };
  const wanted = { ...expected, Name: 'x (default)', Parameters: 'Config.example.com/small' };
  assert.deepEqual(row(ingressClassColumns, other), wanted);
});
