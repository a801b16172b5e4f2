import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import type { KubeObject } from '#api/meta.ts';
import { isExpired } from '#api/status.ts';
import { admin, startTestServer } from '#control/apiserver/api-server.testing.ts';
import { defaultLimits } from '#control/apiserver/cache/watch-cache.ts';
import { inProcessTransport } from '#control/apiserver/in-process-transport.ts';
import { systemClock } from './clock.ts';
import { createInformers } from './informers.ts';
import { createClient } from './rest-client.ts';

const namespace = 'default';
const map = (name: string, data: Record<string, string>): KubeObject =>
  ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data }) as unknown as KubeObject;

describe('objects that are shared within the process', () => {
  it('are the same in two informers, and equal to what an answer in bytes says', async (t) => {
    const { server, client, stop } = await startTestServer({ namespaces: [namespace] });
    const abort = new AbortController();
    const transport = inProcessTransport(server, admin);
    const deps = { client: createClient(transport, { userAgent: 'test' }), clock: systemClock, log: pino({ level: 'silent' }) };
    const [one, other] = [createInformers(deps), createInformers(deps)];
    await client.resource('configmaps').create(map('listed', { a: '1' }) as never);
    const caches = [one, other].map((informers) => informers.cache('configmaps'));
    const running = [one, other].map((informers) => informers.run(abort.signal));
    t.after(async () => {
      abort.abort();
      await Promise.all(running);
      await stop();
    });
    await Promise.all([one, other].map((informers) => informers.untilSynced(abort.signal)));
    const seen = Promise.all(
      [one, other].map(
        (informers) =>
          new Promise<void>((resolve) => {
            informers.informer('configmaps').subscribe({ added: ({ metadata }) => metadata.name === 'watched' && resolve() });
          }),
      ),
    );
    await client.resource('configmaps').create(map('watched', { b: '2' }) as never);
    await seen;
    for (const name of ['listed', 'watched']) {
      const [first, second] = caches.map((cache) => cache.get(`${namespace}/${name}`));
      assert.ok(first !== undefined);
      assert.equal(first, second, `${name} is held once`);
      assert.deepEqual(first, await client.resource('configmaps').get({ namespace, name }));
    }
  });

  it('are not given to who has not asked for them, and an expired watch is told as over the network', async (t) => {
    const watchCache = { ...defaultLimits, windowMs: 0, minEvents: 1, maxEvents: 1 };
    const { client, stop } = await startTestServer({ namespaces: [namespace], watchCache });
    t.after(stop);
    await client.resource('configmaps').create(map('mine', { a: '1' }) as never);
    const { items } = await client.resource('configmaps').list({ namespace });
    const [own] = items as unknown as { data: Record<string, string> }[];
    if (own !== undefined) own.data['a'] = 'changed';
    const again = await client.resource('configmaps').get({ namespace, name: 'mine' });
    assert.deepEqual((again as unknown as { data: unknown }).data, { a: '1' });
    for (const name of ['x', 'y', 'z']) await client.resource('configmaps').create(map(name, {}) as never);
    const watch = client.resource('configmaps').watch({ resourceVersion: '1', shared: true }, new AbortController().signal);
    await assert.rejects(watch[Symbol.asyncIterator]().next(), (error) => isExpired(error));
  });
});
