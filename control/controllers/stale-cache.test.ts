/** Endpoint controllers with a cache that is behind the server: which events they record. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { pino } from 'pino';
import type { KubeObject } from '#api/meta.ts';
import { keyOf } from '#api/meta.ts';
import type { Resource } from '#api/resources.ts';
import { isConflict } from '#api/status.ts';
import type { Pod, Service } from '#api/types.generated.ts';
import type { Caches, ControllerDeps } from '#client/controller.ts';
import { createLeftOutReporter } from '#client/left-out.ts';
import type { World } from './cluster.testing.ts';
import { startWorld } from './cluster.testing.ts';
import { endpointsController } from './endpoints.ts';
import { endpointSliceController } from './endpointslice.ts';
import { endpointSliceMirroringController } from './endpointslice-mirroring.ts';
import { resourceQuotaController } from './resource-quota.ts';

let world: World;
before(async () => {
  world = await startWorld();
});
after(() => world.stop());

/** The dependencies of a controller whose caches have only these objects, and its recorded events. */
function observe(at: Record<string, KubeObject[]>): { deps: ControllerDeps; recorded: string[] } {
  const recorded: string[] = [];
  const cache = (id: string) => ({
    get: (key: string) => at[id]?.find((one) => keyOf(one) === key),
    list: () => at[id] ?? [],
    ownedBy: () => [],
    onNode: () => [],
  });
  const events: ControllerDeps['events'] = {
    event: (about, _type, reason) => void recorded.push(`${'metadata' in about ? about.metadata.name : about.kind} ${reason}`),
  };
  const { client, clock, server } = world;
  const log = pino({ level: 'silent' });
  const leftOut = createLeftOutReporter({ events, log });
  return {
    deps: {
      client,
      catalog: server.resources,
      caches: { cache, cacheOf: ({ id }: Resource) => cache(id) } as unknown as Caches,
      clock,
      events,
      leftOut,
      log,
    },
    recorded,
  };
}

const service = (name: string, namespace = 'default'): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace, uid: `uid-${name}`, resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: { selector: { app: name }, clusterIP: '10.96.0.9', ipFamilies: ['IPv4'], ports: [{ port: 80, protocol: 'TCP' }] },
});
const pod = (app: string): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'default', labels: { app }, uid: 'u', resourceVersion: '1', creationTimestamp: '' },
  spec: { nodeName: 'n', containers: [] },
  status: { podIP: '10.244.0.9', podIPs: [{ ip: '10.244.0.9' }], conditions: [{ type: 'Ready', status: 'True' }] },
});

describe('a cache that is behind', () => {
  it('records no event: EndpointSlice and Endpoints are written again when the cache is current', async () => {
    const metadata = {
      name: 'late',
      namespace: 'default',
      labels: {
        'kubernetes.io/service-name': 'late',
        'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
      },
      ownerReferences: [{ apiVersion: 'v1', kind: 'Service', name: 'late', uid: 'uid-late' }],
    };
    const slices = world.client.resource('endpointslices.discovery.k8s.io');
    const endpoints = world.client.resource('endpoints');
    // The world's own controllers do not touch these objects, because there is no such Service.
    const old = await endpoints.create({ apiVersion: 'v1', kind: 'Endpoints', metadata: { name: 'late', namespace: 'default' } });
    const slice = await slices.create({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { ...metadata, ownerReferences: [] },
      addressType: 'IPv4',
      endpoints: [],
      ports: [],
    });
    const touch = { type: 'merge', body: { metadata: { annotations: { newer: 'yes' } } } } as const;
    await endpoints.patch(old.metadata, touch);
    await slices.patch(slice.metadata, touch);
    const node: KubeObject = { apiVersion: 'v1', kind: 'Node', metadata: { ...pod('').metadata, name: 'n' } };
    delete node.metadata.namespace;
    const seen = { ...slice, metadata: { ...slice.metadata, ownerReferences: metadata.ownerReferences } };
    const { deps, recorded } = observe({
      services: [service('late')],
      pods: [pod('late')],
      nodes: [node],
      endpoints: [old],
      'endpointslices.discovery.k8s.io': [seen],
    });
    for (const controller of [endpointsController(deps), endpointSliceController(deps)])
      await assert.rejects(controller.reconcile('default/late', new AbortController().signal), isConflict);
    assert.deepEqual(recorded, []);
  });

  it('differs from a server that refuses: that is recorded in an event of the Endpoints', async () => {
    const { deps, recorded } = observe({ services: [service('homeless', 'no-such-namespace')] });
    await assert.rejects(endpointsController(deps).reconcile('no-such-namespace/homeless', new AbortController().signal));
    assert.deepEqual(recorded, ['Endpoints FailedToCreateEndpoint']);
  });
});

describe('a quota in a cache that is behind', () => {
  it('is looked at again: the deletion of an object came before the count of its creation', async () => {
    const quotas = world.client.resource('resourcequotas');
    const hard = { 'count/configmaps': '5' };
    const made = await quotas.create({
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: { name: 'late', namespace: 'kube-public' },
      spec: { hard },
    });
    const old = await world.until('the quota is counted', async () => {
      const { items } = await quotas.list({ namespace: 'kube-public' });
      return items.find(({ metadata, status }) => metadata.uid === made.metadata.uid && status?.used !== undefined);
    });
    const { deps } = observe({ resourcequotas: [old] });
    const reconcile = () => resourceQuotaController(deps).reconcile('kube-public/late', new AbortController().signal);
    await quotas.updateStatus({ ...old, status: { hard, used: { 'count/configmaps': '4' } } });
    assert.equal((await reconcile()).kind, 'requeueAfter');
  });
});

describe('Endpoints with too many addresses', () => {
  it('are mirrored up to the limit of a slice, with an event about the rest', async () => {
    const ips = (count: number, net: string) => Array.from({ length: count }, (_, i) => ({ ip: `${net}.${i >> 8}.${i & 255}` }));
    const manual = await world.client.resource('endpoints').create({
      apiVersion: 'v1',
      kind: 'Endpoints',
      metadata: { name: 'many', namespace: 'default' },
      subsets: [{ addresses: ips(999, '192.0'), notReadyAddresses: ips(3, '198.51'), ports: [{ port: 80 }] }],
    });
    const { selector: _selector, ...spec } = service('many').spec;
    const selectorless: Service = { ...service('many'), spec };
    const { deps, recorded } = observe({ services: [selectorless], endpoints: [manual] });
    await endpointSliceMirroringController(deps).reconcile('default/many', new AbortController().signal);
    assert.deepEqual(recorded, ['many TooManyAddressesToMirror']);
  });
});
