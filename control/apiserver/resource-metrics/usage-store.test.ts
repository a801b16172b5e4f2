import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { UsagePoint } from './exposition.ts';
import { UsageStore } from './usage-store.ts';

const mib = 1 << 20;
const start = Date.parse('2026-01-01T00:00:00Z');
/** @param cpu seconds used @param at seconds since `start` */
const point = (cpu: number, at: number, startedAt?: number): UsagePoint => ({
  timeMs: start + at * 1000,
  cpuNs: cpu * 1e9,
  memoryBytes: 10 * mib,
  ...(startedAt === undefined ? {} : { startedMs: start + startedAt * 1000 }),
});
const answer = (containers: Record<string, UsagePoint>, node?: UsagePoint) => ({
  node,
  pods: new Map([['ns/web', new Map(Object.entries(containers))]]),
});
const storeAfter = (...answers: ReturnType<typeof answer>[]): UsageStore => {
  const store = new UsageStore(15_000);
  for (const one of answers) store.add('n1', one);
  return store;
};

describe('the use of a node', () => {
  it('is what was used between two answers', () => {
    const store = storeAfter(answer({}, point(100, 0)), answer({}, point(107.5, 15)));
    assert.deepEqual(store.node('n1'), {
      timestamp: '2026-01-01T00:00:15Z',
      window: '15s',
      usage: { cpu: '500m', memory: '10Mi' },
    });
  });
  it('is not known after one answer, nor after a restart of its counters, nor of a node that is gone', () => {
    assert.equal(storeAfter(answer({}, point(100, 0))).node('n1'), undefined);
    const restarted = storeAfter(answer({}, point(100, 0)), answer({}, point(1, 15)));
    assert.equal(restarted.node('n1'), undefined);
    const gone = storeAfter(answer({}, point(1, 0)), answer({}, point(2, 15)));
    gone.keepOnly(new Set(['n2']));
    assert.equal(gone.node('n1'), undefined);
  });
  it('stays that of the last two different readings', () => {
    const store = storeAfter(answer({}, point(1, 0)), answer({}, point(2, 10)), answer({}, point(2, 10)));
    assert.equal(store.node('n1')?.usage.cpu, '100m');
  });
});

describe('the use of a pod', () => {
  const usage = (store: UsageStore) =>
    store.pod('n1', 'ns', 'web')?.containers.map(({ name, usage: { cpu, memory } }) => `${name} ${cpu} ${memory}`);

  it('is told of each container, by name', () => {
    const store = storeAfter(
      answer({ b: point(1, 0, -60), a: point(2, 0, -60) }),
      answer({ b: point(1.5, 10, -60), a: point(2.25, 10, -60) }),
    );
    assert.deepEqual(usage(store), ['a 25m 10Mi', 'b 50m 10Mi']);
  });
  it('is known at the first answer of a container that has just been started', () => {
    assert.deepEqual(usage(storeAfter(answer({ a: point(6, 12, 0) }))), ['a 500m 10Mi']);
    assert.equal(usage(storeAfter(answer({ a: point(6, 9, 0) }))), undefined, 'too young');
    assert.equal(usage(storeAfter(answer({ a: point(6, 16, 0) }))), undefined, 'older than one scrape');
  });
  it('begins anew when a container has been started again', () => {
    const store = storeAfter(answer({ a: point(50, 0, -60) }), answer({ a: point(1, 15, 8) }));
    assert.equal(usage(store), undefined);
    store.add('n1', answer({ a: point(2.5, 30, 8) }));
    assert.deepEqual(usage(store), ['a 100m 10Mi']);
  });
  it('is not told while one of its containers has no number', () => {
    const both = (cpu: number, at: number, other: UsagePoint) => answer({ a: point(cpu, at, -60), b: other });
    assert.equal(
      usage(storeAfter(both(1, 0, point(1, 0, -60)), both(2, 15, { ...point(2, 15, -60), memoryBytes: 0 }))),
      undefined,
    );
    assert.equal(usage(storeAfter(answer({ a: point(1, 0, -60) }), both(2, 15, point(2, 15, -1)))), undefined);
  });
  it('is that of its own node: another kubelet may say what it likes', () => {
    const store = storeAfter(answer({ a: point(1, 0, -60) }), answer({ a: point(2, 15, -60) }));
    assert.equal(store.pod('n2', 'ns', 'web'), undefined);
  });
  it('has the time of the container that was measured first', () => {
    const store = storeAfter(
      answer({ a: point(1, 0, -60), b: point(1, 1, -60) }),
      answer({ a: point(2, 14, -60), b: point(2, 16.5, -60) }),
    );
    const { timestamp, window } = store.pod('n1', 'ns', 'web') ?? {};
    assert.deepEqual([timestamp, window], ['2026-01-01T00:00:14Z', '14s']);
  });
  it('may be any number that a kubelet can say', () => {
    const odd = { ...point(1e300, 15, -60), memoryBytes: 1e300 };
    assert.doesNotThrow(() => usage(storeAfter(answer({ a: point(1, 0, -60) }), answer({ a: odd }))));
  });
});
