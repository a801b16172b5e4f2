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
import { passSeconds, podSetNode } from './pod-set.testing.ts';
import type { PodSet } from './pod-set.ts';

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
    const options: Parameters<typeof podSetNode>[0] = {
      clock,
      fake,
      folder,
      events: { event: (_object, _type, reason, message) => void events.push(`${reason}: ${message}`) },
      networkGate: { admit: (...args) => admit(...args) },
      statuses: {
        current: () => ({}),
        set: (_pod, status: PodStatus) => void (phase = status.phase),
        finish: () => undefined,
        forget: () => undefined,
        stop: async () => undefined,
      },
    };
    ({ pods } = podSetNode(options, { pods: '9', cpu: '9' }, stopped.signal));
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
  const pass = (seconds: number): Promise<void> => passSeconds(clock, seconds);
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
