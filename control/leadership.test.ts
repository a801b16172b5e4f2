/** Two servers on one store: one of them runs the controllers, whatever happens to it. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { FakeClock } from '#client/clock.ts';
import { createInformers } from '#client/informers.ts';
import { createLeftOutReporter } from '#client/left-out.ts';
import { createClient } from '#client/rest-client.ts';
import type { Transport } from '#client/transport.ts';
import { startTestServer, type TestServer } from './apiserver/api-server.testing.ts';
import { componentUser } from './apiserver/authentication/component-users.ts';
import { inProcessTransport } from './apiserver/in-process-transport.ts';
import { runControllers } from './controllers/index.ts';
import { defaultLeadership, Leadership, leaderIdentity, leadershipProblem } from './leadership.ts';
import { MemoryStore } from './store/memory.ts';

const log = pino({ level: process.env['TEST_LOG'] ?? 'silent' });
const lease = { namespace: 'kube-system', name: 'kube-controller-manager' };

/** The controllers of one server, behind a network that can be cut. */
class Replica {
  readonly identity: string;
  readonly #leadership: Leadership;
  readonly #stop = new AbortController();
  readonly #running: Promise<unknown>;
  #isCut = false;
  terms = 0;
  isWorking = false;
  readonly messages: string[] = [];

