/** Fair queuing: properties for random flows and requests, and the cases of upstream's `queueset_test.go`, rewritten. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { FakeClock } from '#client/clock.ts';
import type { Admission, Ticket, Work } from './queue.ts';
import { QueueSet, type QueueSetConfig } from './queue-set.ts';
import { deal } from './shuffle-sharding.ts';

const observer = { queued() {}, executing() {}, lengthAfterEnqueue() {}, noAccommodation() {} };
const one: Work = { initialSeats: 1, finalSeats: 0, additionalMs: 0 };
const many: QueueSetConfig = { queues: 16, handSize: 3, queueLength: 100 };

function world(config: QueueSetConfig, limit: number) {
  const clock = new FakeClock();
  const queues = new QueueSet(config, limit, clock, observer);
  const start = (distinguisher: string, work: Work = one, waitMs = 60_000, signal?: AbortSignal): Admission =>
    queues.start({ schema: 's', distinguisher, work, waitMs, signal });
  return { clock, queues, start };
}
const isTicket = (admission: unknown): admission is Ticket =>
  typeof admission === 'object' && admission !== null && 'leave' in admission;

/**
 * Simulates flows that always have their maximum number of requests running; each request takes `ms`. Counts the served requests of each
 * flow in `rounds` steps of one millisecond.
 */
async function serve(
  flows: readonly { at: number; ms: number; seats: number }[],
  limit: number,
  rounds: number,
): Promise<number[]> {
  const { clock, queues, start } = world(many, limit);
  const served = flows.map(() => 0);
  let inUse = 0;
  const send = (flow: number): void => {
    const { ms, seats } = flows[flow] as { at: number; ms: number; seats: number };
    const admission = start(`flow-${flow}`, { ...one, initialSeats: seats });
    const run = (ticket: Ticket): void => {
      inUse += seats;
      assert.ok(inUse <= Math.max(limit, seats), 'no more seats than there are');
      clock.after(ms, () => {
        inUse -= seats;
        served[flow] = (served[flow] ?? 0) + seats * ms;
        ticket.leave();
        send(flow);
      });
    };
    if (admission instanceof Promise) void admission.then((result) => (isTicket(result) ? run(result) : undefined));
    else if (isTicket(admission)) run(admission);
  };
  for (const [flow, { at }] of flows.entries()) for (let count = 0; count < at; count++) send(flow);
  await clock.advance(rounds);
  assert.ok(queues.seatsInUse <= Math.max(limit, ...flows.map(({ seats }) => seats)));
  return served;
}

