import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { FakeApi } from './api.testing.ts';
import { FakeClock } from './clock.ts';
import type { Controller } from './controller.ts';
import { done, requeueAfter } from './controller.ts';
import { own, ownedBy, runController, runControllerSet } from './controller-runner.ts';
import { createInformers } from './informers.ts';
import { createClient } from './rest-client.ts';

const log = pino({ level: 'silent' });

async function running(
  controller: (clock: FakeClock, reconciled: string[]) => Controller,
  body: (world: {
    clock: FakeClock;
    reconciled: string[];
    create(name: string, owner?: string): Promise<unknown>;
  }) => Promise<void>,
): Promise<void> {
  const clock = new FakeClock();
  const client = createClient(new FakeApi().transport, { userAgent: 'test' });
  const informers = createInformers({ client, clock, log, random: () => 0.5 });
  const abort = new AbortController();
  const reconciled: string[] = [];
  const ends = [
    informers.run(abort.signal),
    runController(controller(clock, reconciled), { informers, clock, log }, abort.signal),
  ];
  const create = (name: string, owner?: string) =>
    client.resource('configmaps').create({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: {
        name,
        namespace: 'ns',
        ...(owner === undefined
          ? {}
          : { ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: owner, uid: 'u', controller: true }] }),
      },
    });
  await clock.advance(0);
  await body({ clock, reconciled, create });
  abort.abort();
  await Promise.all(ends);
}

describe('controller runner', () => {
  it('gives changes to the reconciler as keys, its own and its owner', async () => {
    await running(
      (_, reconciled) => ({
        name: 'test',
        watches: [own('configmaps'), ownedBy('configmaps', 'ReplicaSet')],
        reconcile: async (key) => {
          reconciled.push(key);
          return done;
        },
      }),
      async ({ clock, reconciled, create }) => {
        await create('a', 'web');
        await clock.advance(0);
        assert.deepEqual(reconciled, ['ns/a', 'ns/web']);
      },
    );
  });

  it('tries a failed key again, later each time', async () => {
    await running(
      (clock, reconciled) => ({
        name: 'test',
        watches: [own('configmaps')],
        reconcile: async () => {
          reconciled.push(String(clock.now() - Date.UTC(2026, 0, 1)));
          if (reconciled.length < 4) throw new Error('no');
          return done;
        },
      }),
      async ({ clock, reconciled, create }) => {
        await create('a');
        await clock.advance(60_000);
        assert.deepEqual(reconciled, ['0', '5', '15', '35']);
      },
    );
  });

  it('looks again after the time asked for, and at every resync', async () => {
    await running(
      (clock, reconciled) => ({
        name: 'test',
        watches: [own('configmaps')],
        resyncMs: 10_000,
        reconcile: async () => {
          reconciled.push(String((clock.now() - Date.UTC(2026, 0, 1)) / 1000));
          return reconciled.length === 1 ? requeueAfter(3000) : done;
        },
      }),
      async ({ clock, reconciled, create }) => {
        await create('a');
        await clock.advance(25_000);
        assert.deepEqual(reconciled, ['0', '3', '10', '20']);
      },
    );
  });

  it('finishes the reconcile under way before it settles', async () => {
    let finish = (): void => undefined;
    let finished = false;
    await running(
      () => ({
        name: 'test',
        watches: [own('configmaps')],
        reconcile: async (_, signal) => {
          signal.addEventListener('abort', () => setImmediate(finish));
          await new Promise<void>((resolve) => (finish = resolve));
          finished = true;
          return done;
        },
      }),
      async ({ clock, create }) => {
        await create('a');
        await clock.advance(0);
      },
    );
    assert.equal(finished, true);
  });

  it('lets the others run when one fails: in its reconcile, in the mapping of changes to keys, or as a whole', async () => {
    const clock = new FakeClock();
    const client = createClient(new FakeApi().transport, { userAgent: 'test' });
    const informers = createInformers({ client, clock, log, random: () => 0.5 });
    const abort = new AbortController();
    const reconciled: string[] = [];
    let begun = 0;
    const failing = (): never => {
      throw new Error('broken');
    };
    const controllers: Controller[] = [
      { name: 'reconcile', watches: [own('configmaps')], reconcile: async () => failing() },
      { name: 'keys', watches: [{ resource: 'configmaps', keys: failing }], reconcile: async () => done },
      {
        name: 'whole',
        get watches(): Controller['watches'] {
          // It is well from its third start on.
          if (++begun <= 2) failing();
          return [own('configmaps')];
        },
        reconcile: async (key) => {
          reconciled.push(`whole ${key}`);
          return done;
        },
      },
      {
        name: 'well',
        watches: [own('configmaps')],
        reconcile: async (key) => {
          reconciled.push(`well ${key}`);
          return done;
        },
      },
    ];
    const ends = [informers.run(abort.signal), runControllerSet(controllers, { informers, clock, log }, abort.signal)];
    await clock.advance(0);
    await client.resource('configmaps').create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', namespace: 'ns' } });
    await clock.advance(1000);
    assert.deepEqual(reconciled, ['well ns/a']);
    await clock.advance(20_000);
    assert.deepEqual(reconciled, ['well ns/a', 'whole ns/a']);
    abort.abort();
    await Promise.all(ends);
  });
});
