import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import type { KubeObject } from '#api/meta.ts';
import { keyOf } from '#api/meta.ts';
import { FakeApi, status } from './api.testing.ts';
import { FakeClock } from './clock.ts';
import { InformerCache } from './informer-cache.ts';
import { createInformers } from './informers.ts';
import type { ReflectorOutcome, ReflectorState } from './reflector.ts';
import { step } from './reflector.ts';
import { createClient } from './rest-client.ts';

const log = pino({ level: 'silent' });

function object(name: string, resourceVersion: string, more: Partial<KubeObject['metadata']> = {}): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace: 'ns', uid: `uid-${name}`, resourceVersion, creationTimestamp: '', ...more },
  };
}

describe('reflector step', () => {
  const listing: ReflectorState = { kind: 'listing', failures: 0 };
  const watching: ReflectorState = { kind: 'watching', resourceVersion: '5', failures: 0, justListed: false };
  const justListed: ReflectorState = { ...watching, justListed: true };
  const cases: [string, ReflectorState, ReflectorOutcome, ReflectorState][] = [
    ['watches from the version listed', listing, { kind: 'listed', resourceVersion: '5' }, justListed],
    [
      'resumes from the newest event',
      watching,
      { kind: 'progressed', resourceVersion: '6' },
      { ...watching, resourceVersion: '6' },
    ],
    [
      'lists at once when the version is gone, after failures too',
      { ...watching, failures: 2 },
      { kind: 'expired' },
      { kind: 'listing', failures: 2 },
    ],
    [
      'keeps count of failures over a list that succeeds',
      { kind: 'listing', failures: 1 },
      { kind: 'listed', resourceVersion: '5' },
      { ...justListed, failures: 1 },
    ],
    [
      'waits before the list when the version just listed is gone, too',
      { ...justListed, failures: 1 },
      { kind: 'expired' },
      { kind: 'waiting', delayMs: 2400, next: { kind: 'listing', failures: 2 } },
    ],
    [
      'begins to count anew with an event',
      { ...justListed, failures: 3 },
      { kind: 'progressed', resourceVersion: '5' },
      watching,
    ],
    ['watches on at once when the time of a watch is over', justListed, { kind: 'ended', veryShort: false }, watching],
    [
      'waits after a watch that ended as soon as it began',
      justListed,
      { kind: 'ended', veryShort: true },
      { kind: 'waiting', delayMs: 1200, next: { ...justListed, failures: 1 } },
    ],
    [
      'has seen the listed version work when a quiet watch breaks',
      justListed,
      { kind: 'failed', lastedMs: 1000 },
      { kind: 'waiting', delayMs: 1200, next: { ...watching, failures: 1 } },
    ],
    [
      'watches on from the same version after a failure',
      watching,
      { kind: 'failed', lastedMs: 0 },
      { kind: 'waiting', delayMs: 1200, next: { ...watching, failures: 1 } },
    ],
    [
      'waits longer after each failure',
      { ...listing, failures: 3 },
      { kind: 'failed', lastedMs: 0 },
      { kind: 'waiting', delayMs: 9600, next: { ...listing, failures: 4 } },
    ],
    [
      'waits no longer than half a minute and half of that again',
      { ...listing, failures: 50 },
      { kind: 'failed', lastedMs: 119_999 },
      { kind: 'waiting', delayMs: 45_000, next: { ...listing, failures: 51 } },
    ],
    [
      'waits shortly again after two healthy minutes',
      { ...watching, failures: 5 },
      { kind: 'failed', lastedMs: 120_000 },
      { kind: 'waiting', delayMs: 1200, next: { ...watching, failures: 1 } },
    ],
    ['goes on when the delay is over', { kind: 'waiting', delayMs: 1, next: watching }, { kind: 'waited' }, watching],
  ];
  for (const [name, state, outcome, next] of cases) it(name, () => assert.deepEqual(step(state, outcome, 0.5), next));
});

