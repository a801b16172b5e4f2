/** A cache that catches up in the middle of a reconcile. Found by the simulation (`sim/`): pods were created twice. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { pino } from 'pino';
import { createResourceCatalog } from '#api/resource-catalog.ts';
import { invalid } from '#api/status.ts';
import type { Pod, ReplicaSet } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import { FakeClock } from '#client/clock.ts';
import type { Caches, ControllerDeps } from '#client/controller.ts';
import { createLeftOutReporter } from '#client/left-out.ts';
import { replicaSetController } from './replicaset.ts';

const labels = { app: 'web' };
const metadata = { name: 'web', namespace: 'default', uid: 'set', resourceVersion: '1', creationTimestamp: '' };
const set: ReplicaSet = {
  apiVersion: 'apps/v1',
  kind: 'ReplicaSet',
  metadata,
  spec: { replicas: 1, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers: [] } } },
};
const podNamed = (name: string, owners: Pod['metadata']['ownerReferences']): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { ...metadata, name, uid: name, labels, ...(owners === undefined ? {} : { ownerReferences: owners }) },
  spec: { containers: [] },
});

it('creates no pod again that shows up in the cache while others are claimed', async () => {
  const shown: Pod[] = [podNamed('somebody-elses', undefined)];
  const created: Pod[] = [];
  const client = {
    resource: () => ({
      get: async () => set,
      list: async () => ({ items: created, metadata: {} }),
      create: async (pod: Pod) => {
        const made = podNamed(`pod-${created.length}`, pod.metadata.ownerReferences);
        created.push(made);
        return made;
      },
      // The adoption fails: another controller was faster. Meanwhile the cache catches up.
      patch: async () => {
        for (const pod of created) if (!shown.includes(pod)) shown.push(pod);
        throw invalid({ group: '', name: 'Pod' }, 'somebody-elses', []);
      },
      updateStatus: async () => set,
    }),
  } as unknown as Client;
  const cache = (id: string) => ({
    get: (key: string) => (id === 'pods' ? shown.find((pod) => `default/${pod.metadata.name}` === key) : set),
    list: () => (id === 'pods' ? [...shown] : [set]),
    ownedBy: () => shown.filter(({ metadata: { ownerReferences } }) => ownerReferences !== undefined),
    onNode: () => [],
  });
  const events: ControllerDeps['events'] = { event: () => undefined };
  const log = pino({ level: 'silent' });
  const caches = { cache } as unknown as Caches;
  const deps = { client, caches, catalog: createResourceCatalog(), clock: new FakeClock(), events, log };
  const controller = replicaSetController({ ...deps, leftOut: createLeftOutReporter({ events, log }) });
  for (let look = 0; look < 3; look++) await controller.reconcile('default/web', new AbortController().signal);
  assert.equal(created.length, 1);
});
