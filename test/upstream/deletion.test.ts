/**
 * What upstream's conformance tests assert of garbage collection and of namespaces. Source: kubernetes
 * `test/e2e/apimachinery/{garbage_collector,namespace}.go`.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { KubeObject } from '#api/meta.ts';
import { isNotFound } from '#api/status.ts';
import type { OwnerReference, Pod } from '#api/types.generated.ts';
import { startWorld, type World } from '#control/controllers/cluster.testing.ts';

let world: World;
before(async () => {
  world = await startWorld();
  await world.addNode('n1');
});
after(() => world.stop());

const namespace = 'default';
const containers = [{ name: 'c', image: 'i' }];
const podsOf = async (app: string): Promise<Pod[]> =>
  (await world.client.resource('pods').list({ namespace, labelSelector: `app=${app}` })).items;
const template = (app: string) => ({ metadata: { labels: { app } }, spec: { containers } });
const controllers = () => world.client.resource('replicationcontrollers');

async function makeController(name: string, replicas: number, app = name): Promise<KubeObject> {
  const spec = { replicas, selector: { app }, template: template(app) };
  const made = await controllers().create({
    apiVersion: 'v1',
    kind: 'ReplicationController',
    metadata: { name, namespace },
    spec,
  });
  await world.until(
    `${replicas} pods that run`,
    async () => (await podsOf(app)).filter(({ status }) => status?.phase === 'Running').length === replicas,
  );
  return made;
}

async function makeDeployment(name: string): Promise<void> {
  await world.client.resource('deployments.apps').create({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: { replicas: 2, selector: { matchLabels: { app: name } }, template: template(name) },
  });
  await world.until('its pods', async () => (await podsOf(name)).length === 2);
}

const setsOf = async (app: string): Promise<KubeObject[]> =>
  (await world.client.resource('replicasets.apps').list({ namespace, labelSelector: `app=${app}` })).items;

/** Whether a read says that the object is not there. */
const isGone = async (read: Promise<unknown>): Promise<boolean> =>
  read.then(
    () => false,
    (error: unknown) => {
      if (isNotFound(error)) return true;
      throw error;
    },
  );

