/** The pod worker's state machine: single transitions as a table, and what holds whatever the order of events. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { deepFreeze } from '#api/deep-freeze.ts';
import type { Pod } from '#api/types.generated.ts';
import { aPod } from '../../pods.testing.ts';
import { initialState, next } from './next.ts';
import type { PodWorkerEffect, PodWorkerEvent, PodWorkerState } from './types.ts';

const running = aPod({ terminationGracePeriodSeconds: 30 });
const changed = aPod({ terminationGracePeriodSeconds: 30 }, { metadata: { resourceVersion: '2' } });
const deletedIn = (graceSeconds: number): Pod =>
  aPod(
    { terminationGracePeriodSeconds: 30 },
    { metadata: { deletionTimestamp: '2026-01-01T00:01:00Z', deletionGracePeriodSeconds: graceSeconds } },
  );

const woken: PodWorkerEvent = { kind: 'woken' };
const timeUp: PodWorkerEvent = { kind: 'timeUp' };
const admitted: PodWorkerEvent = { kind: 'admitted' };
const idle: PodWorkerEvent = { kind: 'synced', acted: false, waitMs: 60_000 };
const failed: PodWorkerEvent = { kind: 'failed', limitMs: 10_000 };
const ended: PodWorkerEvent = { kind: 'ended', verdict: undefined };
const rejected: PodWorkerEvent = { kind: 'rejected' };
const looked: PodWorkerEvent = { kind: 'looked' };
const confirmed: PodWorkerEvent = { kind: 'confirmed' };
const released: PodWorkerEvent = { kind: 'released' };
const cleared: PodWorkerEvent = { kind: 'cleared' };
const begun = (nowMs = 0): PodWorkerEvent => ({ kind: 'begun', nowMs });
const killed = (round = 1): PodWorkerEvent => ({ kind: 'killed', round });
const killFailed = (round = 1): PodWorkerEvent => ({ kind: 'killFailed', round, limitMs: 10_000 });
const updated = (pod: Pod, asksForStep = true, nowMs = 0): PodWorkerEvent => ({ kind: 'updated', pod, asksForStep, nowMs });
const left = (pod: Pod, nowMs = 0): PodWorkerEvent => ({ kind: 'left', pod, nowMs });

/** The last state, and what followed from the last event. Nothing that was given may be changed. */
function play(
  events: readonly PodWorkerEvent[],
  pod: Pod = running,
): { state: PodWorkerState; effects: readonly PodWorkerEffect[] } {
  let state = deepFreeze(initialState(pod));
  let effects: readonly PodWorkerEffect[] = [];
  for (const event of events) {
    [state, effects] = next(state, deepFreeze(event));
    deepFreeze(state);
  }
  return { state, effects };
}

/** `terminating kill`: the state and its step. */
function named(state: PodWorkerState): string {
  switch (state.kind) {
    case 'syncing':
    case 'terminated':
      return `${state.kind} ${state.step}`;
    case 'terminating':
      return `${state.kind} ${state.step.kind}`;
    case 'gone':
      return state.kind;
  }
}

/** `wait 500`, `kill 30 s`: enough of an effect to compare. */
function shown(effect: PodWorkerEffect): string {
  switch (effect.kind) {
    case 'wait':
      return `wait ${effect.ms}`;
    case 'kill':
      return `kill ${effect.graceSeconds} s${effect.skipPreStop ? ' without hooks' : ''}`;
    case 'sync':
      return effect.isAdmitted ? 'sync' : 'sync and admit';
    default:
      return effect.kind;
  }
}

const synced = [woken, admitted, idle];
const killing = [...synced, updated(deletedIn(30)), begun()];
const terminated = [...killing, killed(), confirmed];

