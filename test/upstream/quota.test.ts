/** What upstream's conformance tests assert of quotas, over the real controller. Source: kubernetes `test/e2e/apimachinery/resource_quota.go`. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { KubeObject, New } from '#api/meta.ts';
import type { ResourceId, ResourceTypes } from '#api/resources.ts';
import { ApiError, isNotFound } from '#api/status.ts';
import type { Pod, PodSpec, ResourceQuotaSpec } from '#api/types.generated.ts';
import { startWorld, type World } from '#control/controllers/cluster.testing.ts';

type Amounts = Record<string, string>;

let world: World;
before(async () => {
  world = await startWorld();
  await world.addNode('n1');
});
after(() => world.stop());

const quotas = () => world.client.resource('resourcequotas');
const pods = () => world.client.resource('pods');
const container = (resources: object = {}) => ({ name: 'c', image: 'i', resources });

/** A namespace of its own, with its service account, for one test. */
async function fresh(namespace: string): Promise<string> {
  await world.client
    .resource('namespaces')
    .create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace }, spec: {} });
  const accounts = world.client.resource('serviceaccounts');
  await world.until('its service account', async () => (await accounts.list({ namespace })).items.length === 1);
  return namespace;
}

const makeQuota = (namespace: string, name: string, hard: Amounts, more: Partial<ResourceQuotaSpec> = {}) =>
  quotas().create({ apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name, namespace }, spec: { hard, ...more } });

const makePod = (namespace: string, name: string, resources: object = {}, spec: Partial<PodSpec> = {}): Promise<Pod> =>
  pods().create({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace },
    spec: { containers: [container(resources)], ...spec },
  } as New<Pod>);

/** Waits until the quota says just this of these resources. */
const used = (namespace: string, name: string, amounts: Amounts): Promise<unknown> =>
  world.until(`${name} uses ${JSON.stringify(amounts)}`, async () => {
    const { status } = await quotas().get({ namespace, name });
    return Object.entries(amounts).every(([resource, amount]) => status?.used?.[resource] === amount);
  });

const forbidden = (making: Promise<unknown>): Promise<void> =>
  assert.rejects(
    making,
    (error: unknown) => error instanceof ApiError && error.status.code === 403 && /exceeded quota/.test(error.message),
  );

