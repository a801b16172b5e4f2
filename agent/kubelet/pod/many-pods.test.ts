/** Many pods on one node: starts and stops run side by side, and neither waits behind the other. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { PodStatus } from '#api/types.generated.ts';
import { FakeClock } from '#client/clock.ts';
import { aContainer, aPod } from '../pods.testing.ts';
import { FakeRuntime } from '../runtime.testing.ts';
import { podNode, rest } from './pod-node.testing.ts';
import { PodWorker, type PodWorkerDeps } from './pod-worker.ts';

describe('many pods at once', () => {
  let folder: string;
  let clock: FakeClock;
  let fake: FakeRuntime;
  let deps: PodWorkerDeps;
  const workers = new Map<string, PodWorker>();
  const statuses = new Map<string, PodStatus>();
  const finished = new Set<string>();
  const running: Promise<void>[] = [];
  let stopped: AbortController;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'many-pods-'));
    clock = new FakeClock();
    stopped = new AbortController();
    fake = new FakeRuntime(clock);
    let isTold = true;
    // As the PLEG does: changes that come together are told once.
    fake.changed = () => {
      if (isTold) clock.after(100, tell);
      isTold = false;
    };
    const tell = (): void => {
      isTold = true;
      for (const worker of workers.values()) worker.wake();
    };
    deps = podNode({
      clock,
      fake,
      folder,
      events: { event: () => undefined },
      wake: (uid) => workers.get(uid)?.wake(),
      statuses: {
        current: ({ metadata }) => statuses.get(metadata.uid) ?? {},
        set: ({ metadata }, status) => void statuses.set(metadata.uid, status),
        finish: ({ metadata }) => void finished.add(metadata.uid),
        forget: () => undefined,
        stop: async () => undefined,
      },
    });
  });
  afterEach(async () => {
    stopped.abort();
    // What waits for a container ends when the clock reaches its deadline.
    await clock.advance(600_000);
    await Promise.all(running.splice(0));
    for (const kept of [workers, statuses, finished]) kept.clear();
    await rm(folder, { recursive: true, force: true });
  });

  /** Pods with one container of the pod's kind: `old`, `new`. */
  function start(kind: string, count: number): string[] {
    return Array.from({ length: count }, (_, index) => {
      const uid = `${kind}-${index}`;
      const pod = aPod({ terminationGracePeriodSeconds: 30, containers: [aContainer(kind)] }, { metadata: { uid, name: uid } });
      const worker = new PodWorker(deps, pod);
      workers.set(uid, worker);
      running.push(worker.run(stopped.signal));
      return uid;
    });
  }

  function remove(uids: readonly string[]): void {
    for (const uid of uids) {
      const worker = workers.get(uid) as PodWorker;
      const { pod } = worker;
      const metadata = { ...pod.metadata, deletionTimestamp: '2026-01-01T00:01:00Z', deletionGracePeriodSeconds: 30 };
      worker.update({ ...pod, metadata }, true);
    }
  }

  async function pass(seconds: number): Promise<void> {
    await rest();
    for (let step = 0; step < seconds * 4; step++) {
      await clock.advance(250);
      await rest();
    }
  }

  const countRunning = (uids: readonly string[]): number => uids.filter((uid) => statuses.get(uid)?.phase === 'Running').length;
  const countFinished = (uids: readonly string[]): number => uids.filter((uid) => finished.has(uid)).length;

  it('start in their own time beside a hundred that take their whole grace period to end', async () => {
    fake.behaviours.set('old', { stopTakesMs: Number.POSITIVE_INFINITY });
    const old = start('old', 100);
    await pass(1);
    assert.equal(countRunning(old), 100);
    fake.sandboxTakesMs.run = 500;
    remove(old);
    const fresh = start('new', 20);
    // Four at a time, half a second each.
    await pass(4);
    assert.equal(countRunning(fresh), 20);
    assert.equal(countFinished(old), 0);
    await pass(45);
    assert.equal(countFinished(old), 100);
    assert.equal(fake.calls.filter((call) => call === 'stop old 30').length, 100);
  });

  it('end in their own time beside a hundred whose sandboxes take long, and free their places one after the other', async () => {
    const old = start('old', 20);
    await pass(1);
    fake.sandboxTakesMs = { run: 60_000, stop: 1000 };
    const fresh = start('new', 100);
    await pass(1);
    remove(old);
    await pass(3);
    const some = countFinished(old);
    assert.ok(some >= 4 && some < 20, `${some} of 20 after 3 s`);
    await pass(4);
    assert.equal(countFinished(old), 20);
    assert.equal(countRunning(fresh), 0);
  });

  it('give back what they held a few at a time, so that places are free steadily; one that hangs keeps none', async () => {
    const old = start('old', 40);
    await pass(1);
    let atOnce = 0;
    let most = 0;
    deps.volumes.tearDown = async (uid) => {
      most = Math.max(most, ++atOnce);
      // All at once would each take forty times as long.
      if (uid === 'old-0') await new Promise<void>((resolve) => clock.after(300_000, resolve));
      else for (let share = 0; share < 2; share++) await new Promise<void>((resolve) => clock.after(50 * atOnce, resolve));
      atOnce--;
    };
    remove(old);
    await pass(4);
    const some = countFinished(old);
    assert.ok(some >= 8 && some < 39, `${some} of 40 after 4 s`);
    assert.ok(most <= 5, `${most} at once`);
    await pass(12);
    assert.equal(countFinished(old), 39);
  });

  it('make no sandbox where they are deleted before their turn, and leave without waiting for it', async () => {
    fake.sandboxTakesMs.run = 5000;
    const pods = start('new', 20);
    await pass(1);
    const [early, late] = [pods.slice(0, 10), pods.slice(10)];
    remove(late);
    await pass(1);
    assert.equal(countFinished(late), 10);
    await pass(15);
    assert.equal(countRunning(early), 10);
    assert.deepEqual([...fake.sandboxes.values()].map(({ metadata }) => metadata.uid).sort(), early);
  });
});
