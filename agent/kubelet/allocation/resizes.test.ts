import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { pino } from 'pino';
import type { Node, Pod, PodSpec } from '#api/types.generated.ts';
import { FakeClock } from '#client/clock.ts';
import { aContainer, aPod, observedContainer } from '../pods.testing.ts';
import { type Checkpoints, createCheckpoints } from './checkpoints.ts';
import { Resizes } from './resizes.ts';

const log = pino({ level: 'silent' });

describe('resizes', () => {
  let folder: string;
  let clock: FakeClock;
  let admitted: Map<string, Pod>;
  let events: string[];
  let woken: string[];
  let node: Node;
  let checkpoints: Checkpoints;
  let resizes: Resizes;

  const made = (): Resizes =>
    new Resizes({
      checkpoints,
      clock,
      log,
      events: { event: (about, type, reason) => void events.push(`${(about as { name: string }).name} ${type} ${reason}`) },
      node: () => node,
      wake: (uid) => void woken.push(uid),
    });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'resizes-'));
    clock = new FakeClock();
    admitted = new Map();
    [events, woken] = [[], []];
    const status = { allocatable: { cpu: '10', memory: '10Gi', pods: '10' } };
    node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' }, spec: {}, status } as unknown as Node;
    checkpoints = createCheckpoints(folder, join(folder, 'records'), log);
    resizes = made();
  });
  afterEach(async () => {
    for (const uid of admitted.keys()) await resizes.settled(uid);
    await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  });

  const pod = (name: string, cpu: string, generation = 1, more: Partial<PodSpec> = {}): Pod =>
    aPod(
      { containers: [aContainer('c', { resources: { requests: { cpu } } })], ...more },
      { metadata: { name, uid: name, generation } },
    );
  const comes = (one: Pod): void => {
    admitted.set(one.metadata.uid, one);
    resizes.admit(one);
  };
  const changes = (one: Pod): void => {
    admitted.set(one.metadata.uid, one);
    resizes.update(one);
  };
  const goes = (name: string): void => {
    admitted.delete(name);
    resizes.forget(name);
  };
  const has = (name: string): unknown =>
    resizes.allocated(admitted.get(name) as Pod).spec.containers[0]?.resources?.requests?.['cpu'];
  const conditions = (name: string): string[] =>
    resizes.conditions(name).map(({ type, reason = '', observedGeneration }) => `${type} ${reason} ${observedGeneration}`);

  it('are granted when the node has room, told, and carried out by the worker', () => {
    comes(pod('a', '2'));
    changes(pod('a', '4', 2));
    assert.deepEqual([has('a'), conditions('a'), woken], ['4', ['PodResizeInProgress  2'], ['a']]);
    resizes.observed(pod('a', '4', 2), true);
    resizes.observed(pod('a', '4', 2), false);
    assert.deepEqual(conditions('a'), []);
    assert.deepEqual(events, ['a Normal ResizeStarted', 'a Normal ResizeCompleted']);
  });

  it('wait while others hold what they ask for; the pod keeps what it has', () => {
    comes(pod('a', '2'));
    comes(pod('b', '7'));
    changes(pod('a', '5', 2));
    assert.deepEqual([has('a'), conditions('a')], ['2', ['PodResizePending Deferred 2']]);
    assert.equal(
      resizes.conditions('a')[0]?.message,
      "Node didn't have enough resource: cpu, requested: 5000, used: 7000, capacity: 10000",
    );
    resizes.retry();
    assert.deepEqual([events, woken], [['a Warning ResizeDeferred'], ['a']]);
    goes('b');
    assert.deepEqual([has('a'), conditions('a')], ['5', ['PodResizeInProgress  2']]);
  });

  it('are infeasible when the node does not have as much, until it has, or they ask for less', () => {
    comes(pod('a', '2'));
    changes(pod('a', '11', 2));
    assert.deepEqual(
      [has('a'), conditions('a'), events],
      ['2', ['PodResizePending Infeasible 2'], ['a Warning ResizeInfeasible']],
    );
    changes(pod('a', '2', 3));
    assert.deepEqual([has('a'), conditions('a')], ['2', []]);
  });

  it('count what the containers of others still have of a larger promise', () => {
    comes(pod('a', '2'));
    comes(pod('b', '7'));
    changes(pod('b', '1', 2));
    const running = (cpu: string): Pod => {
      const status = { name: 'c', image: '', imageID: '', ready: true, restartCount: 0, resources: { requests: { cpu } } };
      return { ...pod('b', '1', 2), status: { containerStatuses: [status] } };
    };
    changes(running('7'));
    changes(pod('a', '5', 2));
    assert.deepEqual(conditions('a'), ['PodResizePending Deferred 2']);
    changes(running('1'));
    assert.deepEqual([has('a'), conditions('a')], ['5', ['PodResizeInProgress  2']]);
  });

  it('are granted in this order: no more than before, priority, guaranteed pods, who waits longer', async () => {
    const limits = { requests: { cpu: '1', memory: '1Gi' }, limits: { cpu: '1', memory: '1Gi' } };
    const guaranteed = (cpu: string): Partial<PodSpec> => {
      const resources = { requests: { ...limits.requests, cpu }, limits: { ...limits.limits, cpu } };
      return { containers: [aContainer('c', { resources })] };
    };
    comes(pod('holds', '5'));
    comes(pod('last', '1'));
    comes(pod('first', '1'));
    comes(pod('sure', '1', 1, guaranteed('1')));
    comes(pod('urgent', '1', 1, { priority: 5 }));
    changes(pod('first', '5', 2));
    await clock.advance(5000);
    changes(pod('last', '5', 2));
    changes(pod('sure', '1', 2, guaranteed('5')));
    changes(pod('urgent', '5', 2, { priority: 5 }));
    for (const name of ['holds', 'urgent', 'sure']) goes(name);
    const granted = events.filter((event) => event.endsWith(' ResizeStarted')).map((event) => event.split(' ')[0]);
    assert.deepEqual(granted, ['urgent', 'sure', 'first', 'last']);
  });

  it('that fail are told once for each reason, and tried again', () => {
    comes(pod('a', '2'));
    changes(pod('a', '4', 2));
    const allocated = resizes.allocated(admitted.get('a') as Pod);
    resizes.failed(allocated, 'no');
    resizes.failed(allocated, 'no');
    assert.deepEqual([conditions('a'), events.slice(1)], [['PodResizeInProgress Error 2'], ['a Warning ResizeError']]);
    changes(pod('a', '3', 3));
    assert.deepEqual(conditions('a'), ['PodResizeInProgress  3']);
  });

  it('of a pod that ends are over', () => {
    comes(pod('a', '2'));
    changes(pod('a', '11', 2));
    resizes.ended('a');
    assert.deepEqual(conditions('a'), []);
  });

  it('survive a restart: what was promised, what was given, and what waits', async () => {
    comes(pod('a', '2'));
    comes(pod('b', '7'));
    changes(pod('a', '3', 2));
    resizes.record('a', 'c', 'c-0', { requests: { cpu: '3' } });
    await resizes.settled('a');
    await resizes.settled('b');

    resizes = made();
    await resizes.load();
    const told = { type: 'PodResizePending', status: 'True', reason: 'Deferred', observedGeneration: 3 };
    comes({ ...pod('a', '4', 3), status: { conditions: [told] } });
    // Pod b holds its share, though it has not come yet.
    assert.deepEqual([has('a'), conditions('a')], ['3', ['PodResizePending Deferred 3']]);
    const container = observedContainer(aContainer('c'), 'running');
    assert.deepEqual(resizes.actuated('a', container), { requests: { cpu: '3' } });
    const other = observedContainer(aContainer('c'), 'running', { restartCount: 1 });
    assert.equal(resizes.actuated('a', other), undefined);
    // A pod that is stopped, and never taken again, holds what it has until it leaves.
    resizes.arrived(pod('b', '7'));
    resizes.retry();
    assert.match(resizes.conditions('a')[0]?.message ?? '', /used: 7000/);
    comes(pod('b', '7'));
    assert.deepEqual([has('a'), has('b')], ['3', '7']);
    goes('b');
    assert.equal(has('a'), '4');
  });

  it('of pods that left meanwhile are forgotten, on disk, too', async () => {
    comes(pod('a', '2'));
    await resizes.settled('a');
    resizes = made();
    await resizes.load();
    resizes.forgetUnless(() => false);
    await new Promise((resolve) => setImmediate(resolve));
    for (let tries = 0; tries < 1000 && (await readdir(join(folder, 'records'))).length > 0; tries++)
      await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(await readdir(join(folder, 'records')), []);
  });

  it('take a pod at its spec when its record cannot be read', async () => {
    comes(pod('a', '2'));
    comes(pod('b', '1'));
    await resizes.settled('a');
    await resizes.settled('b');
    const broken = ['', '{"allocated":{"containers":{"c":{"requests":[]}}},"actuated":{}}', '[]', '{"allocated":'];
    for (const text of broken) {
      await writeFile(join(folder, 'records', 'a.json'), text);
      resizes = made();
      await resizes.load();
      admitted.clear();
      comes(pod('a', '4', 2));
      comes(pod('b', '1'));
      assert.deepEqual([has('a'), has('b')], ['4', '1'], text);
    }
  });

  it('are written one at a time, and the last one wins', async () => {
    comes(pod('a', '1'));
    for (let cpu = 2; cpu <= 9; cpu++) {
      changes(pod('a', `${cpu}`, cpu));
      void resizes.settled('a');
    }
    await resizes.settled('a');
    const { allocated } = JSON.parse(await readFile(join(folder, 'records', 'a.json'), 'utf8')) as { allocated: unknown };
    assert.deepEqual(allocated, { containers: { c: { requests: { cpu: '9' } } } });
  });

  it('cannot be carried out while the disk refuses the promise', async () => {
    const full = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    let isFull = true;
    const real = checkpoints;
    checkpoints = { ...real, save: (uid, record) => (isFull ? Promise.reject(full) : real.save(uid, record)) };
    resizes = made();
    comes(pod('a', '1'));
    await assert.rejects(resizes.settled('a'), /no space left/);
    isFull = false;
    await resizes.settled('a');
    assert.deepEqual(await readdir(join(folder, 'records')), ['a.json']);
  });

  it('in a fast loop, of pods that wait for each other, are looked at in bounded time', () => {
    node = { ...node, status: { allocatable: { cpu: '110', memory: '1Ti', pods: '200' } } };
    const many = Array.from({ length: 110 }, (_, index) => `p${index}`);
    for (const name of many) comes(pod(name, '1'));
    const startMs = performance.now();
    for (let round = 2; round < 12; round++) for (const name of many) changes(pod(name, '2', round));
    assert.ok(performance.now() - startMs < 20_000);
    assert.ok(many.every((name) => has(name) === '1'));
  });
});
