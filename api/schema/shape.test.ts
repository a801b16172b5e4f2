import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { anyObject } from '../codec/arbitrary-object.testing.ts';
import { ShapeError, shape } from './shape.ts';

const pod = (spec: object, more: object = {}) => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec, ...more });

describe('shape', () => {
  const wrong: [type: string, object: unknown, field: RegExp][] = [
    ['core/v1.Pod', 7, /not an object/],
    ['core/v1.Pod', [], /not an object/],
    ['core/v1.Pod', pod({ containers: {} }), /^spec\.containers is a object, not a list/],
    ['core/v1.Pod', pod({ containers: ['x'] }), /^spec\.containers\[0\]/],
    ['core/v1.Pod', pod({ nodeSelector: { a: 7 } }), /^spec\.nodeSelector\[a\]/],
    ['core/v1.Pod', pod({ priority: 2 ** 31 }), /^spec\.priority/],
    ['core/v1.Pod', pod({ hostNetwork: 'yes' }), /^spec\.hostNetwork/],
    ['core/v1.Pod', pod({ overhead: { cpu: 'much' } }), /^spec\.overhead\[cpu\]: quantities must match/],
    ['core/v1.Pod', { metadata: { creationTimestamp: 'yesterday' } }, /^metadata\.creationTimestamp: parsing time/],
    ['core/v1.Pod', { metadata: { labels: [] } }, /^metadata\.labels is a list, not a map/],
    ['discovery/v1.EndpointSlice', { ports: [{ port: '80' }] }, /^ports\[0\]\.port/],
    ['core/v1.Service', { spec: { ports: [{ targetPort: true }] } }, /^spec\.ports\[0\]\.targetPort/],
  ];
  for (const [type, object, field] of wrong)
    it(`refuses ${JSON.stringify(object)}`, () =>
      assert.throws(
        () => shape(type, object),
        (error) => error instanceof ShapeError && field.test(error.message),
      ));

  it('adds the fields that Go always has, and removes nulls', () => {
    const object = { metadata: { name: 's', labels: null }, spec: null };
    shape('core/v1.Service', object);
    assert.deepEqual(object, { metadata: { name: 's' }, spec: {}, status: { loadBalancer: {} } });
  });

  it('keeps keys such as __proto__', () => {
    const object = JSON.parse('{"metadata":{"labels":{"__proto__":"x","constructor":"y"}},"data":{"__proto__":null}}');
    shape('core/v1.ConfigMap', object);
    assert.equal(JSON.stringify(object), '{"metadata":{"labels":{"__proto__":"x","constructor":"y"}},"data":{"__proto__":""}}');
  });

  it('accepts every decoded object', () => {
    fc.assert(
      fc.property(anyObject, ([type, object]) => shape(type, object)),
      { numRuns: 300 },
    );
  });
});