const rows: [name: string, events: PodWorkerEvent[], state: string, effects: string[]][] = [
  ['begins with a sync', [woken], 'syncing sync', ['sync and admit']],
  ['waits after a sync that had nothing to do', synced, 'syncing wait', ['wait 60000']],
  ['syncs again at once after one that acted', [woken, admitted, { ...idle, acted: true }], 'syncing sync', ['sync']],
  ['syncs again when the wait is over', [...synced, timeUp], 'syncing sync', ['sync']],
  ['syncs when something changed', [...synced, woken], 'syncing sync', ['sync']],
  ['syncs for a new version', [...synced, updated(changed)], 'syncing sync', ['sync']],
  ['waits on at a version that asks for nothing', [...synced, updated(changed, false)], 'syncing wait', []],
  ['forgets nothing that happens during a sync', [woken, admitted, woken, idle], 'syncing sync', ['sync']],
  ['tries again after half a second', [woken, failed], 'syncing wait', ['wait 500']],
  ['tries again after twice the time', [woken, failed, timeUp, failed], 'syncing wait', ['wait 1000']],
  ['tries again at once when something happened meanwhile', [woken, woken, failed], 'syncing sync', ['sync and admit']],
  ['waits no longer than the limit', [woken, ...Array(9).fill([failed, timeUp]).flat(), failed], 'syncing wait', ['wait 10000']],
  ['begins with short waits after a success', [woken, failed, timeUp, idle, timeUp, failed], 'syncing wait', ['wait 500']],
  ['releases what a pod holds that is not taken', [woken, rejected], 'terminated release', ['release']],
  ['ends a pod that has ended', [...synced, timeUp, ended], 'terminating begin', ['begin']],
  ['ends a deleted pod', [...synced, updated(deletedIn(30))], 'terminating begin', ['begin']],
  ['ends a pod that left the API', [...synced, left(running)], 'terminating begin', ['begin']],
  ['aborts the sync of a deleted pod', [woken, updated(deletedIn(30))], 'syncing sync', ['abortSync']],
  ['ends a deleted pod after its sync', [woken, updated(deletedIn(30)), idle], 'terminating begin', ['begin']],
  ['ends a deleted pod after a sync that failed', [woken, updated(deletedIn(30)), failed], 'terminating begin', ['begin']],
  [
    'kills with the grace period of the deletion',
    [...synced, updated(deletedIn(7)), begun()],
    'terminating kill',
    ['kill 7 s', 'wait 60000'],
  ],
  [
    'kills with the pod’s grace period when it has ended',
    [woken, ended, begun()],
    'terminating kill',
    ['kill 30 s', 'wait 60000'],
  ],
  [
    'kills with the newest grace period',
    [woken, ended, updated(deletedIn(3)), begun()],
    'terminating kill',
    ['kill 3 s', 'look'],
  ],
  ['looks at the containers that stop', [...killing, woken], 'terminating kill', ['look']],
  ['looks at them from time to time', [...killing, timeUp], 'terminating kill', ['look']],
  ['waits for them after a look', [...killing, woken, looked], 'terminating kill', ['wait 60000']],
  ['looks again after what happened during a look', [...killing, woken, woken, looked], 'terminating kill', ['look']],
  [
    'kills once more for a shorter grace period',
    [...killing, updated(deletedIn(1), true, 5000)],
    'terminating kill',
    ['kill 1 s without hooks', 'look'],
  ],
  [
    'kills once more during a look',
    [...killing, woken, updated(deletedIn(1), true, 5000)],
    'terminating kill',
    ['kill 1 s without hooks'],
  ],
  ['does not kill again for one that ends later', [...killing, updated(deletedIn(10), false, 25_000)], 'terminating kill', []],
  ['does not kill again for a longer one', [...killing, updated(deletedIn(60), false)], 'terminating kill', []],
  [
    'does not kill again for a pod that left without a deletion',
    [woken, ended, begun(), left(aPod({ terminationGracePeriodSeconds: 1 }))],
    'terminating kill',
    ['look'],
  ],
  ['confirms when the containers have stopped', [...killing, killed()], 'terminating confirm', ['confirm']],
  ['confirms after the look under way', [...killing, woken, killed()], 'terminating kill', []],
  ['confirms once the look has ended', [...killing, woken, killed(), looked], 'terminating confirm', ['confirm']],
  ['is content with the second stop', [...killing, updated(deletedIn(1), false), killed()], 'terminating confirm', ['confirm']],
  [
    'waits for the first stop when the second fails',
    [...killing, updated(deletedIn(1), false), killFailed()],
    'terminating kill',
    [],
  ],
  ['starts again when every stop has failed', [...killing, killFailed()], 'terminating wait', ['wait 500']],
  [
    'starts again after the look when every stop has failed',
    [...killing, woken, killFailed(), looked],
    'terminating wait',
    ['wait 500'],
  ],
  ['starts again when a look fails', [...killing, woken, failed], 'terminating wait', ['wait 500']],
  ['starts again when containers still run', [...killing, killed(), failed], 'terminating wait', ['wait 500']],
  ['starts again at the beginning', [...killing, killFailed(), timeUp], 'terminating begin', ['begin']],
  ['starts again when a stop that was given up succeeds', [...killing, woken, failed, killed()], 'terminating begin', ['begin']],
  [
    'leaves a stop of an earlier round out of account',
    [...killing, woken, failed, timeUp, begun(), killFailed(1)],
    'terminating kill',
    [],
  ],
  [
    'grants no more in a second round',
    [woken, updated(deletedIn(5)), idle, begun(), killFailed(), updated(deletedIn(60)), begun()],
    'terminating kill',
    ['kill 5 s', 'wait 60000'],
  ],
  ['releases what the pod held', terminated, 'terminated release', ['release']],
  ['deletes a deleted pod from the API', [...terminated, released], 'terminated wait', ['finish', 'wait 600000']],
  ['keeps a pod that has ended', [woken, ended, begun(), killed(), confirmed, released], 'terminated wait', ['wait 600000']],
  [
    'deletes a pod that has ended once it is deleted',
    [woken, rejected, released, updated(deletedIn(0)), released],
    'terminated wait',
    ['finish', 'wait 600000'],
  ],
  ['clears a pod that left the API', [...terminated, released, left(deletedIn(0)), released], 'terminated clear', ['clear']],
  ['clears a pod that left during the release', [...terminated, left(deletedIn(0)), released], 'terminated clear', ['clear']],
  ['tries to release again', [...terminated, failed], 'terminated wait', ['wait 500']],
  [
    'releases again before it tries to clear again',
    [...terminated, left(running), released, failed, timeUp],
    'terminated release',
    ['release'],
  ],
  ['is gone', [...terminated, left(running), released, cleared], 'gone', ['end']],
  ['does nothing any more when gone', [...terminated, left(running), released, cleared, updated(running)], 'gone', []],
];