describe('queues of a level', () => {
  it('serve at once while there are seats, then in turn, and refuse when a queue is full', async () => {
    const { start, queues } = world({ queues: 1, handSize: 1, queueLength: 2 }, 1);
    const first = start('a');
    assert.ok(isTicket(first));
    const second = start('a');
    const third = start('b');
    assert.ok(second instanceof Promise && third instanceof Promise);
    assert.equal(start('c'), 'queue-full');
    first.leave();
    const ticket = await second;
    assert.ok(isTicket(ticket));
    ticket.leave();
    const last = await third;
    assert.ok(isTicket(last));
    last.leave();
    assert.ok(queues.isIdle && queues.seatsInUse === 0);
  });

  it('refuse who waits too long, and forget who leaves', async () => {
    const { clock, start, queues } = world({ queues: 1, handSize: 1, queueLength: 9 }, 1);
    const first = start('a') as Ticket;
    const gone = new AbortController();
    const late = start('a', one, 100);
    const left = start('a', one, 60_000, gone.signal);
    gone.abort();
    assert.equal(await left, 'cancelled');
    await clock.advance(101);
    assert.equal(await late, 'time-out');
    first.leave();
    assert.deepEqual([queues.isIdle, queues.counts.timedOut, queues.counts.rejected], [true, 1, 2]);
  });

  it('without queues serve or refuse at once; exempt ones have no limit', () => {
    const { start } = world({ queues: 0, handSize: 1, queueLength: 0 }, 2);
    assert.ok(isTicket(start('a')) && isTicket(start('a')));
    assert.equal(start('a'), 'concurrency-limit');
    const exempt = world({ queues: -1, handSize: 1, queueLength: 0 }, 0);
    for (let count = 0; count < 1000; count++) assert.ok(isTicket(exempt.start('a')));
  });

  it('serve a request that is larger than all of it alone', async () => {
    const { start } = world({ queues: 4, handSize: 1, queueLength: 9 }, 2);
    const small = start('a') as Ticket;
    const large = start('b', { ...one, initialSeats: 5 });
    const other = start('a');
    assert.ok(large instanceof Promise && other instanceof Promise);
    small.leave();
    const ticket = await Promise.race([large, other]);
    assert.ok(isTicket(ticket));
  });

  it('keep the seats of a change while its watchers are told', async () => {
    const { clock, start, queues } = world({ queues: 1, handSize: 1, queueLength: 9 }, 4);
    (start('a', { initialSeats: 1, finalSeats: 4, additionalMs: 20 }) as Ticket).leave();
    assert.equal(queues.seatsInUse, 4);
    const next = start('a');
    await clock.advance(21);
    assert.ok(isTicket(await next));
    assert.equal(queues.seatsInUse, 1);
  });

  it('serve waiting requests when the level gets more seats', async () => {
    const { start, queues } = world({ queues: 1, handSize: 1, queueLength: 9 }, 1);
    assert.ok(isTicket(start('a')));
    const second = start('a');
    queues.setLimit(2);
    assert.ok(isTicket(await second));
  });

  it('give a flow that sends little what it asks for, however much another sends', async () => {
    const [flood = 0, calm = 0] = await serve(
      [
        { at: 80, ms: 10, seats: 1 },
        { at: 2, ms: 10, seats: 1 },
      ],
      8,
      2000,
    );
    assert.ok(flood > 0);
    // Two requests at a time. They wait at most for the end of a running request.
    assert.ok(calm >= 2 * 2000 * 0.45, `the calm one got ${calm} of 4000`);
  });

  it('give busy flows equal shares, whatever their requests take', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ ms: fc.integer({ min: 2, max: 20 }), seats: fc.integer({ min: 1, max: 3 }) }), {
          minLength: 2,
          maxLength: 3,
        }),
        async (kinds) => {
          // Enough requests to fill all seats and all queues of its hand.
          const served = await serve(
            kinds.map((kind) => ({ ...kind, at: 40 })),
            6,
            4000,
          );
          const [least, most] = [Math.min(...served), Math.max(...served)];
          // The hands of two flows may overlap. No flow gets less than a third of another.
          assert.ok(least * 3 >= most, JSON.stringify(served));
          assert.ok(served.reduce((sum, amount) => sum + amount, 0) >= 6 * 4000 * 0.6, 'seats are used');
        },
      ),
      { numRuns: 15 },
    );
  });

  it('lose no request: each is served, refused or gone, and all seats come back', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            flow: fc.integer({ min: 0, max: 5 }),
            seats: fc.integer({ min: 1, max: 4 }),
            final: fc.integer({ min: 0, max: 4 }),
            lasts: fc.integer({ min: 0, max: 30 }),
            leaves: fc.boolean(),
            gap: fc.integer({ min: 0, max: 3 }),
          }),
          { maxLength: 60 },
        ),
        fc.integer({ min: 1, max: 5 }),
        async (requests, limit) => {
          const { clock, queues, start } = world({ queues: 4, handSize: 2, queueLength: 3 }, limit);
          let decided = 0;
          for (const { flow, seats, final, lasts, leaves, gap } of requests) {
            await clock.advance(gap);
            const gone = new AbortController();
            const work = { initialSeats: seats, finalSeats: final, additionalMs: final === 0 ? 0 : 2 };
            const admission = start(String(flow), work, 25, gone.signal);
            const end = (result: unknown): void => {
              decided += 1;
              if (isTicket(result)) clock.after(lasts, () => result.leave());
            };
            if (admission instanceof Promise) {
              void admission.then(end);
              if (leaves) clock.after(5, () => gone.abort());
            } else end(admission);
          }
          await clock.advance(1000);
          assert.equal(decided, requests.length);
          assert.deepEqual([queues.isIdle, queues.seatsInUse, queues.waiting], [true, 0, 0]);
          for (const queue of queues.queues) assert.deepEqual([queue.seatsInUse, queue.seatsWaiting], [0, 0]);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('shuffle sharding', () => {
  it('deals different cards of the deck, the same for the same hash', () =>
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        fc.integer({ min: 8, max: 128 }),
        fc.integer({ min: 1, max: 8 }),
        (hash, deck, size) => {
          const hand = deal(hash, deck, size);
          assert.equal(new Set(hand).size, size);
          assert.ok(hand.every((card) => card >= 0 && card < deck));
          assert.deepEqual(deal(hash, deck, size), hand);
        },
      ),
    ));
  it('deals as upstream does', () => {
    assert.deepEqual(deal(0n, 128, 4), [0, 1, 2, 3]);
    // 6 = 2 + 4 × (1 + 3 × 0): of four cards the third, of the three left the second.
    assert.deepEqual(deal(6n, 4, 3), [2, 1, 0]);
  });
});