describe('informer cache', () => {
  it('tells of a re-creation under the same name as of two changes', () => {
    const cache = new InformerCache();
    cache.put(object('a', '1'));
    const changes = cache.put(object('a', '2', { uid: 'other' }));
    assert.deepEqual(
      changes.map(({ kind }) => kind),
      ['deleted', 'added'],
    );
  });

  it('keeps the indexes by namespace and owner right when they change', () => {
    const cache = new InformerCache();
    const owner = { metadata: { uid: 'o1' } };
    const owned = object('a', '1', {
      ownerReferences: [{ apiVersion: 'v1', kind: 'X', name: 'x', uid: 'o1', controller: true }],
    });
    cache.put(owned);
    assert.deepEqual(cache.ownedBy(owner), [owned]);
    cache.put(object('a', '2'));
    assert.deepEqual([cache.ownedBy(owner), cache.list('ns').length, cache.list('other')], [[], 1, []]);
    cache.replace([]);
    assert.deepEqual([cache.list(), cache.list('ns')], [[], []]);
  });

  it('turns a full list into the changes that lead to it', () => {
    const cache = new InformerCache();
    for (const one of [object('same', '1'), object('gone', '1'), object('new-version', '1')]) cache.put(one);
    const changes = cache.replace([object('same', '1'), object('new-version', '2'), object('new', '3')]);
    assert.deepEqual(
      changes.map((change) => [change.kind, keyOf(change.object)]),
      [
        ['deleted', 'ns/gone'],
        ['updated', 'ns/new-version'],
        ['added', 'ns/new'],
      ],
    );
  });
});

describe('informer', () => {
  const setUp = () => {
    const api = new FakeApi();
    const clock = new FakeClock();
    const client = createClient(api.transport, { userAgent: 'test' });
    const informers = createInformers({ client, clock, log, random: () => 0.5 });
    const abort = new AbortController();
    const seen: string[] = [];
    const informer = informers.informer('configmaps');
    informer.subscribe({
      added: (one) => seen.push(`+${one.metadata.name}`),
      updated: (one) => seen.push(`~${one.metadata.name}`),
      deleted: (one) => seen.push(`-${one.metadata.name}`),
    });
    const create = (name: string) =>
      client.resource('configmaps').create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'ns' } });
    const remove = (name: string) => client.resource('configmaps').delete({ namespace: 'ns', name });
    return { api, clock, informers, informer, abort, seen, create, remove };
  };

  it('lists, then follows the changes', async () => {
    const { clock, informers, informer, abort, seen, create, remove } = setUp();
    await create('a');
    const running = informers.run(abort.signal);
    await informers.untilSynced(abort.signal);
    await clock.advance(0);
    await create('b');
    await remove('a');
    await clock.advance(0);
    assert.deepEqual(seen, ['+a', '+b', '-a']);
    assert.deepEqual(
      informer.cache.list().map((one) => one.kind),
      ['ConfigMap'],
    );
    abort.abort();
    await running;
  });

  it('loses nothing while the watch is down, and does not list again', async () => {
    const { api, clock, informers, abort, seen, create } = setUp();
    const running = informers.run(abort.signal);
    await clock.advance(0);
    api.closeWatches();
    await create('while-away');
    await clock.advance(2000);
    assert.deepEqual(seen, ['+while-away']);
    assert.equal(api.requests.filter(({ path }) => !path.includes('watch=') && path === '/api/v1/configmaps').length, 1);
    abort.abort();
    await running;
  });

  it('lists again when its version is gone, and tells what changed meanwhile', async () => {
    const { api, clock, informers, abort, seen, create, remove } = setUp();
    await create('a');
    const running = informers.run(abort.signal);
    await clock.advance(5000);
    api.closeWatches();
    await remove('a');
    await create('b');
    api.compact();
    await clock.advance(2000);
    assert.deepEqual(seen, ['+a', '-a', '+b']);
    abort.abort();
    await running;
  });

  it('lists at growing intervals from a server that knows no version it has just told', async () => {
    const { api, clock, informers, abort } = setUp();
    api.intercept = ({ path }) => (path.includes('watch=') ? status(410, 'Expired', 'too old resource version') : undefined);
    const running = informers.run(abort.signal);
    await clock.advance(60_000);
    const lists = api.requests.filter(({ path }) => !path.includes('watch=')).length;
    assert.ok(lists >= 4 && lists <= 8, `${lists} lists within a minute`);
    abort.abort();
    await running;
  });

  it('keeps trying while the server cannot be reached', async () => {
    const { api, clock, informers, informer, abort, create } = setUp();
    await create('a');
    api.intercept = () => new Error('connect ECONNREFUSED');
    const running = informers.run(abort.signal);
    await clock.advance(60_000);
    assert.equal(informer.synced, false);
    api.intercept = undefined;
    await clock.advance(60_000);
    assert.equal(informer.synced, true);
    abort.abort();
    await running;
  });

  it('starts an informer that is first asked for while running', async () => {
    const { clock, informers, abort } = setUp();
    const running = informers.run(abort.signal);
    await clock.advance(0);
    const late = informers.informer('pods');
    await clock.advance(0);
    assert.equal(late.synced, true);
    abort.abort();
    await running;
  });
});