describe('the next state of a pod worker', () => {
  for (const [name, events, state, effects] of rows)
    it(name, () => {
      const result = play(events);
      assert.deepEqual([named(result.state), result.effects.map(shown)], [state, effects]);
    });
  it('never syncs a pod that is deleted from the beginning', () => {
    assert.equal(named(play([woken], deletedIn(30)).state), 'terminating begin');
  });
  it('remembers the verdict that ended the pod', () => {
    const verdict = { reason: 'DeadlineExceeded', message: 'too long' };
    const { state } = play([woken, { kind: 'ended', verdict }, begun(), woken]);
    assert.deepEqual(state.kind === 'terminating' && state.verdict, verdict);
  });
});

const somePod = fc
  .record({
    version: fc.nat(1000),
    own: fc.integer({ min: -1, max: 100 }),
    deletion: fc.option(fc.integer({ min: -1, max: 100 })),
  })
  .map(({ version, own, deletion }) =>
    aPod(
      { terminationGracePeriodSeconds: own },
      {
        metadata: {
          resourceVersion: String(version),
          ...(deletion === null ? {} : { deletionTimestamp: '2026-01-01T00:01:00Z', deletionGracePeriodSeconds: deletion }),
        },
      },
    ),
  );
const nowMs = fc.nat(200_000);
const limitMs = fc.constant(10_000);
const round = fc.integer({ min: 0, max: 4 });
const news: fc.Arbitrary<PodWorkerEvent> = fc.oneof(
  fc.record({ kind: fc.constant('updated' as const), pod: somePod, asksForStep: fc.boolean(), nowMs }),
  fc.record({ kind: fc.constant('left' as const), pod: somePod, nowMs }),
  fc.constant(woken),
);
const outcome: fc.Arbitrary<PodWorkerEvent> = fc.oneof(
  fc.constantFrom(timeUp, admitted, rejected, ended, looked, confirmed, released, cleared),
  fc.record({ kind: fc.constant('synced' as const), acted: fc.boolean(), waitMs: nowMs }),
  fc.record({ kind: fc.constant('begun' as const), nowMs }),
  fc.record({ kind: fc.constant('killed' as const), round }),
  fc.record({ kind: fc.constant('killFailed' as const), round, limitMs }),
  fc.record({ kind: fc.constant('failed' as const), limitMs }),
);

