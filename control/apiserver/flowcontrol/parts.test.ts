/** The division of seats among levels, the seats of requests, and Retry-After of refused requests. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseRequestInfo } from '../rest/request-info.ts';
import { allocate } from './concurrency-allocation.ts';
import { DroppedRequests } from './dropped-requests.ts';
import { SeatDemand } from './seat-demand.ts';
import { estimateWork } from './work-estimate.ts';

describe('seats divided among levels', () => {
  it('are all given out where the bounds allow it, and everybody is within theirs', () =>
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            lower: fc.integer({ min: 0, max: 50 }),
            more: fc.integer({ min: 0, max: 200 }),
            target: fc.integer({ min: 0, max: 300 }),
          }),
          { minLength: 1, maxLength: 8 },
        ),
        fc.integer({ min: 1, max: 600 }),
        (levels, total) => {
          const items = levels.map(({ lower, more, target }) => ({ lower, upper: lower + more, target }));
          const { allocations } = allocate(total, items);
          const sum = allocations.reduce((all, one) => all + one, 0);
          const [least, most] = [
            items.reduce((all, { lower }) => all + lower, 0),
            items.reduce((all, { upper }) => all + upper, 0),
          ];
          assert.ok(Math.abs(sum - Math.min(most, Math.max(least, total))) < 1e-6, `${sum}`);
          for (const [index, { lower, upper }] of items.entries()) {
            const got = allocations[index] ?? 0;
            assert.ok(got >= lower - 1e-9 && got <= upper + 1e-9);
          }
        },
      ),
    ));
  it('are in proportion to what is wanted', () => {
    const { allocations } = allocate(90, [
      { lower: 0, upper: 100, target: 10 },
      { lower: 0, upper: 100, target: 20 },
    ]);
    assert.deepEqual(allocations.map(Math.round), [30, 60]);
  });
});

describe('what a level wanted', () => {
  it('is averaged over time, and remembered while it goes down', () => {
    const demand = new SeatDemand(0);
    demand.set(10, 0);
    demand.set(0, 5000);
    demand.update(10_000);
    assert.deepEqual([demand.average, demand.deviation, demand.highWatermark, demand.smoothed], [5, 5, 10, 10]);
    demand.update(20_000);
    assert.deepEqual([demand.average, demand.highWatermark], [0, 0]);
    assert.ok(demand.smoothed > 9.7 && demand.smoothed < 10);
  });
});

describe('the seats of a request', () => {
  const facts =
    (objects: number, averageBytes: number, watchers = 0) =>
    () => ({ objects, averageBytes, watchers });
  const pods = '/api/v1/pods';
  const cases: [string, string, string, ReturnType<typeof facts>, number, number][] = [
    ['one object', 'GET', '/api/v1/namespaces/a/pods/b', facts(10_000, 2000), 100, 1],
    ['a list of few', 'GET', pods, facts(10, 2000), 100, 1],
    ['a list of many', 'GET', pods, facts(200, 2000), 100, 4],
    ['a list of very many', 'GET', pods, facts(100_000, 2000), 100, 10],
    ['a page of them', 'GET', `${pods}?limit=100`, facts(100_000, 2000), 100, 2],
    ['a list at a small level', 'GET', pods, facts(100_000, 2000), 3, 3],
    ['a watch with all that there is', 'GET', `${pods}?watch=1`, facts(200, 2000), 100, 4],
    ['a watch from a revision', 'GET', `${pods}?watch=1&resourceVersion=5`, facts(200, 2000), 100, 1],
    ['a path', 'GET', '/version', facts(200, 2000), 100, 1],
    ['a change that few watch', 'POST', '/api/v1/namespaces/a/pods', facts(200, 2000, 9), 100, 1],
    ['a change that many watch', 'POST', '/api/v1/namespaces/a/pods', facts(200, 2000, 55), 100, 6],
    ['a change that very many watch', 'POST', '/api/v1/namespaces/a/pods', facts(200, 2000, 5000), 100, 10],
    ['a token', 'POST', '/api/v1/namespaces/a/serviceaccounts/b/token', facts(200, 2000, 55), 100, 1],
  ];
  for (const [name, method, path, of, max, seats] of cases)
    it(`of ${name} are ${seats}`, () => {
      const { initialSeats, finalSeats } = estimateWork(parseRequestInfo(method, path), max, of);
      assert.equal(Math.max(initialSeats, finalSeats), seats);
    });
  it('are kept for as long as telling takes', () => {
    const { additionalMs, finalSeats } = estimateWork(
      parseRequestInfo('POST', '/api/v1/namespaces/a/pods'),
      100,
      facts(1, 1, 1000),
    );
    assert.deepEqual([finalSeats, additionalMs], [10, 50]);
  });
});

describe('who is refused', () => {
  it('comes again later, the more are refused, and sooner when it is over', () => {
    const dropped = new DroppedRequests();
    const second = (at: number, count: number): number => {
      let last = 0;
      for (let index = 0; index < count; index++) last = dropped.record('low', at * 1000);
      return last;
    };
    assert.equal(second(100, 10), 1);
    assert.equal(second(101, 10), 2);
    assert.equal(second(102, 10), 2);
    assert.equal(second(103, 10), 4);
    for (let at = 104; at < 140; at++) second(at, 100);
    assert.equal(second(140, 1), 32);
    assert.ok(second(200, 1) < 32);
  });
});
