import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { FakeApi } from '#client/api.testing.ts';
import { FakeClock } from '#client/clock.ts';
import { createInformers } from '#client/informers.ts';
import { createClient } from '#client/rest-client.ts';
import { publishDns } from './publish-dns.ts';

describe('publishDns', () => {
  it('writes Service and slice again at once after one of them, or the Node, was deleted', async () => {
    const clock = new FakeClock();
    const log = pino({ level: 'silent' });
    const client = createClient(new FakeApi().transport, { userAgent: 'test' });
    const informers = createInformers({ client, clock, log });
    const [nodes, services] = [informers.informer('nodes'), informers.informer('services')];
    const endpointSlices = informers.informer('endpointslices.discovery.k8s.io');
    const stop = new AbortController();
    const createNode = () =>
      client.resource('nodes').create({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' }, spec: {} });
    const slices = client.resource('endpointslices.discovery.k8s.io');
    const owners = async (): Promise<unknown[]> =>
      (await slices.list()).items.map(({ metadata }) => [metadata.name, metadata.ownerReferences?.[0]?.uid]);

    const first = await createNode();
    const options = { nodeName: 'n1', nodeIp: '192.0.2.1', clusterIp: '10.96.0.10' };
    const running = [
      informers.run(stop.signal),
      publishDns({ client, nodes, services, endpointSlices, clock, log }, options, stop.signal),
    ];
    await clock.advance(0);
    assert.deepEqual(await owners(), [['kube-dns-n1', first.metadata.uid]]);

    const dns = { namespace: 'kube-system', name: 'kube-dns' };
    // `kubectl cluster-info` lists the Services that have this label.
    assert.equal((await client.resource('services').get(dns)).metadata.labels?.['kubernetes.io/cluster-service'], 'true');
    await client.resource('services').delete(dns);
    await clock.advance(0);
    assert.equal((await client.resource('services').get(dns)).spec.clusterIP, '10.96.0.10');

    await slices.delete({ namespace: 'kube-system', name: 'kube-dns-n1' });
    await clock.advance(0);
    assert.deepEqual(await owners(), [['kube-dns-n1', first.metadata.uid]]);

    await client.resource('nodes').delete({ name: 'n1' });
    const second = await createNode();
    await clock.advance(0);
    assert.deepEqual(await owners(), [['kube-dns-n1', second.metadata.uid]]);

    stop.abort();
    await Promise.all(running);
  });
});
