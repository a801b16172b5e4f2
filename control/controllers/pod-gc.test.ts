import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startWorld } from './cluster.testing.ts';

describe('the pod garbage collector', () => {
  it('keeps only as many ended pods as its threshold, the youngest', async () => {
    const world = await startWorld({ terminatedPodGcThreshold: 2 });
    try {
      world.play = () => ({ exitCode: 0 });
      await world.addNode('n1');
      const pods = world.client.resource('pods');
      for (const name of ['a', 'b', 'c', 'd', 'e']) {
        await pods.create({
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { name, namespace: 'default' },
          spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] },
        });
        await world.pass(2);
      }
      await world.pass(60);
      const { items } = await pods.list({ namespace: 'default' });
      assert.deepEqual(
        items.map(({ metadata, status }) => `${metadata.name} ${status?.phase}`),
        ['d Succeeded', 'e Succeeded'],
      );
    } finally {
      await world.stop();
    }
  });
});
