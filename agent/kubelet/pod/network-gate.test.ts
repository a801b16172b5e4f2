import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Pod, PodStatus } from '#api/types.generated.ts';
import { FakeClock } from '#client/clock.ts';
import { aContainer, aPod } from '../pods.testing.ts';
import { FakeRuntime } from '../runtime.testing.ts';
import type { NetworkGate } from './network-gate.ts';
import { podNode, rest } from './pod-node.testing.ts';
import { PodSet } from './pod-set.ts';

describe('containers', () => {
  let folder: string;
  let clock: FakeClock;
  let fake: FakeRuntime;
  let pods: PodSet;
  let stopped: AbortController;
  let admit: NetworkGate['admit'];
  let phase: string | undefined;
  const events: string[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'network-gate-'));
    clock = new FakeClock();
    stopped = new AbortController();
    fake = new FakeRuntime(clock);
    fake.changed = () => {
      for (const worker of pods.workers()) worker.wake();
    };
    const { admit: _admit, ...deps } = podNode({
      clock,
      fake,
      folder,
      events: { event: (_object, _type, reason, message) => void events.push(`${reason}: ${message}`) },
      wake: (uid) => pods.wake(uid),
      networkGate: { admit: (...args) => admit(...args) },
      statuses: {
        current: () => ({}),
        set: (_pod, status: PodStatus) => void (phase = status.phase),
        finish: () => undefined,
        forget: () => undefined,
        stop: async () => undefined,
      },
    });
    const node = {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'n1' },
      spec: {},
      status: { allocatable: { pods: '9', cpu: '9' } },
    };
    pods = new PodSet({ ...deps, node: () => node as never }, stopped.signal);
    events.length = 0;
    phase = undefined;
  });
  afterEach(async () => {
    stopped.abort();
    await clock.advance(600_000);
    await pods.ended();
    await rm(folder, { recursive: true, force: true });
  });

  const pod = (): Pod =>
    aPod({ containers: [aContainer('main')], initContainers: [aContainer('init')] }, { metadata: { name: 'a', uid: 'uid-a' } });
  async function pass(seconds: number): Promise<void> {
    for (let second = 0; second <= seconds; second++) {
      await rest();
      await clock.advance(second === 0 ? 0 : 1000);
    }
    await rest();
  }
  const started = (): string[] => fake.calls.filter((call) => call.startsWith('start '));

  it('start only when the network policies of their pod are in force for the addresses of its sandbox', async () => {
    const inForce = Promise.withResolvers<void>();
    const asked: [string, readonly string[]][] = [];
    admit = async (one, ips) => {
      asked.push([one.metadata.name, ips]);
      await inForce.promise;
    };
    pods.changed(pod());
    await pass(5);
    assert.deepEqual(asked, [['a', ['10.0.0.1']]]);
    assert.deepEqual(started(), []);
    inForce.resolve();
    await pass(1);
    assert.deepEqual(started(), ['start init']);
  });

  it('wait with a clear event while they cannot be, and start later', async () => {
    admit = () => Promise.reject(new Error('nft: not found'));
    pods.changed(pod());
    await pass(2);
    assert.deepEqual(started(), []);
    assert.equal(phase, 'Pending');
    assert.ok(
      events.includes('NetworkPolicyNotReady: containers wait for the network policies of this node: nft: not found'),
      events.join('\n'),
    );
    admit = async () => undefined;
    await pass(400);
    assert.deepEqual(started().slice(0, 1), ['start init']);
  });
});
