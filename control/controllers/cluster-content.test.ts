import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { isNotFound } from '#api/status.ts';
import type { World } from './cluster.testing.ts';
import { startWorld } from './cluster.testing.ts';

let world: World;
before(async () => {
  world = await startWorld({ rootCaPem: 'ROOT CA' });
  await world.addNode('n1');
});
after(() => world.stop());

const maps = () => world.client.resource('configmaps');
const exists = async (name: string, namespace = 'default') => {
  try {
    await maps().get({ namespace, name });
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
};
const map = (name: string, owner?: { metadata: { name: string; uid: string } }, more: object = {}) =>
  maps().create({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name,
      namespace: 'default',
      ...(owner === undefined
        ? {}
        : {
            ownerReferences: [
              {
                apiVersion: 'v1',
                kind: 'ConfigMap',
                name: owner.metadata.name,
                uid: owner.metadata.uid,
                blockOwnerDeletion: true,
              },
            ],
          }),
      ...more,
    },
  });

describe('namespaces', () => {
  it('get a service account and the root CA, also again after they are deleted or changed', async () => {
    const accounts = world.client.resource('serviceaccounts');
    await world.client
      .resource('namespaces')
      .create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'fresh' }, spec: {} });
    const has = async () =>
      (await accounts.list({ namespace: 'fresh' })).items.some(({ metadata }) => metadata.name === 'default') &&
      (await exists('kube-root-ca.crt', 'fresh'));
    await world.until('both there', has);
    await accounts.delete({ namespace: 'fresh', name: 'default' });
    await maps().delete({ namespace: 'fresh', name: 'kube-root-ca.crt' });
    await world.until('both there again', has);
    await maps().patch(
      { namespace: 'fresh', name: 'kube-root-ca.crt' },
      { type: 'merge', body: { data: { 'ca.crt': 'forged' } } },
    );
    await world.until(
      'repaired',
      async () => (await maps().get({ namespace: 'fresh', name: 'kube-root-ca.crt' })).data?.['ca.crt'] === 'ROOT CA',
    );
  });

  it('are removed only after their content, and report the content that remains', async () => {
    await world.client
      .resource('namespaces')
      .create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'full' }, spec: {} });
    await world.until(
      'service account',
      async () => (await world.client.resource('serviceaccounts').list({ namespace: 'full' })).items.length === 1,
    );
    await maps().create({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'held', namespace: 'full', finalizers: ['example.com/hold'] },
    });
    await world.client.resource('namespaces').delete({ name: 'full' });
    const waiting = await world.until('it waits', async () => {
      const found = await world.client.resource('namespaces').get({ name: 'full' });
      return found.status?.conditions?.some(
        ({ type, status }) => type === 'NamespaceFinalizersRemaining' && status === 'True',
      ) === true
        ? found
        : undefined;
    });
    const messages = waiting.status?.conditions
      ?.filter(({ status }) => status === 'True')
      .map(({ type, message }) => [type, message]);
    assert.deepEqual(messages, [
      ['NamespaceContentRemaining', 'Some resources are remaining: configmaps. has 1 resource instances'],
      [
        'NamespaceFinalizersRemaining',
        'Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances',
      ],
    ]);
    assert.equal(waiting.status?.phase, 'Terminating');
    await maps().patch({ namespace: 'full', name: 'held' }, { type: 'merge', body: { metadata: { finalizers: null } } });
    await world.until(
      'gone',
      async () => !(await world.client.resource('namespaces').list()).items.some(({ metadata }) => metadata.name === 'full'),
      30,
    );
  });
});