describe('garbage collection', () => {
  it('takes the pods of a ReplicationController that is deleted', async () => {
    await makeController('gc-plain', 2);
    await controllers().delete({ namespace, name: 'gc-plain' }, { propagationPolicy: 'Background' });
    await world.until('no pods', async () => (await podsOf('gc-plain')).length === 0);
    assert.ok(await isGone(controllers().get({ namespace, name: 'gc-plain' })));
  });

  it('leaves them when the deletion orphans them', async () => {
    await makeController('gc-orphan', 20);
    await controllers().delete({ namespace, name: 'gc-orphan' }, { propagationPolicy: 'Orphan' });
    await world.until('the controller is gone', () => isGone(controllers().get({ namespace, name: 'gc-orphan' })));
    await world.pass(30);
    const left = await podsOf('gc-orphan');
    assert.equal(left.length, 20);
    assert.ok(
      left.every(({ metadata }) => (metadata.ownerReferences ?? []).length === 0 && metadata.deletionTimestamp === undefined),
    );
  });

  it('takes the ReplicaSet of a Deployment, and leaves it when the deletion orphans it', async () => {
    const deployments = world.client.resource('deployments.apps');
    await makeDeployment('gc-deploy');
    await deployments.delete({ namespace, name: 'gc-deploy' }, { propagationPolicy: 'Background' });
    await world.until(
      'all is gone',
      async () => (await setsOf('gc-deploy')).length === 0 && (await podsOf('gc-deploy')).length === 0,
    );
    await makeDeployment('gc-keep');
    await deployments.delete({ namespace, name: 'gc-keep' }, { propagationPolicy: 'Orphan' });
    await world.until('the Deployment is gone', () => isGone(deployments.get({ namespace, name: 'gc-keep' })));
    await world.pass(30);
    const [set, ...others] = await setsOf('gc-keep');
    assert.deepEqual([set?.metadata.ownerReferences ?? [], others], [[], []]);
    assert.equal((await podsOf('gc-keep')).length, 2);
  });

  it('keeps the owner until all its pods are gone, when asked so', async () => {
    await makeController('gc-front', 5);
    // The kubelet of these pods takes its time.
    world.connected.delete('n1');
    await controllers().delete({ namespace, name: 'gc-front' }, { propagationPolicy: 'Foreground' });
    await world.rest();
    const waiting = await controllers().get({ namespace, name: 'gc-front' });
    assert.deepEqual(waiting.metadata.finalizers, ['foregroundDeletion']);
    assert.notEqual(waiting.metadata.deletionTimestamp, undefined);
    assert.equal((await podsOf('gc-front')).length, 5);
    world.connected.add('n1');
    await world.until('the controller is gone', () => isGone(controllers().get({ namespace, name: 'gc-front' })));
    assert.equal((await podsOf('gc-front')).length, 0);
  });

  it('leaves pods that have another owner besides the one that waits for its pods', async () => {
    const going = await makeController('gc-going', 6);
    const staying = await makeController('gc-staying', 1);
    const shared = (await podsOf('gc-going')).slice(0, 3);
    const owner: OwnerReference = {
      apiVersion: 'v1',
      kind: 'ReplicationController',
      name: 'gc-staying',
      uid: staying.metadata.uid,
    };
    for (const { metadata } of shared) {
      const ownerReferences = [...(metadata.ownerReferences ?? []), owner].map((one) => ({ ...one }));
      await world.client.resource('pods').patch(metadata, { type: 'strategic', body: { metadata: { ownerReferences } } });
    }
    await controllers().delete({ namespace, name: 'gc-going' }, { propagationPolicy: 'Foreground' });
    await world.until('the controller is gone', () => isGone(controllers().get({ namespace, name: 'gc-going' })));
    const left = await podsOf('gc-going');
    assert.deepEqual(left.map(({ metadata }) => metadata.name).sort(), shared.map(({ metadata }) => metadata.name).sort());
    for (const { metadata } of left) {
      assert.equal(metadata.deletionTimestamp, undefined);
      assert.ok((metadata.ownerReferences ?? []).some(({ uid }) => uid === staying.metadata.uid));
      assert.ok((metadata.ownerReferences ?? []).every(({ uid }) => uid !== going.metadata.uid));
    }
  });

  it('is not held up by pods that own each other in a circle', async () => {
    const pods = world.client.resource('pods');
    const names = ['circle-1', 'circle-2', 'circle-3'];
    const made = new Map<string, Pod>();
    for (const name of names) {
      const metadata = { name, namespace, labels: { app: 'circle' } };
      made.set(name, await pods.create({ apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers } }));
    }
    for (const [index, name] of names.entries()) {
      const before = names[(index + 2) % 3] ?? '';
      const owner = { apiVersion: 'v1', kind: 'Pod', name: before, uid: made.get(before)?.metadata.uid, controller: true };
      const body = { metadata: { ownerReferences: [{ ...owner, blockOwnerDeletion: true }] } };
      await pods.patch({ namespace, name }, { type: 'strategic', body });
    }
    await pods.delete({ namespace, name: 'circle-1' }, { propagationPolicy: 'Foreground' });
    await world.until('all are gone', async () => (await podsOf('circle')).length === 0);
  });
});

