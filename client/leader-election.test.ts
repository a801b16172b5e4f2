import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { FakeApi } from './api.testing.ts';
import { FakeClock } from './clock.ts';
import { runLeaderElected } from './leader-election.ts';
import { createClient } from './rest-client.ts';

const log = pino({ level: 'silent' });

function candidate(api: FakeApi, clock: FakeClock, identity: string) {
  const abort = new AbortController();
  let network: 'up' | 'down' | 'hangs' = 'up';
  const client = createClient(
    (request) => {
      if (network === 'down') return Promise.reject(new Error('EHOSTUNREACH'));
      return network === 'hangs' ? new Promise(() => undefined) : api.transport(request);
    },
    { userAgent: identity },
  );
  const state = { leading: false, result: '' };
  const end = runLeaderElected(
    { client, clock, log, random: () => 0 },
    { namespace: 'kube-system', name: 'kcm', identity },
    async (signal) => {
      state.leading = true;
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      state.leading = false;
    },
    abort.signal,
  ).then((result) => (state.result = result));
  return { state, end, stop: () => abort.abort(), network: (to: typeof network) => (network = to) };
}

describe('leader election', () => {
  it('lets one lead, and the other after an orderly end at once', async () => {
    const [api, clock] = [new FakeApi(), new FakeClock()];
    const a = candidate(api, clock, 'a');
    await clock.advance(0);
    const b = candidate(api, clock, 'b');
    await clock.advance(60_000);
    assert.deepEqual([a.state.leading, b.state.leading], [true, false]);
    a.stop();
    assert.equal(await a.end, 'stopped');
    await clock.advance(2000);
    assert.equal(b.state.leading, true);
    b.stop();
    await b.end;
  });

  for (const failure of ['down', 'hangs'] as const) {
    it(`stops leading before another may when the network ${failure === 'down' ? 'is down' : 'hangs'}`, async () => {
      const [api, clock] = [new FakeApi(), new FakeClock()];
      const a = candidate(api, clock, 'a');
      await clock.advance(0);
      const b = candidate(api, clock, 'b');
      await clock.advance(10_000);
      a.network(failure);
      await clock.advance(12_000);
      assert.deepEqual([a.state.leading, a.state.result, b.state.leading], [false, 'lost', false]);
      await clock.advance(8000);
      assert.equal(b.state.leading, true);
      const lease = await createClient(api.transport, { userAgent: 'test' })
        .resource('leases.coordination.k8s.io')
        .get({ namespace: 'kube-system', name: 'kcm' });
      assert.deepEqual([lease.spec?.holderIdentity, lease.spec?.leaseTransitions], ['b', 1]);
      b.stop();
      await b.end;
    });
  }

  it('goes on leading after it stood still, if nobody has taken the lease meanwhile', async () => {
    const [api, clock] = [new FakeApi(), new FakeClock()];
    let stalledMs = 0;
    const stalling = { now: () => clock.now(), monotonic: () => clock.monotonic() + stalledMs, after: clock.after.bind(clock) };
    const a = candidate(api, stalling as FakeClock, 'a');
    await clock.advance(5000);
    stalledMs = 60_000;
    await clock.advance(5000);
    assert.deepEqual([a.state.leading, a.state.result], [true, '']);
    a.stop();
    assert.equal(await a.end, 'stopped');
  });
});