describe('garbage collection', () => {
  it('deletes objects that have lost their last owner, and no others', async () => {
    const [a, b] = [await map('owner-a'), await map('owner-b')];
    await map('of-a', a);
    await maps().create({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: {
        name: 'of-both',
        namespace: 'default',
        ownerReferences: [a, b].map(({ metadata: { name, uid } }) => ({ apiVersion: 'v1', kind: 'ConfigMap', name, uid })),
      },
    });
    await maps().delete({ namespace: 'default', name: 'owner-a' });
    await world.until('of-a is gone', async () => !(await exists('of-a')));
    await world.until(
      'of-both names its living owner alone',
      async () =>
        (await maps().get({ namespace: 'default', name: 'of-both' })).metadata.ownerReferences?.map(({ name }) => name).join() ===
        'owner-b',
    );
  });

  it('deletes an object whose owner has never existed', async () => {
    await map('foundling', { metadata: { name: 'nobody', uid: '00000000-0000-0000-0000-000000000000' } });
    await world.until('gone', async () => !(await exists('foundling')));
  });

  it('does not delete an object whose owner’s kind is not served', async () => {
    await maps().create({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: {
        name: 'foreign',
        namespace: 'default',
        ownerReferences: [{ apiVersion: 'example.com/v1', kind: 'Widget', name: 'w', uid: 'u' }],
      },
    });
    await world.pass(5);
    assert.equal(await exists('foreign'), true);
  });

  it('counts an owner as absent when its UID belongs to another namespace, name or kind, and reports a wrong namespace', async () => {
    const owner = await map('coordinates');
    const { uid, name } = owner.metadata;
    await world.client
      .resource('namespaces')
      .create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'elsewhere' }, spec: {} });
    const reference = { apiVersion: 'v1', kind: 'ConfigMap', name, uid };
    for (const [dependent, namespace, ownerReferences] of [
      ['of-other-namespace', 'elsewhere', [reference]],
      ['of-other-name', 'default', [{ ...reference, name: 'another' }]],
      ['of-other-kind', 'default', [{ ...reference, kind: 'Secret' }]],
      ['of-right-owner', 'default', [reference]],
    ] as const)
      await maps().create({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: dependent, namespace, ownerReferences: [...ownerReferences] },
      });
    await world.until(
      'gone',
      async () =>
        !(await exists('of-other-namespace', 'elsewhere')) &&
        !(await exists('of-other-name')) &&
        !(await exists('of-other-kind')),
    );
    assert.equal(await exists('of-right-owner'), true);
    const event = await world.until('told', async () =>
      (await world.client.resource('events').list({ namespace: 'elsewhere' })).items.find(
        ({ reason }) => reason === 'OwnerRefInvalidNamespace',
      ),
    );
    assert.equal(
      event.message,
      `ownerRef [v1/ConfigMap, namespace: elsewhere, name: coordinates, uid: ${uid}] does not exist in namespace "elsewhere"`,
    );
  });

  it('keeps the owner until its blocking dependents are gone, in the foreground', async () => {
    const owner = await map('front');
    await map('front-child', owner, { finalizers: ['example.com/hold'] });
    await world.rest();
    await maps().delete({ namespace: 'default', name: 'front' }, { propagationPolicy: 'Foreground' });
    await world.until(
      'the child is being deleted',
      async () => (await maps().get({ namespace: 'default', name: 'front-child' })).metadata.deletionTimestamp !== undefined,
    );
    await world.pass(3);
    assert.equal(await exists('front'), true);
    await maps().patch(
      { namespace: 'default', name: 'front-child' },
      { type: 'merge', body: { metadata: { finalizers: null } } },
    );
    await world.until('both gone', async () => !(await exists('front')) && !(await exists('front-child')));
  });

  it('does not wait in the foreground for a dependent that has another living owner', async () => {
    const [front, other] = [await map('front-of-two'), await map('other-of-two')];
    await maps().create({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: {
        name: 'shared',
        namespace: 'default',
        ownerReferences: [front, other].map(({ metadata: { name, uid } }) => ({
          apiVersion: 'v1',
          kind: 'ConfigMap',
          name,
          uid,
          blockOwnerDeletion: true,
        })),
      },
    });
    await world.rest();
    await maps().delete({ namespace: 'default', name: 'front-of-two' }, { propagationPolicy: 'Foreground' });
    await world.until('the owner is gone', async () => !(await exists('front-of-two')));
    const owners = (await maps().get({ namespace: 'default', name: 'shared' })).metadata.ownerReferences;
    assert.deepEqual(
      owners?.map(({ name }) => name),
      ['other-of-two'],
    );
  });

  it('removes the owner references of dependents when the owner is deleted with Orphan', async () => {
    const owner = await map('parent');
    await map('kept', owner);
    await world.rest();
    await maps().delete({ namespace: 'default', name: 'parent' }, { propagationPolicy: 'Orphan' });
    await world.until('the owner is gone', async () => !(await exists('parent')));
    await world.pass(3);
    assert.deepEqual((await maps().get({ namespace: 'default', name: 'kept' })).metadata.ownerReferences ?? [], []);
  });
});

