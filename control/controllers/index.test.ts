import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createResourceCatalog } from '#api/resource-catalog.ts';
import { FakeClock } from '#client/clock.ts';
import type { ControllerDeps } from '#client/controller.ts';
import { InformerCache } from '#client/informer-cache.ts';
import { controllers } from './index.ts';

it('every controller is there once', () => {
  const caches = { cache: () => new InformerCache(), cacheOf: () => new InformerCache() };
  const events = { event: () => undefined };
  const client = { resource: () => ({}), of: () => ({}) };
  const deps = { client, catalog: createResourceCatalog(), caches, clock: new FakeClock(), events };
  const all = controllers(deps as unknown as ControllerDeps, {
    clusterCidr: '10.244.0.0/16',
    rootCaPem: 'PEM',
    issueServiceAccountToken: async () => 'token',
  });
  const names = all.map(({ name }) => name);
  assert.deepEqual(names, [...new Set(names)]);
});
