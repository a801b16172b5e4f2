import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JsonObject } from '#api/json.ts';
import { ApiError } from '#api/status.ts';
import { decodePatch } from './patch-body.ts';
import { applyStrategicMergePatch } from './strategic-merge-patch.ts';

interface Case {
  does: string;
  current: JsonObject;
  patch: JsonObject;
  want: JsonObject;
  type?: string;
}

const two = {
  containers: [
    { name: 'a', image: 'a:1' },
    { name: 'b', image: 'b:1' },
  ],
};

const cases: Case[] = [
  {
    does: 'merges maps, and null deletes a key',
    current: { nodeSelector: { a: '1', b: '2' } },
    patch: { nodeSelector: { b: null, c: '3' } },
    want: { nodeSelector: { a: '1', c: '3' } },
  },
  {
    does: 'merges list elements by merge key',
    current: two,
    patch: { containers: [{ name: 'b', image: 'b:2' }] },
    want: {
      containers: [
        { name: 'a', image: 'a:1' },
        { name: 'b', image: 'b:2' },
      ],
    },
  },
  {
    does: "puts a new list element before the server's own, as upstream does",
    current: two,
    patch: { containers: [{ name: 'c', image: 'c:1', command: null }] },
    want: { containers: [{ name: 'c', image: 'c:1' }, ...two.containers] },
  },
  {
    does: 'deletes a list element with $patch: delete',
    current: two,
    patch: { containers: [{ name: 'a', $patch: 'delete' }] },
    want: { containers: [{ name: 'b', image: 'b:1' }] },
  },
  {
    does: 'replaces a whole list with $patch: replace',
    current: two,
    patch: { containers: [{ $patch: 'replace' }, { name: 'z', image: 'z' }] },
    want: { containers: [{ name: 'z', image: 'z' }] },
  },
  {
    does: 'replaces an atomic list',
    current: { containers: [{ name: 'a', args: ['1', '2'] }] },
    patch: { containers: [{ name: 'a', args: ['3'] }] },
    want: { containers: [{ name: 'a', args: ['3'] }] },
  },
  {
    does: 'replaces a map with $patch: replace',
    current: { nodeSelector: { a: '1' } },
    patch: { nodeSelector: { $patch: 'replace', b: '2' } },
    want: { nodeSelector: { b: '2' } },
  },
  {
    does: 'keeps one source of a volume with $retainKeys',
    current: { volumes: [{ name: 'v', emptyDir: {} }] },
    patch: { volumes: [{ name: 'v', $retainKeys: ['name', 'configMap'], configMap: { name: 'c' } }] },
    want: { volumes: [{ name: 'v', configMap: { name: 'c' } }] },
  },
  {
    does: 'orders elements as $setElementOrder says',
    current: two,
    patch: { '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }] },
    want: { containers: [two.containers[1] as JsonObject, two.containers[0] as JsonObject] },
  },
  {
    does: 'keeps the place of elements that only the server knows',
    current: { containers: [{ name: 'sidecar' }, { name: 'a' }] },
    patch: { '$setElementOrder/containers': [{ name: 'a' }, { name: 'n' }], containers: [{ name: 'n' }] },
    want: { containers: [{ name: 'sidecar' }, { name: 'a' }, { name: 'n' }] },
  },
  {
    does: 'merges and deletes in lists of primitives',
    type: 'meta/v1.ObjectMeta',
    current: { finalizers: ['a', 'b'] },
    patch: { '$deleteFromPrimitiveList/finalizers': ['a'], '$setElementOrder/finalizers': ['b', 'c'], finalizers: ['c'] },
    want: { finalizers: ['b', 'c'] },
  },
];

describe('strategic merge patch', () => {
  for (const { does, current, patch, want, type } of cases) {
    it(does, () => {
      const before = structuredClone(current);
      assert.deepEqual(applyStrategicMergePatch(current, patch, type ?? 'core/v1.PodSpec'), want);
      assert.deepEqual(current, before, 'the object as stored is not changed');
    });
  }

  for (const [why, patch] of [
    ['an element lacks the merge key', { containers: [{ image: 'x' }] }],
    ['a directive is unknown', { nodeSelector: { $patch: 'frobnicate' } }],
    ['$retainKeys leaves out a key of the patch', { volumes: [{ name: 'v', $retainKeys: ['name'], emptyDir: {} }] }],
  ] as const) {
    it(`is refused when ${why}`, () => {
      const current = { containers: [{ name: 'a' }], nodeSelector: { a: '1' }, volumes: [{ name: 'v', emptyDir: {} }] };
      assert.throws(() => applyStrategicMergePatch(current, patch as unknown as JsonObject, 'core/v1.PodSpec'), ApiError);
    });
  }

  for (const contentType of ['application/strategic-merge-patch+json', 'application/merge-patch+json'] as const) {
    it(`is refused when it is nested too deeply: ${contentType}`, () => {
      const body = Buffer.from(`${'{"a":'.repeat(300_000)}1${'}'.repeat(300_000)}`);
      const patch = () => decodePatch(body, contentType);
      assert.throws(patch, (error) => error instanceof ApiError && error.status.code === 400);
    });
  }
});
