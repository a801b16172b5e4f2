import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import type { ContainerRuntime, RuntimeStatus } from '#agent/runtime/runtime.ts';
import { RuntimeError } from '#agent/runtime/runtime.ts';
import { FakeClock } from '#client/clock.ts';
import { createNodeObserver } from './node/node-observer.ts';
import type { Pleg } from './pod/pleg.ts';
import { createPleg } from './pod/pleg.ts';
import { createRuntimeHealth, type RuntimeHealth } from './runtime-health.ts';

const log = pino({ level: 'silent' });
const statusWith = (runtimeReady: boolean): RuntimeStatus => ({
  conditions: [
    { type: 'RuntimeReady', status: runtimeReady, reason: '', message: '' },
    { type: 'NetworkReady', status: true, reason: '', message: '' },
  ],
  handlers: [],
  supplementalGroupsPolicy: false,
});

/** How a runtime behaves: what a question to it comes to. */
type Mood = 'answers' | 'hangs' | 'is gone' | 'answers errors' | 'is not ready';

class MoodyRuntime {
  mood: Mood = 'answers';
  asked = 0;
  #resume = Promise.withResolvers<void>();

  /** Ends every hanging call with its answer, as a stopped process does that goes on. */
  goOn(): void {
    this.mood = 'answers';
    this.#resume.resolve();
    this.#resume = Promise.withResolvers<void>();
  }

  async answer<Value>(call: string, value: Value): Promise<Value> {
    this.asked++;
    if (this.mood === 'hangs') await this.#resume.promise;
    if (this.mood === 'is gone') throw new RuntimeError('Unavailable', call, 'connect ENOENT');
    if (this.mood === 'answers errors') throw new RuntimeError('Unknown', call, 'server is not initialized yet');
    return value;
  }

  readonly version: ContainerRuntime['version'] = () =>
    this.answer('Version', { version: '0.1.0', runtimeName: 'containerd', runtimeVersion: '1.6', runtimeApiVersion: 'v1' });
  readonly status: ContainerRuntime['status'] = () => this.answer('Status', statusWith(this.mood !== 'is not ready'));
}

describe('the health of a container runtime', () => {
  async function watched(
    act: (it: { runtime: MoodyRuntime; clock: FakeClock; health: RuntimeHealth; told(): number }) => Promise<void>,
  ) {
    const clock = new FakeClock();
    const runtime = new MoodyRuntime();
    let changes = 0;
    const health = createRuntimeHealth({ runtime, clock, log, changed: () => void changes++ });
    const stop = new AbortController();
    await health.untilAnswering(stop.signal);
    const running = health.run(stop.signal);
    changes = 0;
    await act({ runtime, clock, health, told: () => changes });
    stop.abort();
    runtime.goOn();
    await clock.advance(0);
    await running;
  }

  for (const mood of ['hangs', 'is gone', 'answers errors', 'is not ready'] as const) {
    it(`is told within 30 s after one ${mood}, and at once when it answers again`, () =>
      watched(async ({ runtime, clock, health, told }) => {
        await clock.advance(12_345);
        runtime.mood = mood;
        await clock.advance(15_000);
        assert.equal(health.problem(), undefined, 'a short absence costs nothing');
        await clock.advance(15_000);
        assert.equal(health.problem(), 'container runtime is down');
        assert.ok(told() > 0);
        const before = told();
        runtime.goOn();
        await clock.advance(500);
        assert.equal(health.problem(), undefined);
        assert.ok(told() > before, 'the node is poked');
      }));
  }

  it('costs nothing while a runtime restarts', () =>
    watched(async ({ runtime, clock, health, told }) => {
      runtime.mood = 'is gone';
      await clock.advance(10_000);
      runtime.goOn();
      await clock.advance(60_000);
      assert.deepEqual([health.problem(), told()], [undefined, 0]);
    }));

  it('asks a runtime that hangs once, and keeps its last answer', () =>
    watched(async ({ runtime, clock, health }) => {
      runtime.mood = 'hangs';
      await clock.advance(10_000);
      const { asked } = runtime;
      await clock.advance(300_000);
      assert.equal(runtime.asked, asked);
      assert.deepEqual(health.status(), statusWith(true));
    }));
});

describe('what is observed of a node', () => {
  it('does not wait for a runtime that hangs, and keeps what it knew of its images', async () => {
    const clock = new FakeClock();
    const moody = new MoodyRuntime();
    const image = { id: 'i', repoTags: [], repoDigests: [], sizeBytes: 1, username: '', pinned: false };
    const observer = await createNodeObserver({
      runtime: {
        listImages: () => moody.answer('ListImages', [image]),
        imageFsInfo: () => moody.answer('ImageFsInfo', { imageFilesystems: [], containerFilesystems: [] }),
      },
      health: { status: () => undefined, version: () => undefined, problem: () => 'container runtime is down' } as RuntimeHealth,
      pleg: { healthy: () => 'PLEG is not healthy: too old' } as Pleg,
      clock,
      dataDir: '/tmp',
    });
    assert.deepEqual((await observer.observe()).images, [image]);
    for (const mood of ['hangs', 'answers errors'] as const) {
      moody.mood = mood;
      let seen: Awaited<ReturnType<typeof observer.observe>> | undefined;
      void observer.observe().then((observed) => (seen = observed));
      for (let turn = 0; turn < 1000 && seen === undefined; turn++) await clock.advance(500);
      assert.deepEqual(seen?.images, [image], mood);
      assert.deepEqual(seen?.problems, ['container runtime is down', 'PLEG is not healthy: too old']);
      moody.goOn();
    }
  });
});

describe('the PLEG of a runtime that answers, but hangs on listing', () => {
  it('is not healthy after three minutes, and healthy at once when lists come again', async () => {
    const clock = new FakeClock();
    const moody = new MoodyRuntime();
    const runtime = {
      listPodSandbox: () => moody.answer('ListPodSandbox', []),
      listContainers: () => moody.answer('ListContainers', []),
      async *containerEvents() {},
    } as unknown as ContainerRuntime;
    const pleg = createPleg({ runtime, clock, log, changed: () => undefined });
    assert.equal(pleg.healthy(), 'PLEG is not healthy: pleg has yet to be successful');
    const stop = new AbortController();
    const running = pleg.run(stop.signal);
    await clock.advance(10_000);
    assert.equal(pleg.healthy(), undefined);
    moody.mood = 'hangs';
    await clock.advance(190_000);
    assert.match(pleg.healthy() ?? '', /^PLEG is not healthy: pleg was last seen active 3m\d+(\.\d+)?s ago; threshold is 3m0s$/);
    moody.goOn();
    await clock.advance(0);
    assert.equal(pleg.healthy(), undefined);
    stop.abort();
    await clock.advance(10_000);
    await running;
  });
});
