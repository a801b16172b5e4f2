import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '#client/clock.ts';
import { createLane, createLanes, type Lane, type LaneOptions } from './lane.ts';

describe('a lane', () => {
  /** Work that ends when it is told to; notes its beginning. */
  function workIn(lane: Lane, begun: string[]) {
    const ends = new Map<string, (failure?: Error) => void>();
    return {
      do: (name: string, options: LaneOptions = {}) =>
        lane.run(async () => {
          begun.push(name);
          await new Promise<void>((resolve, reject) =>
            ends.set(name, (failure) => (failure === undefined ? resolve() : reject(failure))),
          );
          return name;
        }, options),
      end: (name: string, failure?: Error) => ends.get(name)?.(failure),
    };
  }

  it('runs so many at a time, in order, what has begun first and what nobody waits for last', async () => {
    const clock = new FakeClock();
    const begun: string[] = [];
    const work = workIn(createLane(clock, 2), begun);
    const all = Promise.all([
      work.do('a'),
      work.do('b'),
      work.do('c', { turn: 'later' }),
      work.do('d'),
      work.do('e', { turn: 'begun' }),
    ]);
    await clock.advance(0);
    assert.deepEqual(begun, ['a', 'b']);
    for (const name of ['b', 'a', 'e', 'd', 'c']) {
      work.end(name);
      await clock.advance(0);
    }
    assert.deepEqual(begun, ['a', 'b', 'e', 'd', 'c']);
    assert.deepEqual(await all, ['a', 'b', 'c', 'd', 'e']);
  });

  it('gives the place of what fails to the next', async () => {
    const clock = new FakeClock();
    const begun: string[] = [];
    const work = workIn(createLane(clock, 1), begun);
    const failing = assert.rejects(work.do('a'), /no/);
    const next = work.do('b');
    work.end('a', new Error('no'));
    await failing;
    await clock.advance(0);
    work.end('b');
    assert.equal(await next, 'b');
  });

  it('does not wait for ever for what hangs, and gives its place away once only', async () => {
    const clock = new FakeClock();
    const begun: string[] = [];
    const work = workIn(createLane(clock, 1), begun);
    const hanging = work.do('hangs');
    const others = [work.do('a'), work.do('b')];
    await clock.advance(9_000);
    assert.deepEqual(begun, ['hangs']);
    await clock.advance(1_000);
    assert.deepEqual(begun, ['hangs', 'a']);
    work.end('hangs');
    await hanging;
    assert.deepEqual(begun, ['hangs', 'a']);
    work.end('a');
    await clock.advance(0);
    work.end('b');
    await Promise.all(others);
  });

  it('lets go of what gives up before its turn, and of nothing that has begun', async () => {
    const clock = new FakeClock();
    const begun: string[] = [];
    const work = workIn(createLane(clock, 1), begun);
    const [first, second] = [new AbortController(), new AbortController()];
    const all = [work.do('a', { signal: first.signal }), work.do('b', { signal: second.signal }), work.do('c')];
    const gone = assert.rejects(all[1] as Promise<string>, /deleted/);
    first.abort(new Error('deleted'));
    second.abort(new Error('deleted'));
    await gone;
    await assert.rejects(work.do('d', { signal: first.signal }), /deleted/);
    work.end('a');
    await clock.advance(0);
    work.end('c');
    assert.deepEqual(await Promise.all([all[0], all[2]]), ['a', 'c']);
    assert.deepEqual(begun, ['a', 'c']);
  });

  it('of starts is not held up by stops', async () => {
    const clock = new FakeClock();
    const lanes = createLanes(clock, 2);
    const begun: string[] = [];
    const stops = workIn(lanes.stops, begun);
    for (let count = 0; count < 100; count++) void stops.do(`stop ${count}`);
    void workIn(lanes.starts, begun).do('start');
    await clock.advance(0);
    assert.deepEqual(begun, ['stop 0', 'stop 1', 'stop 2', 'stop 3', 'start']);
  });
});
