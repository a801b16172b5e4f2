import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { deepFreeze } from '#api/deep-freeze.ts';
import type { KubeObject } from '#api/meta.ts';
import { SharedParts } from './shared-parts.ts';

const objectOf = (name: string, rest: object = {}): KubeObject =>
  ({ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'n', uid: name }, ...rest }) as unknown as KubeObject;
const field = (object: KubeObject, name: string): unknown => (object as unknown as Record<string, unknown>)[name];

describe('parts of objects that are alike', () => {
  it('are held once, whole or in part', () => {
    const parts = new SharedParts();
    const make = (name: string, time: string): KubeObject =>
      objectOf(name, {
        spec: { containers: [{ name: 'c', env: [{ name: 'A' }] }] },
        status: { at: time, phase: { is: 'Running' } },
      });
    const [first, second] = [make('a', '1'), make('b', '2')];
    parts.share('/registry/pods', deepFreeze(first), undefined);
    parts.share('/registry/pods', second, undefined);
    assert.equal(field(second, 'spec'), field(first, 'spec'));
    assert.notEqual(field(second, 'status'), field(first, 'status'));
    const phase = (object: KubeObject): unknown => (field(object, 'status') as { phase: unknown }).phase;
    assert.equal(phase(second), phase(first));
    assert.deepEqual(second, make('b', '2'));
  });

  it('come from the previous version before any other object', () => {
    const parts = new SharedParts();
    const before = objectOf('a', { spec: { x: ['mine'] } });
    parts.share('/registry/pods', objectOf('b', { spec: { x: ['other'] } }), undefined);
    const now = objectOf('a', { spec: { x: ['mine'] }, status: {} });
    parts.share('/registry/pods', now, before);
    assert.equal(field(now, 'spec'), field(before, 'spec'));
  });

  it('never change what an object says, whatever came before it', () => {
    const anything = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        fc.constantFrom<unknown>(null, true, 0, 1, '', 'a', 'b', 7n),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom('a', 'b', '0', '__proto__', 'constructor'), tie('value'), {
          maxKeys: 3,
          noNullPrototype: true,
        }),
      ),
    })).value;
    fc.assert(
      fc.property(fc.array(anything, { minLength: 2, maxLength: 5 }), (specs) => {
        const parts = new SharedParts();
        for (const [index, spec] of specs.entries()) {
          const object = objectOf(`p${index}`, { spec });
          const expected = structuredClone(object);
          parts.share('/registry/pods', object, undefined);
          assert.deepStrictEqual(object, expected);
          deepFreeze(object);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
