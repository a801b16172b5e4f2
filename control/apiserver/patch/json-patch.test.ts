import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JsonObject, JsonValue } from '#api/json.ts';
import { ApiError } from '#api/status.ts';
import { applyJsonPatch, applyMergePatch } from './json-patch.ts';
import { applyStrategicMergePatch } from './strategic-merge-patch.ts';

const many = <T>(count: number, item: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => item(index));

function codeOf(current: JsonObject, patch: JsonValue): number | undefined {
  try {
    applyJsonPatch(current, patch);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof ApiError, String(error));
    return error.code;
  }
}

/** CPU time, generously: what is not linear takes a hundred times as long. */
function assertQuick(work: () => unknown): void {
  const startUs = process.cpuUsage().user;
  work();
  const cpuMs = (process.cpuUsage().user - startUs) / 1000;
  assert.ok(cpuMs < 3000, `${cpuMs} ms of CPU`);
}

describe('JSON patch', () => {
  for (const [what, patch, result] of [
    [
      'add, replace and remove',
      [
        { op: 'add', path: '/a', value: 1 },
        { op: 'replace', path: '/l/0', value: 9 },
        { op: 'remove', path: '/o' },
      ],
      { l: [9, 2, 3], a: 1 },
    ],
    [
      'list ends and indexes from the end',
      [
        { op: 'add', path: '/l/-', value: 4 },
        { op: 'remove', path: '/l/-2' },
        { op: 'add', path: '/l/0', value: 0 },
      ],
      { l: [0, 1, 2, 4], o: { p: 'q' } },
    ],
    [
      'move and copy',
      [
        { op: 'copy', from: '/o', path: '/c' },
        { op: 'move', from: '/o/p', path: '/m' },
      ],
      { l: [1, 2, 3], o: {}, c: { p: 'q' }, m: 'q' },
    ],
    [
      'escapes and prototypes',
      [
        { op: 'add', path: '/a~1b~0', value: 1 },
        { op: 'add', path: '/__proto__', value: 2 },
      ],
      JSON.parse('{"l":[1,2,3],"o":{"p":"q"},"a/b~":1,"__proto__":2}') as JsonObject,
    ],
    [
      'tests',
      [
        { op: 'test', path: '/o', value: { p: 'q' } },
        { op: 'test', path: '/absent', value: null },
      ],
      { l: [1, 2, 3], o: { p: 'q' } },
    ],
  ] as [string, JsonObject[], JsonObject][]) {
    it(`knows ${what}`, () => {
      const current = { l: [1, 2, 3], o: { p: 'q' } };
      assert.deepEqual(applyJsonPatch(current, patch), result);
      assert.deepEqual(current, { l: [1, 2, 3], o: { p: 'q' } });
    });
  }

  for (const [what, operation] of [
    ['a missing member', { op: 'remove', path: '/x' }],
    ['a missing parent', { op: 'add', path: '/x/y', value: 1 }],
    ['an index beyond the list', { op: 'add', path: '/l/4', value: 1 }],
    ['an index that is none', { op: 'replace', path: '/l/x', value: 1 }],
    ['an inherited member', { op: 'copy', from: '/constructor', path: '/c' }],
    ['another value', { op: 'test', path: '/l', value: [1, 2] }],
    ['an unknown operation', { op: 'append', path: '/l', value: 1 }],
  ] as [string, JsonObject][]) {
    it(`is refused for ${what}`, () => assert.equal(codeOf({ l: [1, 2, 3] }, [operation]), 422));
  }

  it('stops copies at 3 MiB', () => {
    const copies = many(60, (index) => ({ op: 'copy', from: '/data', path: `/data/c${index}` }));
    assertQuick(() => assert.equal(codeOf({ data: { a: 'x'.repeat(1000) } }, copies), 422));
    const value = 'x'.repeat(300_000);
    assert.equal(
      codeOf(
        { a: value },
        many(10, (index) => ({ op: 'copy', from: '/a', path: `/c${index}` })),
      ),
      undefined,
    );
    assert.equal(
      codeOf(
        { a: value },
        many(11, (index) => ({ op: 'copy', from: '/a', path: `/c${index}` })),
      ),
      422,
    );
  });

  it('has 10,000 operations at most, in upstream’s words', () => {
    assert.throws(
      () =>
        applyJsonPatch(
          {},
          many(10_001, () => ({ op: 'test', path: '/a', value: null })),
        ),
      /^ApiError: Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001$/,
    );
  });

  it('does not move long lists again and again', () => {
    const list = many(300_000, (index) => index);
    assertQuick(() =>
      assert.equal(
        codeOf(
          { list },
          many(10_000, () => ({ op: 'add', path: '/list/0', value: 0 })),
        ),
        413,
      ),
    );
  });
});

describe('merges of large objects take time in proportion', () => {
  const env = (count: number, more: (index: number) => JsonObject): JsonObject => ({
    spec: { containers: [{ name: 'a', env: many(count, (index) => ({ name: `E${index}`, ...more(index) })) }] },
  });
  const finalizers = (count: number, letter: string): JsonObject => ({
    metadata: { finalizers: many(count, (index) => `a.b/${letter}${index}`) },
  });

  it('of list elements by key, by value, to delete, and in an order', () => {
    const pod = env(20_000, () => ({ value: 'v' }));
    for (const patch of [env(40_000, () => ({ value: 'w' })), env(40_000, () => ({ $patch: 'delete' }))])
      assertQuick(() => applyStrategicMergePatch(pod, patch, 'core/v1.Pod'));
    for (const patch of [
      finalizers(50_000, 'g'),
      { metadata: { '$deleteFromPrimitiveList/finalizers': many(50_000, (index) => `a.b/g${index}`) } },
      { metadata: { '$setElementOrder/finalizers': many(50_000, (index) => `a.b/f${50_000 - index}`), finalizers: ['a.b/x'] } },
    ])
      assertQuick(() => applyStrategicMergePatch(finalizers(30_000, 'f'), patch, 'core/v1.ConfigMap'));
  });

  it('keeps a key such as __proto__ a key', () => {
    const merged = applyMergePatch({ data: {} }, JSON.parse('{"data":{"__proto__":{"a":"b"}}}') as JsonObject);
    assert.equal(JSON.stringify(merged), '{"data":{"__proto__":{"a":"b"}}}');
  });
});