describe('endpoints of a Service', () => {
  it('follow its pods as Endpoints and EndpointSlices, by named port, and are mirrored when a user writes them', async () => {
    const services = world.client.resource('services');
    const base = { clusterIP: 'None', clusterIPs: ['None'], ipFamilies: ['IPv4'] };
    await services.create({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'named', namespace: 'default' },
      spec: { ...base, selector: { app: 'named' }, ports: [{ name: 'http', port: 80, targetPort: 'web' }] },
    });
    const slices = async (name: string) =>
      (
        await world.client
          .resource('endpointslices.discovery.k8s.io')
          .list({ namespace: 'default', labelSelector: `kubernetes.io/service-name=${name}` })
      ).items;
    await world.until('an empty placeholder', async () => (await slices('named')).length === 1);
    await world.client.resource('pods').create({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'named-1', namespace: 'default', labels: { app: 'named' } },
      spec: { containers: [{ name: 'c', image: 'i', ports: [{ name: 'web', containerPort: 8080 }] }] },
    });
    const slice = await world.until('one slice with the pod', async () => {
      const [only, ...others] = await slices('named');
      return others.length === 0 && only?.endpoints?.[0]?.conditions?.ready === true ? only : undefined;
    });
    assert.deepEqual(
      slice.ports?.map(({ name, port, protocol }) => [name, port, protocol]),
      [['http', 8080, 'TCP']],
    );
    assert.deepEqual([slice.endpoints?.[0]?.targetRef?.name, slice.endpoints?.[0]?.nodeName], ['named-1', 'n1']);
    assert.deepEqual(slice.metadata.labels, {
      'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
      'kubernetes.io/service-name': 'named',
      'service.kubernetes.io/headless': '',
    });
    const endpoints = await world.client.resource('endpoints').get({ namespace: 'default', name: 'named' });
    assert.deepEqual(
      endpoints.subsets?.map(({ addresses, ports }) => [
        addresses?.map(({ targetRef }) => targetRef?.name),
        ports?.map(({ port }) => port),
      ]),
      [[['named-1'], [8080]]],
    );

    await services.create({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'manual', namespace: 'default' },
      spec: { ...base, ports: [{ port: 80 }] },
    });
    await world.client.resource('endpoints').create({
      apiVersion: 'v1',
      kind: 'Endpoints',
      metadata: { name: 'manual', namespace: 'default' },
      subsets: [{ addresses: [{ ip: '192.0.2.1' }], ports: [{ port: 80 }] }],
    });
    const [mirrored] = await world.until('mirrored', async () => {
      const all = await slices('manual');
      return all.length === 1 ? all : undefined;
    });
    assert.deepEqual(
      [mirrored?.endpoints?.[0]?.addresses, mirrored?.metadata.labels?.['endpointslice.kubernetes.io/managed-by']],
      [['192.0.2.1'], 'endpointslicemirroring-controller.k8s.io'],
    );
    await world.client
      .resource('endpoints')
      .patch({ namespace: 'default', name: 'manual' }, { type: 'merge', body: { metadata: { annotations: { note: 'a' } } } });
    const annotated = await world.until('the annotation is mirrored, too', async () => {
      const [only] = await slices('manual');
      return only?.metadata.annotations?.['note'] === 'a' ? only : undefined;
    });
    assert.equal(annotated.metadata.uid, mirrored?.metadata.uid);

    await services.patch(
      { namespace: 'default', name: 'named' },
      { type: 'merge', body: { spec: { selector: { app: 'another' } } } },
    );
    const emptied = await world.until('nobody is selected any more', async () => {
      const [only, ...others] = await slices('named');
      return others.length === 0 && (only?.endpoints ?? []).length === 0 ? only : undefined;
    });
    assert.equal(emptied.metadata.uid, slice.metadata.uid, 'the slice is written anew, not made anew');
    await services.delete({ namespace: 'default', name: 'named' });
    await world.until(
      'gone with the Service',
      async () =>
        (await slices('named')).length === 0 &&
        !(await world.client.resource('endpoints').list({ namespace: 'default' })).items.some(
          ({ metadata }) => metadata.name === 'named',
        ),
    );
  });
});