  constructor(identity: string, server: TestServer, clock: FakeClock) {
    this.identity = identity;
    this.#leadership = new Leadership({ clock, log, random: () => 0 }, defaultLeadership, identity);
    const send = inProcessTransport(server.server, componentUser('apiserver'));
    const cuttable: Transport = (request) =>
      this.#isCut
        ? new Promise((_, reject) => request.signal?.addEventListener('abort', () => reject(new Error('aborted'))))
        : send(request);
    const clientUntil = (signal?: AbortSignal) =>
      createClient(cuttable, { userAgent: identity, clock, ...(signal === undefined ? {} : { signal }) });
    const informers = createInformers({ client: clientUntil(this.#stop.signal), clock, log, random: () => 0 });
    const part = {
      name: lease.name,
      client: clientUntil(),
      events: {
        event: (_: unknown, __: unknown, reason: string, message: string) => void this.messages.push(`${reason} ${message}`),
      },
      work: async (signal: AbortSignal): Promise<void> => {
        this.terms++;
        this.isWorking = true;
        const leftOut = createLeftOutReporter({ events: { event: () => undefined }, log });
        const deps = { client: clientUntil(signal), catalog: server.server.resources, clock, log, leftOut, informers };
        await runControllers({ ...deps, random: () => 0 }, {}, signal);
        this.isWorking = false;
      },
    };
    this.#running = Promise.all([informers.run(this.#stop.signal), this.#leadership.run(part, this.#stop.signal)]);
  }

  cut(): void {
    this.#isCut = true;
  }

  mend(): void {
    this.#isCut = false;
  }

  async isMaster(): Promise<number | undefined> {
    return (await this.#leadership.metrics[0]?.get())?.values[0]?.value;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}

describe('leadership', () => {
  const world = async () => {
    const clock = new FakeClock();
    const store = new MemoryStore({ clock });
    const namespaces = ['default', 'kube-system'];
    const first = await startTestServer({ clock, store, namespaces });
    const second = await startTestServer({ clock, store, namespaces: [] });
    const a = new Replica('a', first, clock);
    await pass(clock, 3);
    const b = new Replica('b', second, clock);
    await pass(clock, 3);
    const stop = async (): Promise<void> => {
      await Promise.all([a.stop(), b.stop()]);
      await Promise.all([first.stop(), second.stop()]);
      await store.close();
    };
    return { clock, client: second.client, a, b, stop };
  };

  it('gives the controllers of a dead server to the other within the lease, and the dead one has none meanwhile', async () => {
    const { clock, client, a, b, stop } = await world();
    assert.deepEqual([a.isWorking, b.isWorking, await a.isMaster(), await b.isMaster()], [true, false, 1, 0]);
    a.cut();
    let together = false;
    for (let second = 0; second < 20; second++) {
      await pass(clock, 1);
      together ||= a.isWorking && b.isWorking;
    }
    assert.equal(together, false);
    assert.deepEqual([a.isWorking, b.isWorking, await a.isMaster(), await b.isMaster()], [false, true, 0, 1]);
    assert.deepEqual(b.messages, ['LeaderElection b became leader']);

    await client.resource('replicasets.apps').create({
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: { namespace: 'default', name: 'web' },
      spec: {
        replicas: 3,
        selector: { matchLabels: { app: 'web' } },
        template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
      },
    });
    a.mend();
    await pass(clock, 15);
    assert.equal((await client.resource('pods').list({ namespace: 'default' })).items.length, 3);
    assert.deepEqual([a.isWorking, b.isWorking], [false, true]);
    // The other has been away as long as it likes: in its turn it works on what has happened since.
    b.cut();
    await pass(clock, 20);
    assert.deepEqual([a.isWorking, a.terms, b.isWorking], [true, 2, false]);
    const sets = client.resource('replicasets.apps');
    const set = await sets.get({ namespace: 'default', name: 'web' });
    await sets.update({ ...set, spec: { ...set.spec, replicas: 5 } });
    await pass(clock, 3);
    assert.equal((await client.resource('pods').list({ namespace: 'default' })).items.length, 5);
    b.mend();
    await stop();
  });

  it('gives the lease up at an orderly end', async () => {
    const { clock, client, a, b, stop } = await world();
    await a.stop();
    assert.equal((await client.resource('leases.coordination.k8s.io').get(lease)).spec?.holderIdentity, '');
    await pass(clock, 3);
    assert.deepEqual([b.isWorking, await a.isMaster(), await b.isMaster()], [true, 0, 1]);
    await stop();
  });

  it('stops at once when somebody else holds the lease, and leads again when it runs out', async () => {
    const { clock, client, a, b, stop } = await world();
    await b.stop();
    const leases = client.resource('leases.coordination.k8s.io');
    const held = await leases.get(lease);
    await leases.update({ ...held, spec: { ...held.spec, holderIdentity: 'thief' } });
    await pass(clock, 3);
    assert.deepEqual([a.isWorking, await a.isMaster()], [false, 0]);
    assert.deepEqual(a.messages, ['LeaderElection a became leader', 'LeaderElection a stopped leading']);
    await pass(clock, 20);
    assert.deepEqual([a.isWorking, a.terms, (await leases.get(lease)).spec?.holderIdentity], [true, 2, 'a']);
    await leases.delete(lease);
    await pass(clock, 3);
    assert.deepEqual([a.isWorking, a.terms, (await leases.get(lease)).spec?.holderIdentity], [true, 2, 'a']);
    await stop();
  });

  it('keeps the identity of a data folder', () => {
    const folder = mkdtempSync(join(tmpdir(), 'leadership-'));
    try {
      const identity = leaderIdentity(folder);
      assert.equal(leaderIdentity(folder), identity);
      assert.equal(readFileSync(join(folder, 'leader-identity'), 'utf8'), `${identity}\n`);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  for (const [change, problem] of [
    [{}, undefined],
    [{ leaseDurationMs: 10_000 }, /lease-duration must be greater than --leader-elect-renew-deadline/],
    [{ renewDeadlineMs: 2_400 }, /renew-deadline must be greater than --leader-elect-retry-period/],
    [{ retryPeriodMs: 0 }, /retry-period/],
    [{ leaseDurationMs: 500, renewDeadlineMs: 300, retryPeriodMs: 100 }, /lease-duration/],
  ] as const) {
    it(`times ${JSON.stringify(change)}`, () => {
      const found = leadershipProblem({ ...defaultLeadership, ...change });
      if (problem === undefined) assert.equal(found, undefined);
      else assert.match(found ?? '', problem);
    });
  }
});

/** Moves the clock on, and lets everything that follows happen. */
async function pass(clock: FakeClock, seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    await clock.advance(1000);
    for (let turn = 0; turn < 60; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
}