interface Transit {
  from: PodWorkerState;
  event: PodWorkerEvent;
  to: PodWorkerState;
  effects: readonly PodWorkerEffect[];
}

/** Any event at any time, also those that no worker would send. */
const anyEvents: fc.Arbitrary<Transit[]> = fc
  .tuple(somePod, fc.array(fc.oneof(news, outcome), { maxLength: 120 }))
  .map(([pod, events]) => {
    let from = initialState(pod);
    return events.map((event) => {
      const [to, effects] = next(from, event);
      const transit = { from, event, to, effects };
      from = to;
      return transit;
    });
  });

/** What a worker really sends: news at any time, and one outcome for each thing that is under way. */
class SimulatedWorker {
  readonly transits: Transit[] = [];
  state: PodWorkerState;
  readonly #kills: number[] = [];
  #step: string | undefined;
  #isWaiting = false;
  #nowMs = 0;

  constructor(pod: Pod) {
    this.state = initialState(pod);
    this.send(woken);
  }

  send(event: PodWorkerEvent): void {
    const from = this.state;
    const [to, effects] = next(from, event);
    this.state = to;
    this.transits.push({ from, event, to, effects });
    for (const effect of effects) {
      if (effect.kind === 'wait') this.#isWaiting = true;
      else if (effect.kind === 'kill') this.#kills.push(effect.round);
      else if (effect.kind !== 'abortSync' && effect.kind !== 'finish' && effect.kind !== 'end') {
        assert.equal(this.#step, undefined, `${effect.kind} begins during ${this.#step}`);
        this.#step = effect.kind;
        this.#isWaiting = false;
      }
    }
    const isAlive = this.#step !== undefined || this.#isWaiting || this.#kills.length > 0 || to.kind === 'gone';
    assert.ok(isAlive, `nothing is under way in ${named(to)}`);
  }

  /** The step, a stop, or the wait ends. */
  end(what: 'step' | 'stop', succeeds: boolean): void {
    this.#nowMs += 1000;
    const step = this.#step;
    if (this.#kills.length > 0 && (what === 'stop' || step === undefined)) {
      const stop = this.#kills.shift() ?? 0;
      this.send(succeeds ? killed(stop) : killFailed(stop));
    } else if (step !== undefined) {
      this.#step = undefined;
      this.send(succeeds ? this.#success(step) : failed);
    } else if (this.#isWaiting) {
      this.#isWaiting = false;
      this.send(timeUp);
    }
  }

  #success(step: string): PodWorkerEvent {
    const outcomes: Record<string, PodWorkerEvent> = {
      sync: idle,
      begin: begun(this.#nowMs),
      look: looked,
      confirm: confirmed,
      release: released,
      clear: cleared,
    };
    return outcomes[step] ?? assert.fail(`no outcome of ${step}`);
  }
}

/** Mostly things that end, and mostly well: else few pods would come far. */
const workers: fc.Arbitrary<SimulatedWorker> = fc
  .tuple(
    somePod,
    fc.array(
      fc.oneof(
        { weight: 2, arbitrary: news },
        {
          weight: 5,
          arbitrary: fc.record({
            what: fc.constantFrom('step', 'step', 'stop'),
            succeeds: fc.constantFrom(true, true, true, false),
          }),
        },
      ),
      { maxLength: 80 },
    ),
  )
  .map(([pod, list]) => {
    const worker = new SimulatedWorker(pod);
    for (const one of list) {
      if ('kind' in one) worker.send(one);
      else worker.end(one.what as 'step' | 'stop', one.succeeds);
    }
    return worker;
  });

const numRuns = 2000;
/** Whether `check` holds for the transitions of real workers and for any others. */
const holds = (check: (transits: readonly Transit[]) => void): void => {
  fc.assert(fc.property(anyEvents, check), { numRuns });
  fc.assert(
    fc.property(workers, ({ transits }) => check(transits)),
    { numRuns },
  );
};

describe('whatever the order of events', () => {
  it('goes forward only, over no state, and only at the end of the step that leads there', () => {
    const allowed = [
      'syncing wait → terminating begin',
      'syncing sync → terminating begin',
      'syncing sync → terminated release',
      'terminating confirm → terminated release',
      'terminated clear → gone',
    ];
    holds((transits) => {
      for (const { from, to } of transits)
        if (from.kind !== to.kind) assert.ok(allowed.includes(`${named(from)} → ${named(to)}`), `${named(from)} → ${named(to)}`);
    });
  });

  it('skips no step', () => {
    const earlier: Record<string, string[]> = {
      kill: ['begin'],
      confirm: ['begin', 'kill'],
      clear: ['release'],
      finish: ['release'],
      end: ['release', 'clear'],
    };
    holds((transits) => {
      const done = new Set<string>();
      for (const { effects } of transits)
        for (const { kind } of effects) {
          for (const needed of earlier[kind] ?? []) assert.ok(done.has(needed), `${kind} without ${needed}`);
          done.add(kind);
        }
    });
  });

  it('only shortens the grace period', () => {
    holds((transits) => {
      let granted = Number.POSITIVE_INFINITY;
      for (const { effects } of transits)
        for (const effect of effects) {
          if (effect.kind !== 'kill') continue;
          assert.ok(effect.graceSeconds >= 1 && effect.graceSeconds <= granted, `${effect.graceSeconds} after ${granted}`);
          granted = effect.graceSeconds;
        }
    });
  });

  it('works on the newest version', () => {
    holds((transits) => {
      for (const { from, event, to } of transits)
        assert.equal(to.pod, 'pod' in event && from.kind !== 'gone' ? event.pod : from.pod);
    });
  });

  it('neither syncs a pod that has to end, nor lets it wait in syncing', () => {
    holds((transits) => {
      for (const { to, effects } of transits) {
        const hasToEnd = to.pod.metadata.deletionTimestamp !== undefined || to.hasLeft;
        if (!hasToEnd || to.kind !== 'syncing') continue;
        assert.ok(
          effects.every(({ kind }) => kind === 'abortSync'),
          effects.map(shown).join(', '),
        );
      }
    });
  });

  it('does one step at a time, and is never left with nothing under way', () => {
    fc.assert(
      fc.property(workers, () => undefined),
      { numRuns },
    );
  });

  it('comes to the end of a pod that left the API, whatever has failed before', () => {
    fc.assert(
      fc.property(workers, (worker) => {
        worker.send(left(worker.state.pod));
        for (let more = 0; more < 200 && worker.state.kind !== 'gone'; more++) worker.end('step', true);
        assert.equal(worker.state.kind, 'gone');
      }),
      { numRuns },
    );
  });
});
