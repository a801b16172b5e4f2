/** Controllers see kinds that come while they run: garbage collection, namespaces, quota. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { KubeObject } from '#api/meta.ts';
import { isNotFound } from '#api/status.ts';
import type { CustomResourceDefinition } from '#api/types.generated.ts';
import type { ResourceClient } from '#client/client.ts';
import { definition } from '#control/apiserver/custom-resources/definition.testing.ts';
import { startWorld, type World } from './cluster.testing.ts';

let world: World;
let widgets: ResourceClient<KubeObject>;
before(async () => {
  world = await startWorld();
  const definitions = world.client.resource('customresourcedefinitions.apiextensions.k8s.io');
  await definitions.create(definition());
  await world.until('established', async () => {
    const { status } = (await definitions.get({ name: 'widgets.example.com' })) as CustomResourceDefinition;
    return status?.conditions?.some(({ type, status: is }) => type === 'Established' && is === 'True');
  });
  const row = world.server.resources.byId('widgets.example.com');
  assert.ok(row !== undefined);
  widgets = world.client.of(row);
});
after(() => world.stop());

const widget = (name: string, namespace: string, owner?: KubeObject): KubeObject =>
  ({
    apiVersion: 'example.com/v1',
    kind: 'Widget',
    metadata: {
      name,
      namespace,
      ...(owner === undefined
        ? {}
        : {
            ownerReferences: [
              { apiVersion: 'example.com/v1', kind: 'Widget', name: owner.metadata.name, uid: owner.metadata.uid },
            ],
          }),
    },
  }) as KubeObject;

const exists = async (name: string, namespace: string): Promise<boolean> => {
  try {
    await widgets.get({ namespace, name });
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
};

describe('controllers and custom resources', { timeout: 120_000 }, () => {
  it('collects the dependents of a custom resource', async () => {
    const owner = await widgets.create(widget('owner', 'default'));
    await widgets.create(widget('dependent', 'default', owner));
    await widgets.delete({ namespace: 'default', name: 'owner' }, { propagationPolicy: 'Background' });
    await world.until('collected', async () => !(await exists('dependent', 'default')));
  });

  it('leaves orphans without their owner, although custom resources know no strategic merge patch', async () => {
    const owner = await widgets.create(widget('parent', 'default'));
    await widgets.create(widget('orphan', 'default', owner));
    await widgets.delete({ namespace: 'default', name: 'parent' }, { propagationPolicy: 'Orphan' });
    await world.until('gone', async () => !(await exists('parent', 'default')));
    const { metadata } = await widgets.get({ namespace: 'default', name: 'orphan' });
    assert.deepEqual(metadata.ownerReferences ?? [], []);
  });

  it('counts them in quotas, and empties namespaces of them', async () => {
    const namespaces = world.client.resource('namespaces');
    await namespaces.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'full' }, spec: {} });
    const quotas = world.client.resource('resourcequotas');
    const quota = {
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: { name: 'q', namespace: 'full' },
      spec: { hard: { 'count/widgets.example.com': '1' } },
    };
    await quotas.create(quota);
    await world.until('counted', async () => {
      const { status } = await quotas.get({ namespace: 'full', name: 'q' });
      return status?.used?.['count/widgets.example.com'] === '0';
    });
    await widgets.create(widget('one', 'full'));
    await assert.rejects(
      widgets.create(widget('two', 'full')),
      /exceeded quota: q, requested: count\/widgets.example.com=1, used: count\/widgets.example.com=1/,
    );
    await namespaces.delete({ name: 'full' });
    await world.until('empty', async () => {
      try {
        await namespaces.get({ name: 'full' });
        return false;
      } catch (error) {
        if (isNotFound(error)) return true;
        throw error;
      }
    });
    assert.equal(await exists('one', 'full'), false);
  });
});