describe('a quota', () => {
  it('tells its status soon after it is made', async () => {
    const namespace = await fresh('prompt');
    await makeQuota(namespace, 'q', { pods: '5', services: '10', cpu: '1', memory: '500Mi' });
    await used(namespace, 'q', { pods: '0', services: '0', cpu: '0', memory: '0' });
    assert.deepEqual((await quotas().get({ namespace, name: 'q' })).status?.hard, {
      pods: '5',
      services: '10',
      cpu: '1',
      memory: '500Mi',
    });
  });

  it('follows services, and refuses those that are too many', async () => {
    const namespace = await fresh('services');
    const services = world.client.resource('services');
    const make = (name: string, type: string, more: object = {}) =>
      services.create({
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name, namespace },
        spec: { type, ports: [{ port: 80 }], ...more },
      } as never);
    await makeQuota(namespace, 'q', { services: '3', 'services.nodeports': '1', 'services.loadbalancers': '0' });
    await used(namespace, 'q', { services: '0' });
    await make('cluster', 'ClusterIP');
    await make('node', 'NodePort');
    await used(namespace, 'q', { services: '2', 'services.nodeports': '1' });
    await forbidden(make('second-node', 'NodePort'));
    await forbidden(make('balanced', 'LoadBalancer', { allocateLoadBalancerNodePorts: false }));
    await services.delete({ namespace, name: 'cluster' });
    await services.delete({ namespace, name: 'node' });
    await used(namespace, 'q', { services: '0', 'services.nodeports': '0' });
  });

  /** Kinds that are counted as objects. */
  const counted: [namespace: string, id: ResourceId, resource: string, object: object][] = [
    ['secrets', 'secrets', 'secrets', { apiVersion: 'v1', kind: 'Secret', data: {} }],
    ['maps', 'configmaps', 'configmaps', { apiVersion: 'v1', kind: 'ConfigMap', data: { a: 'b' } }],
    [
      'rcs',
      'replicationcontrollers',
      'replicationcontrollers',
      {
        apiVersion: 'v1',
        kind: 'ReplicationController',
        spec: {
          replicas: 0,
          selector: { a: 'b' },
          template: { metadata: { labels: { a: 'b' } }, spec: { containers: [container()] } },
        },
      },
    ],
    [
      'sets',
      'replicasets.apps',
      'count/replicasets.apps',
      {
        apiVersion: 'apps/v1',
        kind: 'ReplicaSet',
        spec: {
          replicas: 0,
          selector: { matchLabels: { a: 'b' } },
          template: { metadata: { labels: { a: 'b' } }, spec: { containers: [container()] } },
        },
      },
    ],
  ];
  for (const [namespace, id, resource, object] of counted)
    it(`follows the life of objects that it counts: ${resource}`, async () => {
      await fresh(namespace);
      const objects = world.client.resource(id as 'configmaps');
      const before = (await objects.list({ namespace })).items.length;
      await makeQuota(namespace, 'q', { [resource]: String(before + 1) });
      await used(namespace, 'q', { [resource]: String(before) });
      const make = (name: string) =>
        objects.create({ ...object, metadata: { name, namespace } } as New<ResourceTypes['configmaps']>);
      await make('one');
      await used(namespace, 'q', { [resource]: String(before + 1) });
      await forbidden(make('two'));
      await objects.delete({ namespace, name: 'one' });
      await used(namespace, 'q', { [resource]: String(before) });
    });

  it('follows pods and what they request, and lets nobody pass it', async () => {
    const namespace = await fresh('pods');
    await makeQuota(namespace, 'q', {
      pods: '5',
      cpu: '1',
      memory: '500Mi',
      'requests.ephemeral-storage': '50Gi',
      'requests.example.com/dongle': '3',
    });
    await used(namespace, 'q', { pods: '0', cpu: '0' });
    const asks = { cpu: '500m', memory: '252Mi', 'ephemeral-storage': '30Gi', 'example.com/dongle': '2' };
    const requests = { requests: asks, limits: { 'example.com/dongle': '2' } };
    const pod = await makePod(namespace, 'fits', requests);
    const taken = {
      pods: '1',
      cpu: '500m',
      memory: '252Mi',
      'requests.ephemeral-storage': '30Gi',
      'requests.example.com/dongle': '2',
    };
    await used(namespace, 'q', taken);
    await forbidden(makePod(namespace, 'too-much', { requests: { cpu: '600m', memory: '100Mi', 'ephemeral-storage': '1Gi' } }));
    const more = { 'example.com/dongle': '2' };
    const dongles = { requests: { cpu: '1m', memory: '1Mi', 'ephemeral-storage': '1Gi', ...more }, limits: more };
    await forbidden(makePod(namespace, 'too-many-dongles', dongles));
    // A pod's requests cannot be changed past the quota by an update.
    await assert.rejects(
      pods().update({
        ...pod,
        spec: { ...pod.spec, containers: [container({ ...requests, requests: { ...asks, cpu: '100m' } })] },
      }),
    );
    await used(namespace, 'q', taken);
    await pods().delete({ namespace, name: 'fits' }, { gracePeriodSeconds: 0 });
    await used(namespace, 'q', { pods: '0', cpu: '0', memory: '0', 'requests.example.com/dongle': '0' });
  });

  it('counts the pods of its scope alone: with and without an end', async () => {
    const namespace = await fresh('ends');
    await makeQuota(namespace, 'ending', { pods: '5' }, { scopes: ['Terminating'] });
    await makeQuota(namespace, 'lasting', { pods: '5' }, { scopes: ['NotTerminating'] });
    await used(namespace, 'ending', { pods: '0' });
    await used(namespace, 'lasting', { pods: '0' });
    await makePod(namespace, 'lasts');
    await used(namespace, 'lasting', { pods: '1' });
    await used(namespace, 'ending', { pods: '0' });
    await pods().delete({ namespace, name: 'lasts' }, { gracePeriodSeconds: 0 });
    await used(namespace, 'lasting', { pods: '0' });
    await makePod(namespace, 'ends', {}, { activeDeadlineSeconds: 3600 });
    await used(namespace, 'ending', { pods: '1' });
    await used(namespace, 'lasting', { pods: '0' });
    await pods().delete({ namespace, name: 'ends' }, { gracePeriodSeconds: 0 });
    await used(namespace, 'ending', { pods: '0' });
  });

  it('counts the pods of its scope alone: with and without requests', async () => {
    const namespace = await fresh('efforts');
    await makeQuota(namespace, 'best', { pods: '5' }, { scopes: ['BestEffort'] });
    await makeQuota(namespace, 'other', { pods: '5' }, { scopes: ['NotBestEffort'] });
    await used(namespace, 'best', { pods: '0' });
    await used(namespace, 'other', { pods: '0' });
    await makePod(namespace, 'plain');
    await used(namespace, 'best', { pods: '1' });
    await used(namespace, 'other', { pods: '0' });
    await pods().delete({ namespace, name: 'plain' }, { gracePeriodSeconds: 0 });
    await used(namespace, 'best', { pods: '0' });
    await makePod(namespace, 'asks', { requests: { cpu: '100m' } });
    await used(namespace, 'other', { pods: '1' });
    await used(namespace, 'best', { pods: '0' });
  });

  it('is updated, and deleted', async () => {
    const namespace = await fresh('updated');
    const made = await makeQuota(namespace, 'q', { cpu: '1', memory: '500Mi' });
    const hard = { cpu: '2', memory: '1Gi' };
    assert.deepEqual((await quotas().update({ ...made, spec: { hard } })).spec.hard, hard);
    assert.deepEqual((await quotas().get({ namespace, name: 'q' })).spec.hard, hard);
    await quotas().delete({ namespace, name: 'q' });
    await assert.rejects(quotas().get({ namespace, name: 'q' }), isNotFound);
  });

  it('is listed by its labels, patched, and deleted as a collection', async () => {
    const namespace = await fresh('lifecycle');
    const labels = { 'e2e-rq-label': 'life' };
    const metadata = { name: 'life', namespace, labels };
    const spec = { hard: { cpu: '1', memory: '500Mi' } };
    const made = await quotas().create({ apiVersion: 'v1', kind: 'ResourceQuota', metadata, spec });
    const labelSelector = 'e2e-rq-label=life';
    assert.equal((await quotas().list({ labelSelector })).items.length, 1);
    const body = { metadata: { labels: { life: 'patched' } }, spec: { hard: { memory: '750Mi' } } };
    const patched = await quotas().patch({ namespace, name: 'life' }, { type: 'strategic', body });
    assert.deepEqual(
      [patched.metadata.labels?.['life'], patched.spec.hard?.['memory'], patched.spec.hard?.['cpu']],
      ['patched', '750Mi', '1'],
    );
    assert.ok(BigInt(patched.metadata.resourceVersion) > BigInt(made.metadata.resourceVersion));
    const answer = await world.server.handle(
      {
        method: 'DELETE',
        path: `/api/v1/namespaces/${namespace}/resourcequotas?labelSelector=${encodeURIComponent(labelSelector)}`,
        headers: {},
      },
      { sender: { user: { name: 'admin', groups: ['system:masters', 'system:authenticated'], extra: {} } } },
    );
    assert.equal(answer.status, 200);
    for await (const _ of answer.body);
    await assert.rejects(quotas().get({ namespace, name: 'life' }), isNotFound);
  });

  it('has its status updated and patched, which leaves its spec', async () => {
    const namespace = await fresh('status');
    await makeQuota(namespace, 'q', { cpu: '500m', memory: '500Mi' });
    await used(namespace, 'q', { cpu: '0' });
    const current = await quotas().get({ namespace, name: 'q' });
    const hard = { cpu: '500m', memory: '500Mi' };
    assert.deepEqual((await quotas().updateStatus({ ...current, status: { ...current.status, hard } })).status?.hard, hard);
    await quotas().patch({ namespace, name: 'q' }, { type: 'strategic', body: { spec: { hard: { cpu: '1', memory: '1Gi' } } } });
    await world.until(
      'the new spec is told',
      async () => (await quotas().get({ namespace, name: 'q' })).status?.hard?.['cpu'] === '1',
    );
    const body = { status: { hard: { cpu: '2', memory: '2Gi' } } };
    const patched = await quotas().patch({ namespace, name: 'q' }, { type: 'strategic', body }, { subresource: 'status' });
    assert.deepEqual(
      [patched.status?.hard, patched.spec.hard],
      [
        { cpu: '2', memory: '2Gi' },
        { cpu: '1', memory: '1Gi' },
      ],
    );
    const read: KubeObject = await quotas().get({ namespace, name: 'q' });
    assert.equal(read.metadata.uid, current.metadata.uid);
  });
});
