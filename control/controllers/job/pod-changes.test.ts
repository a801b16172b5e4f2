import assert from 'node:assert/strict';
import { it } from 'node:test';
import { isConflict } from '#api/status.ts';
import type { Job, Pod } from '#api/types.generated.ts';
import { InformerCache } from '#client/informer-cache.ts';
import { startTestServer } from '#control/apiserver/api-server.testing.ts';
import type { Assessment } from './assess.ts';
import { createPodChanges } from './pod-changes.ts';
import { trackingFinalizer } from './pod-facts.ts';

it('a pod that has succeeded since it was seen keeps its finalizer when its Job gives pods up: it is still to be counted', async () => {
  const { client, stop } = await startTestServer();
  try {
    await client
      .resource('serviceaccounts')
      .create({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: 'default' } });
    const seen = await client.resource('pods').create({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'p', namespace: 'default', finalizers: [trackingFinalizer] },
      spec: { containers: [{ name: 'c', image: 'i' }] },
    });
    await client
      .resource('pods')
      .patch(seen.metadata, { type: 'merge', body: { status: { phase: 'Succeeded' } } }, { subresource: 'status' });
    const removed: Pod[] = [];
    const podControl = { remove: async (_: unknown, pod: Pod) => void removed.push(pod) } as never;
    const caches = { cache: () => new InformerCache() } as never;
    const changes = createPodChanges({ client, caches }, podControl);
    const job = { metadata: { name: 'j', namespace: 'default', uid: 'u' } } as Job;
    const assessment = { active: [seen], ready: 0, terminating: 0 } as unknown as Assessment;
    const outcome = await changes.carryOut(job, { remove: [seen], create: [] }, assessment);
    assert.ok(isConflict(outcome.error));
    assert.deepEqual(removed, []);
    assert.deepEqual((await client.resource('pods').get(seen.metadata)).metadata.finalizers, [trackingFinalizer]);

    // As it is now, it is given up.
    const now = await client.resource('pods').get(seen.metadata);
    assert.equal((await changes.carryOut(job, { remove: [now], create: [] }, assessment)).error, undefined);
    assert.equal(removed.length, 1);
  } finally {
    await stop();
  }
});
