/** The garbage collector and the namespace controller handle a kind that is added at run time. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { isNotFound } from '#api/status.ts';
import { gadget, gadgetRow, gadgets } from '#control/apiserver/gadgets.testing.ts';
import type { World } from './cluster.testing.ts';
import { startWorld } from './cluster.testing.ts';

let world: World;
before(async () => {
  world = await startWorld();
  await world.server.addKind(gadgets);
  await world.rest();
});
after(() => world.stop());

const configMap = (name: string, ownerReferences: object[] = []) => ({
  apiVersion: 'v1' as const,
  kind: 'ConfigMap' as const,
  metadata: { name, namespace: 'default', ownerReferences: ownerReferences as never },
});
const reference = (kind: string, apiVersion: string, { metadata }: { metadata: { name: string; uid: string } }) => ({
  apiVersion,
  kind,
  name: metadata.name,
  uid: metadata.uid,
});

async function gone(what: string, read: () => Promise<unknown>): Promise<void> {
  await world.until(`${what} to go`, () =>
    read().then(
      () => false,
      (error: unknown) => isNotFound(error),
    ),
  );
}

describe('a kind that is added at run time', { timeout: 240_000 }, () => {
  it('is garbage-collected with its owner, and its dependents with it', async () => {
    const { client } = world;
    const of = client.of(gadgetRow);
    const owner = await client.resource('configmaps').create(configMap('owner'));
    const middle = await of.create({
      ...gadget('middle'),
      metadata: { name: 'middle', namespace: 'default', ownerReferences: [reference('ConfigMap', 'v1', owner)] as never },
    });
    await client.resource('configmaps').create(configMap('leaf', [reference('Gadget', 'example.com/v1', middle)]));
    await of.create(gadget('alone'));
    await world.pass(2);
    await of.get({ namespace: 'default', name: 'middle' });
    await client.resource('configmaps').delete({ namespace: 'default', name: 'owner' });
    await gone('the gadget', () => of.get({ namespace: 'default', name: 'middle' }));
    await gone('its dependent', () => client.resource('configmaps').get({ namespace: 'default', name: 'leaf' }));
    await of.get({ namespace: 'default', name: 'alone' });
  });

  it('blocks a namespace’s deletion until its objects are deleted', async () => {
    const { client } = world;
    await client.resource('namespaces').create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'brief' }, spec: {} });
    const of = client.of(gadgetRow);
    await of.create(gadget('free', {}, 'brief'));
    await of.create({
      ...gadget('held', {}, 'brief'),
      metadata: { name: 'held', namespace: 'brief', finalizers: ['example.com/hold'] },
    });
    await client.resource('namespaces').delete({ name: 'brief' });
    await gone('the free one', () => of.get({ namespace: 'brief', name: 'free' }));
    const conditions = await world.until('the namespace to say what it waits for', async () => {
      const { status } = await client.resource('namespaces').get({ name: 'brief' });
      return status?.conditions?.find(({ type, status: value }) => type === 'NamespaceContentRemaining' && value === 'True');
    });
    assert.match(conditions.message ?? '', /gadgets\.example\.com has 1 resource instances/);
    await of.patch({ namespace: 'brief', name: 'held' }, { type: 'merge', body: { metadata: { finalizers: null } } });
    await gone('the namespace', () => client.resource('namespaces').get({ name: 'brief' }));
  });

  it('is forgotten when it is removed: its dependents stay, and other kinds are still collected', async () => {
    const { client } = world;
    const of = client.of(gadgetRow);
    const owner = await of.create(gadget('last'));
    await client.resource('configmaps').create(configMap('orphan', [reference('Gadget', 'example.com/v1', owner)]));
    await world.pass(2);
    assert.equal(world.server.removeKind(gadgetRow.id), true);
    const other = await client.resource('configmaps').create(configMap('other'));
    await client.resource('secrets').create({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'dependent', namespace: 'default', ownerReferences: [reference('ConfigMap', 'v1', other)] as never },
    });
    await world.pass(2);
    await client.resource('configmaps').delete({ namespace: 'default', name: 'other' });
    await gone('the other dependent', () => client.resource('secrets').get({ namespace: 'default', name: 'dependent' }));
    await client.resource('configmaps').get({ namespace: 'default', name: 'orphan' });

    // The kind is added again, with its object. Then the object is deleted, and the dependent is deleted too.
    await world.server.addKind(gadgets);
    await world.pass(2);
    await of.delete({ namespace: 'default', name: 'last' });
    await gone('the dependent', () => client.resource('configmaps').get({ namespace: 'default', name: 'orphan' }));
  });
});