describe('a namespace', () => {
  const namespaces = () => world.client.resource('namespaces');
  const make = async (name: string): Promise<void> => {
    await namespaces().create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name }, spec: {} });
    const accounts = world.client.resource('serviceaccounts');
    await world.until('its service account', async () => (await accounts.list({ namespace: name })).items.length === 1);
  };
  const remove = async (name: string): Promise<void> => {
    await namespaces().delete({ name });
    await world.until('it is gone', () => isGone(namespaces().get({ name })));
  };
  const pod = (name: string, inNamespace: string, finalizers: string[] = []) =>
    world.client.resource('pods').create({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: inNamespace, finalizers },
      spec: { containers },
    });

  it('takes its pods along, so that one of the same name begins without them', async () => {
    await make('ns-pods');
    await pod('test-pod', 'ns-pods');
    await remove('ns-pods');
    await make('ns-pods');
    assert.ok(await isGone(world.client.resource('pods').get({ namespace: 'ns-pods', name: 'test-pod' })));
  });

  it('takes its services along', async () => {
    const services = world.client.resource('services');
    await make('ns-services');
    await services.create({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'test-service', namespace: 'ns-services' },
      spec: { selector: { foo: 'bar' }, ports: [{ port: 80 }] },
    });
    await remove('ns-services');
    await make('ns-services');
    assert.ok(await isGone(services.get({ namespace: 'ns-services', name: 'test-service' })));
  });

  it('deletes its pods before all else', async () => {
    await make('ns-order');
    await pod('held', 'ns-order', ['e2e.example.com/finalizer']);
    const maps = world.client.resource('configmaps');
    await maps.create({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'later', namespace: 'ns-order' },
      data: { k: 'v' },
    });
    await namespaces().delete({ name: 'ns-order' });
    await world.until('it says that it is held up', async () => {
      const { status } = await namespaces().get({ name: 'ns-order' });
      return (
        status?.phase === 'Terminating' &&
        status.conditions?.some(({ type }) => type === 'NamespaceDeletionContentFailure') === true
      );
    });
    await maps.get({ namespace: 'ns-order', name: 'later' });
    const pods = world.client.resource('pods');
    const held = await pods.get({ namespace: 'ns-order', name: 'held' });
    assert.notEqual(held.metadata.deletionTimestamp, undefined);
    await pods.patch({ namespace: 'ns-order', name: 'held' }, { type: 'merge', body: { metadata: { finalizers: null } } });
    await world.until('it is gone', () => isGone(namespaces().get({ name: 'ns-order' })), 120);
  });

  it('is patched and updated', async () => {
    await make('ns-changes');
    const patched = await namespaces().patch(
      { name: 'ns-changes' },
      { type: 'strategic', body: { metadata: { labels: { testLabel: 'testValue' } } } },
    );
    assert.equal(patched.metadata.labels?.['testLabel'], 'testValue');
    assert.equal((await namespaces().get({ name: 'ns-changes' })).metadata.labels?.['testLabel'], 'testValue');
    const labels = { ...patched.metadata.labels, other: 'updated' };
    const updated = await namespaces().update({ ...patched, metadata: { ...patched.metadata, labels } });
    assert.equal(updated.metadata.labels?.['other'], 'updated');
  });

  it('has its status patched and updated', async () => {
    await make('ns-status');
    const condition = { type: 'StatusPatch', status: 'True', reason: 'E2E', message: 'Patched by an e2e test' } as const;
    const patched = await namespaces().patch(
      { name: 'ns-status' },
      {
        type: 'merge',
        body: { metadata: { annotations: { 'e2e-patched-ns-status': 'ns-status' } }, status: { conditions: [condition] } },
      },
      { subresource: 'status' },
    );
    assert.equal(patched.metadata.annotations?.['e2e-patched-ns-status'], 'ns-status');
    assert.deepEqual(
      patched.status?.conditions?.map(({ type, reason }) => [type, reason]),
      [['StatusPatch', 'E2E']],
    );
    const more = { type: 'StatusUpdate', status: 'True', reason: 'E2E', message: 'Updated by an e2e test' } as const;
    const conditions = [...(patched.status?.conditions ?? []), more];
    const updated = await namespaces().updateStatus({ ...patched, status: { ...patched.status, conditions } });
    assert.deepEqual(
      updated.status?.conditions?.map(({ type }) => type),
      ['StatusPatch', 'StatusUpdate'],
    );
  });

  it('gets a finalizer by its subresource, and loses it so', async () => {
    await make('ns-finalizer');
    const path = '/api/v1/namespaces/ns-finalizer/finalize';
    const change = async (finalizers: string[]): Promise<string[] | undefined> => {
      const found = await namespaces().get({ name: 'ns-finalizer' });
      const body = Buffer.from(JSON.stringify({ ...found, spec: { ...found.spec, finalizers } }));
      const answer = await world.server.handle(
        { method: 'PUT', path, headers: { 'content-type': 'application/json' }, body },
        { sender: { user: { name: 'admin', groups: ['system:masters', 'system:authenticated'], extra: {} } } },
      );
      assert.equal(answer.status, 200);
      for await (const _ of answer.body);
      return (await namespaces().get({ name: 'ns-finalizer' })).spec?.finalizers;
    };
    assert.deepEqual(await change(['kubernetes', 'e2e.example.com/fakeFinalizer']), [
      'kubernetes',
      'e2e.example.com/fakeFinalizer',
    ]);
    assert.deepEqual(await change(['kubernetes']), ['kubernetes']);
    await remove('ns-finalizer');
  });
});
