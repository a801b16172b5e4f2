/** The pods of a node: who is taken, who holds a share of the node, and when the set has ended. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Pod, PodStatus } from '#api/types.generated.ts';
import { FakeClock } from '#client/clock.ts';
import { aContainer, aPod } from '../pods.testing.ts';
import { FakeRuntime } from '../runtime.testing.ts';
import { passSeconds, podSetNode } from './pod-set.testing.ts';
import type { PodSet } from './pod-set.ts';

describe('the pods of a node', () => {
  let folder: string;
  let clock: FakeClock;
  let fake: FakeRuntime;
  let pods: PodSet;
  let stopped: AbortController;
  const statuses = new Map<string, PodStatus>();
  const finished: string[] = [];
  const forgotten: string[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pod-set-'));
    clock = new FakeClock();
    stopped = new AbortController();
    fake = new FakeRuntime(clock);
    const options: Parameters<typeof podSetNode>[0] = {
      clock,
      fake,
      folder,
      events: { event: () => undefined },
      statuses: {
        current: ({ metadata }) => statuses.get(metadata.uid) ?? {},
        set: ({ metadata }, status) => void statuses.set(metadata.uid, status),
        finish: ({ metadata }) => void finished.push(metadata.uid),
        forget: (uid) => void forgotten.push(uid),
        stop: async () => undefined,
      },
    };
    ({ pods } = podSetNode(options, { pods: '1', cpu: '2', memory: '1Gi' }, stopped.signal));
  });
  afterEach(async () => {
    stopped.abort();
    await clock.advance(600_000);
    await pods.ended();
    statuses.clear();
    finished.length = 0;
    forgotten.length = 0;
    await rm(folder, { recursive: true, force: true });
  });

  const named = (name: string, more: Partial<Pod['metadata']> = {}): Pod =>
    aPod({ containers: [aContainer(name)] }, { metadata: { name, uid: `uid-${name}`, ...more } });
  const deleted = (pod: Pod): Pod => ({
    ...pod,
    metadata: { ...pod.metadata, deletionTimestamp: '2026-01-01T00:01:00Z', deletionGracePeriodSeconds: 1 },
  });

  const pass = (seconds: number): Promise<void> => passSeconds(clock, seconds);

  it('are found by name, and by UID', async () => {
    pods.changed(named('a'));
    await pass(1);
    assert.equal(pods.find('shop', 'a')?.uid, 'uid-a');
    assert.equal(pods.find('shop', 'a', 'uid-a')?.uid, 'uid-a');
    assert.equal(pods.find('shop', 'a', 'uid-b'), undefined);
    assert.equal(pods.find('shop', 'b', 'uid-a'), undefined);
    assert.equal(pods.find('other', 'a'), undefined);
    assert.deepEqual([pods.has('uid-a'), pods.has('uid-b')], [true, false]);
  });

  it('keep one worker per UID, which works on the newest version', async () => {
    pods.changed(named('a'));
    pods.changed(named('a', { resourceVersion: '2' }));
    await pass(1);
    assert.deepEqual(
      pods.workers().map(({ pod }) => pod.metadata.resourceVersion),
      ['2'],
    );
  });

  it('are taken only when they fit beside the others', async () => {
    pods.changed(named('a'));
    pods.changed(named('b'));
    await pass(1);
    assert.equal(statuses.get('uid-a')?.phase, 'Running');
    assert.deepEqual([statuses.get('uid-b')?.phase, statuses.get('uid-b')?.reason], ['Failed', 'OutOfpods']);
  });

  it('free what they held as soon as they left the API, while their containers still stop', async () => {
    fake.behaviours.set('a', { stopTakesMs: Number.POSITIVE_INFINITY });
    pods.changed(named('a'));
    await pass(1);
    pods.gone('uid-a', deleted(named('a')));
    pods.changed(named('b'));
    await pass(0);
    assert.deepEqual([pods.has('uid-a'), statuses.get('uid-b')?.phase], [true, 'Running']);
    await pass(4);
    assert.equal(pods.has('uid-a'), false);
    assert.deepEqual(forgotten, ['uid-a']);
  });

  it('hold nothing when they were not taken', async () => {
    pods.changed(named('a'));
    pods.changed(named('b'));
    await pass(1);
    pods.gone('uid-a', deleted(named('a')));
    await pass(3);
    pods.changed(named('c'));
    await pass(1);
    assert.equal(statuses.get('uid-c')?.phase, 'Running');
  });

  it('report a refused pod as failed, and let it leave the API when it is deleted', () => {
    pods.refused(named('a'), 'its name is no name');
    assert.deepEqual([statuses.get('uid-a')?.phase, statuses.get('uid-a')?.reason], ['Failed', 'InvalidPod']);
    assert.deepEqual([pods.has('uid-a'), finished], [false, []]);
    pods.refused(deleted(named('a')), 'its name is no name');
    assert.deepEqual(finished, ['uid-a']);
    pods.forgotten('uid-a');
    assert.deepEqual(forgotten, ['uid-a']);
  });

  it('have ended only when every worker has, and leave their containers running', async () => {
    pods.changed(named('a'));
    await pass(1);
    let hasEnded = false;
    void pods.ended().then(() => (hasEnded = true));
    await pass(5);
    assert.equal(hasEnded, false);
    stopped.abort();
    await pass(0);
    assert.equal(hasEnded, true);
    assert.equal(pods.has('uid-a'), false);
    assert.equal(statuses.get('uid-a')?.phase, 'Running');
  });
});
