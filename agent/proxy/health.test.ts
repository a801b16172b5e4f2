import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, it } from 'node:test';
import { pino } from 'pino';
import { FakeClock } from '#client/clock.ts';
import { freePort } from '#test/free-port.ts';
import { closeServer, createHealthTracker, createServiceHealthServers, healthHandler, listen } from './health.ts';

const start = Date.UTC(2026, 0, 1);

describe('createHealthTracker', () => {
  it('is healthy while starting, unhealthy when a change waits too long, healthy again once written', async () => {
    const clock = new FakeClock(start);
    const tracker = createHealthTracker(clock, 60_000);
    assert.deepEqual(tracker.health(), {
      lastUpdated: '0001-01-01T00:00:00Z',
      currentTime: '2026-01-01T00:00:00Z',
      healthy: true,
      status: {},
    });
    tracker.updated('IPv4');
    tracker.queued('IPv4');
    await clock.advance(59_999);
    assert.equal(tracker.health().healthy, true);
    tracker.queued('IPv4');
    await clock.advance(1);
    assert.equal(tracker.health().healthy, false);
    assert.deepEqual(tracker.health().status, { IPv4: { lastUpdated: '2026-01-01T00:00:00Z', healthy: false } });
    tracker.updated('IPv4');
    assert.equal(tracker.health().healthy, true);
  });
});

describe('healthHandler', () => {
  const clock = new FakeClock(start);
  const tracker = createHealthTracker(clock, 60_000);
  let eligible = true;
  const server = createServer(healthHandler(tracker, () => eligible));
  after(() => closeServer(server));

  it("answers with upstream's JSON; only /healthz depends on the node's eligibility", async () => {
    await listen(server, '127.0.0.1', 0);
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    tracker.updated('IPv4');
    await clock.advance(1500);
    const healthz = await fetch(`${url}/healthz`);
    assert.equal(healthz.status, 200);
    assert.equal(healthz.headers.get('content-type'), 'application/json');
    assert.equal(
      await healthz.text(),
      '{"lastUpdated":"2026-01-01T00:00:01.5Z","currentTime":"2026-01-01T00:00:01.5Z","nodeEligible":true,"healthy":true,' +
        '"status":{"IPv4":{"lastUpdated":"2026-01-01T00:00:00Z","healthy":true}}}',
    );
    eligible = false;
    assert.equal((await fetch(`${url}/healthz`)).status, 503);
    const livez = await fetch(`${url}/livez`);
    assert.equal(livez.status, 200);
    assert.doesNotMatch(await livez.text(), /nodeEligible/);
    assert.equal((await fetch(`${url}/other`)).status, 404);
  });
});

describe('createServiceHealthServers', () => {
  it('serves each service on its port, follows its endpoints, closes the servers of deleted services', async () => {
    const port = await freePort();
    const tracker = createHealthTracker(new FakeClock(start), 60_000);
    const failures: string[] = [];
    const deps = { log: pino({ level: 'silent' }), clock: new FakeClock(start) };
    const onFailed = (service: string, failed: number): unknown => failures.push(`${service} ${failed}`);
    const servers = createServiceHealthServers(tracker, deps, onFailed, '127.0.0.1');
    const get = (): Promise<Response> => fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } });

    await servers.sync(new Map([['default/web', { port, localEndpoints: 2 }]]));
    const ok = await get();
    assert.deepEqual([ok.status, ok.headers.get('x-load-balancing-endpoint-weight')], [200, '2']);
    assert.equal(
      await ok.text(),
      '{\n\t"service": {\n\t\t"namespace": "default",\n\t\t"name": "web"\n\t},\n\t"localEndpoints": 2,\n\t"serviceProxyHealthy": true\n}',
    );

    await servers.sync(new Map([['default/web', { port, localEndpoints: 0 }]]));
    assert.equal((await get()).status, 503);

    const taken = new Map([
      ['default/web', { port, localEndpoints: 1 }],
      ['default/other', { port, localEndpoints: 1 }],
    ]);
    await servers.sync(taken);
    assert.deepEqual(failures, [`default/other ${port}`]);

    await servers.sync(new Map([['default/other', { port, localEndpoints: 1 }]]));
    assert.match(await (await get()).text(), /"name": "other"/);
    await servers.close();
    await assert.rejects(get());
  });
});
