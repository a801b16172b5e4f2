import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { array, assert as assertProperty, boolean, integer, property, tuple } from 'fast-check';
import type { KubeObject } from '#api/meta.ts';
import { CachedObject } from './cached-object.ts';
import { ChangeWindow } from './change-window.ts';
import { EncodedBytes } from './encoded-bytes.ts';
import { SortedObjects } from './sorted-objects.ts';

const object = (key: string, revision = 0, bytes = 100): CachedObject => new CachedObject(key, revision, {} as KubeObject, bytes);
const keyOf = (number: number): string => `/p/${number < 500 ? 'a' : 'b'}/${number.toString().padStart(4, '0')}`;

describe('SortedObjects', () => {
  it('is a map in key order, and a walk sees the moment it began', () => {
    const change = tuple(integer({ min: 0, max: 999 }), boolean());
    assertProperty(
      property(
        array(integer({ min: 0, max: 999 }), { maxLength: 800 }),
        array(change, { maxLength: 1_500 }),
        (first, changes) => {
          const model = new Map(first.map((number) => [keyOf(number), object(keyOf(number))]));
          const objects = new SortedObjects(model.values());
          const expected = (prefix: string, start = prefix): string[] =>
            [...model.keys()].filter((key) => key.startsWith(prefix) && key >= start).sort();
          const before = expected('/p/a/');
          const walk = objects.range('/p/a/');
          for (const [number, isSet] of changes) {
            const one = object(keyOf(number), 1);
            if (isSet) {
              objects.set(one);
              model.set(one.key, one);
            } else {
              objects.delete(one.key);
              model.delete(one.key);
            }
          }
          assert.deepEqual(
            Array.from(walk, ({ key }) => key),
            before,
          );
          for (const [prefix, start] of [
            ['/p/'],
            ['/p/a/'],
            ['/p/b/'],
            ['/p/c/'],
            ['/p/', '/p/a/0300'],
            ['/p/b/', '/p/b/0777\0'],
          ] as const)
            assert.deepEqual(
              Array.from(objects.range(prefix, start), ({ key }) => key),
              expected(prefix, start),
            );
          assert.equal(objects.size, model.size);
          for (const [key, one] of model) assert.equal(objects.get(key), one);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('ChangeWindow', () => {
  const event = (revision: number, atMs: number, bytes = 100) => ({
    revision,
    current: object('/k', revision, bytes),
    previous: undefined,
    atMs,
  });
  const limits = { windowMs: 1_000, minEvents: 2, maxEvents: 10, maxBytes: 10_000 };

  it('is bounded in number, in time and in bytes, and knows from which revision on it is whole', () => {
    const window = new ChangeWindow(limits);
    for (let revision = 1; revision <= 20; revision++) window.push(event(revision, 0));
    window.trim(0);
    assert.deepEqual([window.end - window.first, window.startRevision], [10, 10]);
    window.trim(2_000);
    assert.deepEqual([window.end - window.first, window.startRevision], [2, 18]);
    window.push(event(21, 2_000, 9_000));
    window.push(event(22, 2_000, 9_000));
    window.trim(2_000);
    assert.deepEqual([window.end - window.first, window.startRevision], [1, 21]);
    // One alone may be larger than all may be together.
    window.push(event(23, 2_000, 1 << 20));
    window.trim(2_000);
    assert.deepEqual(
      window.from(window.first, 1).map(({ revision }) => revision),
      [23],
    );
  });

  it('gives the changes after any revision, however often its beginning has moved', () => {
    const window = new ChangeWindow({ ...limits, maxEvents: 3_000, maxBytes: 1 << 30 });
    for (let revision = 2; revision <= 20_000; revision += 2) {
      window.push(event(revision, 0));
      window.trim(0);
      if (revision % 1_001 !== 0) continue;
      for (const after of [window.startRevision, window.startRevision + 1, revision - 3, revision]) {
        const [next] = window.from(window.placeAfter(after), 1);
        assert.equal(next?.revision, after >= revision ? undefined : after - (after % 2) + 2);
      }
    }
    assert.equal(window.from(window.first, 1 << 30).length, 3_000);
    window.reset(30_000);
    assert.deepEqual([window.first, window.startRevision, window.bytes], [window.end, 30_000, 0]);
  });
});

describe('EncodedBytes', () => {
  it('keeps within its budget what is used, and lets go of the rest', () => {
    const budget = new EncodedBytes(100_000);
    const [used, idle] = [0, 1].map((number) => new CachedObject(`/${number}`, 1, {} as KubeObject, 0, budget));
    let made = 0;
    const make = (): Uint8Array => Buffer.alloc(1_000, ++made);
    const [first] = [used?.encoded('json', make), idle?.encoded('json', make)];
    for (let index = 0; index < 1_000; index++) {
      new CachedObject(`/x${index}`, 1, {} as KubeObject, 0, budget).encoded('json', make);
      assert.equal(used?.encoded('json', make), first);
      assert.ok(budget.size <= 130_000, `${budget.size}`);
    }
    assert.notEqual(idle?.encoded('json', make)[0], 2);
    for (let index = 0; index < 5; index++) budget.rest();
    assert.equal(budget.size, 0);
  });
});
