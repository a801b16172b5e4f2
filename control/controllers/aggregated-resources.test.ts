import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { New } from '#api/meta.ts';
import type { APIService, Namespace } from '#api/types.generated.ts';
import { resourcesOf } from './aggregated-resources.ts';
import type { World } from './cluster.testing.ts';
import { startWorld } from './cluster.testing.ts';

describe('resources of aggregated servers', () => {
  it('are those of the APIServices that are looked for; a stale group and version is told', () => {
    const kind = { resource: 'flunders', responseKind: { kind: 'Flunder' }, scope: 'Namespaced', verbs: ['list', 'delete'] };
    const items = [
      { metadata: { name: 'wardle.example.com' }, versions: [{ version: 'v1', freshness: 'Current', resources: [kind] }] },
      { metadata: { name: 'apps' }, versions: [{ version: 'v1', freshness: 'Current', resources: [kind] }] },
      { metadata: { name: 'gone.example.com' }, versions: [{ version: 'v2', freshness: 'Stale' }, { version: 'v1' }] },
    ];
    const names = new Set(['v1.wardle.example.com', 'v2.gone.example.com']);
    const { resources, failing } = resourcesOf({ items }, names);
    assert.deepEqual(failing, ['gone.example.com/v2']);
    const shown = resources.map(({ group, plural, namespaced, verbs }) => ({ group, plural, namespaced, verbs }));
    const flunders = { group: 'wardle.example.com', plural: 'flunders', namespaced: true, verbs: ['list', 'delete'] };
    assert.deepEqual(shown, [flunders]);
  });
});

describe('a namespace while an aggregated server does not answer', () => {
  let world: World;
  before(async () => {
    world = await startWorld();
  });
  after(() => world.stop());

  it('is not taken away, says why, and goes when the APIService has gone', async () => {
    const namespaces = world.client.resource('namespaces');
    const services = world.client.resource('apiservices.apiregistration.k8s.io');
    await services.create({
      apiVersion: 'apiregistration.k8s.io/v1',
      kind: 'APIService',
      metadata: { name: 'v1beta1.custom.metrics.k8s.io' },
      spec: {
        group: 'custom.metrics.k8s.io',
        version: 'v1beta1',
        groupPriorityMinimum: 100,
        versionPriority: 100,
        service: { namespace: 'monitoring', name: 'adapter' },
      },
    } as New<APIService>);
    await namespaces.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'doomed' } } as New<Namespace>);
    await namespaces.delete({ name: 'doomed' });
    const condition = await world.until('the condition', async () => {
      const { status } = await namespaces.get({ name: 'doomed' });
      return status?.conditions?.find(({ type, status: is }) => type === 'NamespaceDeletionDiscoveryFailure' && is === 'True');
    });
    assert.equal(condition.reason, 'DiscoveryFailed');
    assert.equal(
      condition.message,
      'Discovery failed for some groups, 1 failing: unable to retrieve the complete list of server APIs: custom.metrics.k8s.io/v1beta1: stale GroupVersion discovery: custom.metrics.k8s.io/v1beta1',
    );
    await services.delete({ name: 'v1beta1.custom.metrics.k8s.io' });
    await world.until(
      'its end',
      async () => (await namespaces.list()).items.every(({ metadata }) => metadata.name !== 'doomed'),
      1200,
    );
  });
});
