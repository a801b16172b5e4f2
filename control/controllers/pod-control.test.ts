import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ReplicaSet } from '#api/types.generated.ts';
import { podFromTemplate, slowStart } from './pod-control.ts';

describe('slow start', () => {
  const items = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

  it('passes every item once, in batches of 1, 2, 4 …', async () => {
    const seen: number[] = [];
    const largest = { now: 0, ever: 0 };
    const action = async (item: number): Promise<void> => {
      seen.push(item);
      largest.now += 1;
      largest.ever = Math.max(largest.ever, largest.now);
      await Promise.resolve();
      largest.now -= 1;
    };
    assert.equal(await slowStart(items(10), action), undefined);
    assert.deepEqual(seen, items(10));
    assert.equal(largest.ever, 4);
  });

  it('stops after the batch with a failure', async () => {
    let calls = 0;
    const error = await slowStart(items(100), async () => {
      calls += 1;
      if (calls > 3) throw new Error('quota');
    });
    assert.deepEqual([calls, (error as Error).message], [7, 'quota']);
  });

  it('does nothing without items', async () =>
    assert.equal(await slowStart([], () => Promise.reject(new Error('called'))), undefined));
});

describe('a pod from a template', () => {
  const owner: ReplicaSet = {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name: 'web',
      namespace: 'shop',
      uid: 'u',
      resourceVersion: '1',
      creationTimestamp: '2026-01-01T00:00:00Z',
      labels: { of: 'owner' },
    },
    spec: { selector: {} },
  };

  it('has the template’s fields, an owner, and a generateName', () => {
    const spec = { containers: [{ name: 'c', image: 'i' }] };
    const metadata = { labels: { app: 'web' }, annotations: { note: 'x' }, finalizers: ['example.com/hold'] };
    const pod = podFromTemplate(owner, { metadata, spec });
    assert.deepEqual(pod.spec, spec);
    assert.deepEqual(pod.metadata, {
      generateName: 'web-',
      namespace: 'shop',
      ...metadata,
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: 'u', controller: true, blockOwnerDeletion: true },
      ],
    });
  });
});
