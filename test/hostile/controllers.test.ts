/**
 * Runs every controller on caches with absurd objects beside good ones. For the good ones it must send the same requests as
 * without the others, and no change of any object may get lost on its way to a key.
 */

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { pino } from 'pino';
import { apiServerClientSigner, kubeletClientSigner } from '#api/certificates/signers.ts';
import { deepFreeze } from '#api/deep-freeze.ts';
import type { JsonObject } from '#api/json.ts';
import { type KubeObject, keyOf } from '#api/meta.ts';
import { createResourceCatalog } from '#api/resource-catalog.ts';
import type { Resource, ResourceId } from '#api/resources.ts';
import { notFound } from '#api/status.ts';
import { provisionerAnnotation, selectedNodeAnnotation } from '#api/storage/binding.ts';
import { localPathFolderAnnotation, localPathProvisioner } from '#api/storage/local-path.ts';
import { createCertificateRequest } from '#api/x509/create-request.ts';
import type { Client } from '#client/client.ts';
import { FakeClock } from '#client/clock.ts';
import type { Caches, Controller } from '#client/controller.ts';
import { InformerCache } from '#client/informer-cache.ts';
import { createLeftOutReporter } from '#client/left-out.ts';
import { controllers } from '#control/controllers/index.ts';
import { absurd } from './hostile-object.testing.ts';

interface Placed {
  resource: ResourceId;
  object: KubeObject;
}

const catalog = createResourceCatalog();
const created = '2026-01-01T00:00:00Z';
const base64 = (text: string): string => Buffer.from(text).toString('base64');
function good(resource: ResourceId, name: string, body: object, metadata: object = {}): Placed {
  const { kind, namespaced } = catalog.builtIn(resource);
  const own = { name, uid: `uid-${kind}-${name}`, resourceVersion: '1', creationTimestamp: created, generation: 1 };
  const object = {
    apiVersion: 'v1',
    kind,
    ...body,
    metadata: { ...own, ...(namespaced ? { namespace: 'default' } : {}), ...metadata },
  };
  return { resource, object };
}
const owner = (kind: string, name: string, uid = `uid-${kind}-${name}`, apiVersion = 'apps/v1'): object => ({
  ownerReferences: [{ apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: true }],
});
const nodeRequest = base64(
  createCertificateRequest(
    { commonName: 'system:node:n9', organizations: ['system:nodes'] },
    generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
  ),
);
const usages = ['digital signature', 'client auth'];
const labels = { app: 'web' };
const podSpec = { containers: [{ name: 'c', image: 'c:1', ports: [{ name: 'http', containerPort: 8080 }] }] };
const template = { metadata: { labels }, spec: podSpec };
const runningPod = (name: string, ip: string, nodeName: string, metadata: object): Placed =>
  good(
    'pods',
    name,
    {
      spec: { ...podSpec, nodeName },
      status: {
        phase: 'Running',
        podIP: ip,
        podIPs: [{ ip }],
        conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: created }],
      },
    },
    { labels, ...metadata },
  );
const node = (name: string, spec: object, ready: string): Placed =>
  good('nodes', name, { spec, status: { conditions: [{ type: 'Ready', status: ready, lastHeartbeatTime: created }] } });

/** Work for every controller: an unfinished rollout, new and going ranges of cluster IPs, a failed node, a node without a range, orphans, namespaces with changes, an aggregated role. */
const goodObjects: readonly Placed[] = [
  good('namespaces', 'default', { spec: { finalizers: ['kubernetes'] }, status: { phase: 'Active' } }),
  good(
    'namespaces',
    'going',
    { spec: { finalizers: ['kubernetes'] }, status: { phase: 'Active' } },
    { deletionTimestamp: created },
  ),
  good('deployments.apps', 'web', {
    spec: { replicas: 3, selector: { matchLabels: labels }, template: { ...template, spec: { ...podSpec, nodeName: 'x' } } },
  }),
  good(
    'replicasets.apps',
    'web-1',
    { spec: { replicas: 3, selector: { matchLabels: labels }, template }, status: { replicas: 2 } },
    { labels, ...owner('Deployment', 'web') },
  ),
  good(
    'replicasets.apps',
    'lost',
    {
      spec: { replicas: 0, selector: { matchLabels: { a: 'b' } }, template: { metadata: { labels: { a: 'b' } }, spec: podSpec } },
      status: { replicas: 0 },
    },
    owner('Deployment', 'nobody'),
  ),
  runningPod('web-1-a', '10.244.0.1', 'n1', owner('ReplicaSet', 'web-1')),
  runningPod('web-1-b', '10.244.1.1', 'n2', owner('ReplicaSet', 'web-1')),
  runningPod('nowhere', '10.244.2.1', 'gone', { labels: {} }),
  good('poddisruptionbudgets.policy', 'web', { spec: { selector: { matchLabels: labels }, maxUnavailable: '50%' } }),
  good('horizontalpodautoscalers.autoscaling', 'web', {
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
      maxReplicas: 4,
      metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'AverageValue', averageValue: '100m' } } }],
    },
  }),
  // A pod that somebody wanted to delete, and nobody did.
  good(
    'pods',
    'spared',
    {
      spec: { ...podSpec, nodeName: 'n1' },
      status: {
        phase: 'Running',
        conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler', lastTransitionTime: created }],
      },
    },
    { labels: { of: 'spared' } },
  ),
  good('services', 'web', {
    spec: {
      selector: labels,
      clusterIP: '10.96.0.1',
      ipFamilies: ['IPv4'],
      ports: [{ name: 'http', port: 80, targetPort: 'http' }],
    },
  }),
  good('services', 'balanced', {
    spec: { type: 'LoadBalancer', clusterIP: '10.96.0.3', ipFamilies: ['IPv4'], ports: [{ port: 80 }] },
    status: { loadBalancer: {} },
  }),
  good('servicecidrs.networking.k8s.io', 'new', { spec: { cidrs: ['192.0.2.0/24'] } }),
  good(
    'servicecidrs.networking.k8s.io',
    'going',
    { spec: { cidrs: ['198.51.100.0/24'] } },
    { deletionTimestamp: created, finalizers: ['networking.k8s.io/service-cidr-finalizer'] },
  ),
  // A token that has expired, with the signature that it left behind; a token that nobody has used for years.
  good(
    'secrets',
    'bootstrap-token-abcdef',
    {
      type: 'bootstrap.kubernetes.io/token',
      data: {
        'token-id': base64('abcdef'),
        'token-secret': base64('0123456789abcdef'),
        expiration: base64('2020-01-01T00:00:00Z'),
      },
    },
    { namespace: 'kube-system' },
  ),
  good(
    'configmaps',
    'cluster-info',
    { data: { kubeconfig: 'apiVersion: v1', 'jws-kubeconfig-abcdef': 'old..signature' } },
    { namespace: 'kube-public' },
  ),
  good(
    'configmaps',
    'kube-apiserver-legacy-service-account-token-tracking',
    { data: { since: '2020-01-01' } },
    { namespace: 'kube-system' },
  ),
  good('serviceaccounts', 'old', { secrets: [{ name: 'old-token' }] }),
  good(
    'secrets',
    'old-token',
    { type: 'kubernetes.io/service-account-token' },
    { creationTimestamp: '2020-01-01T00:00:00Z', annotations: { 'kubernetes.io/service-account.name': 'old' } },
  ),
  // Requests for certificates: one that a right approves, one that is approved, one that nobody has looked at for years.
  good('certificatesigningrequests.certificates.k8s.io', 'joining', {
    spec: { request: nodeRequest, signerName: kubeletClientSigner, usages, username: 'bootstrap' },
  }),
  good('certificatesigningrequests.certificates.k8s.io', 'approved', {
    spec: { request: nodeRequest, signerName: apiServerClientSigner, usages, username: 'somebody' },
    status: { conditions: [{ type: 'Approved', status: 'True', reason: 'x', lastUpdateTime: created }] },
  }),
  good(
    'certificatesigningrequests.certificates.k8s.io',
    'forgotten',
    { spec: { request: nodeRequest, signerName: 'example.com/signer', usages, username: 'somebody' } },
    { creationTimestamp: '2020-01-01T00:00:00Z' },
  ),
  good('services', 'written', { spec: { clusterIP: '10.96.0.2', ports: [{ port: 80 }] } }),
  good('endpoints', 'written', { subsets: [{ addresses: [{ ip: '192.0.2.1' }], ports: [{ port: 80 }] }] }),
  node('n1', { podCIDR: '10.244.0.0/24', podCIDRs: ['10.244.0.0/24'] }, 'True'),
  node(
    'n2',
    {
      podCIDR: '10.244.1.0/24',
      podCIDRs: ['10.244.1.0/24'],
      taints: [{ key: 'node.kubernetes.io/unreachable', effect: 'NoExecute', timeAdded: created }],
    },
    'Unknown',
  ),
  node('n3', {}, 'True'),
  good(
    'nodes',
    'n4',
    { spec: { podCIDR: '10.244.9.0/24', podCIDRs: ['10.244.9.0/24'] }, status: {} },
    { labels: { daemons: 'yes' } },
  ),
  good('replicationcontrollers', 'rc', {
    spec: { replicas: 1, selector: { of: 'rc' }, template: { metadata: { labels: { of: 'rc' } }, spec: podSpec } },
  }),
  good('daemonsets.apps', 'ds', {
    spec: {
      selector: { matchLabels: { of: 'ds' } },
      template: { metadata: { labels: { of: 'ds' } }, spec: { ...podSpec, nodeSelector: { daemons: 'yes' } } },
    },
  }),
  good('statefulsets.apps', 'sts', {
    spec: {
      replicas: 1,
      selector: { matchLabels: { of: 'sts' } },
      template: { metadata: { labels: { of: 'sts' } }, spec: podSpec },
    },
  }),
  good('jobs.batch', 'job', {
    spec: {
      parallelism: 1,
      completions: 1,
      backoffLimit: 6,
      completionMode: 'NonIndexed',
      selector: { matchLabels: { of: 'job' } },
      template: { metadata: { labels: { of: 'job' } }, spec: { ...podSpec, restartPolicy: 'Never' } },
    },
  }),
  good('jobs.batch', 'ended', {
    spec: {
      ttlSecondsAfterFinished: 1,
      selector: { matchLabels: { of: 'ended' } },
      template: { metadata: { labels: { of: 'ended' } }, spec: { ...podSpec, restartPolicy: 'Never' } },
    },
    status: {
      succeeded: 1,
      completionTime: created,
      conditions: [{ type: 'Complete', status: 'True', lastTransitionTime: created }],
    },
  }),
  // A pod that still waits to be counted by a Job that is gone.
  good(
    'pods',
    'orphan',
    { spec: { ...podSpec, nodeName: 'n1' }, status: { phase: 'Succeeded' } },
    { labels: { of: 'gone' }, finalizers: ['batch.kubernetes.io/job-tracking'], ...owner('Job', 'gone', 'uid-gone', 'batch/v1') },
  ),
  good('cronjobs.batch', 'minutely', {
    spec: {
      schedule: '* * * * *',
      concurrencyPolicy: 'Allow',
      jobTemplate: { spec: { template: { spec: { ...podSpec, restartPolicy: 'Never' } } } },
    },
  }),
  // A pod whose claim is still to be made, and a claim that is reserved for a pod that is gone.
  good('resourceclaimtemplates.resource.k8s.io', 'gpu', {
    spec: { spec: { devices: { requests: [{ name: 'one', exactly: { deviceClassName: 'gpu' } }] } } },
  }),
  good(
    'pods',
    'with-claim',
    { spec: { ...podSpec, resourceClaims: [{ name: 'gpu', resourceClaimTemplateName: 'gpu' }] } },
    { labels: { of: 'with-claim' } },
  ),
  good(
    'resourceclaims.resource.k8s.io',
    'forgotten',
    {
      spec: {},
      status: { allocation: {}, reservedFor: [{ resource: 'pods', name: 'gone', uid: 'uid-Pod-gone' }] },
    },
    { finalizers: ['resource.kubernetes.io/delete-protection'] },
  ),
  // A pod whose device must not be used any more.
  good('resourceslices.resource.k8s.io', 'bad-devices', {
    spec: {
      driver: 'gpu.example.com',
      nodeName: 'n1',
      pool: { name: 'bad', generation: 1, resourceSliceCount: 1 },
      devices: [{ name: 'bad', taints: [{ key: 'bad', effect: 'NoExecute', timeAdded: created }] }],
    },
  }),
  good('resourceclaims.resource.k8s.io', 'bad', {
    spec: {},
    status: {
      allocation: { devices: { results: [{ request: 'one', driver: 'gpu.example.com', pool: 'bad', device: 'bad' }] } },
      reservedFor: [{ resource: 'pods', name: 'on-bad', uid: 'uid-Pod-on-bad' }],
    },
  }),
  good(
    'pods',
    'on-bad',
    {
      spec: { ...podSpec, nodeName: 'n1', resourceClaims: [{ name: 'gpu', resourceClaimName: 'bad' }] },
      status: { phase: 'Running' },
    },
    { labels: { of: 'on-bad' } },
  ),
  // It counts what no absurd object is: those would count with good reason.
  good('resourcequotas', 'quota', { spec: { hard: { secrets: '10' } } }),
  good('persistentvolumes', 'pv', {
    spec: {
      hostPath: { path: '/x' },
      accessModes: ['ReadWriteOnce'],
      capacity: { storage: '1Gi' },
      storageClassName: 'of-the-good',
    },
    status: { phase: 'Available' },
  }),
  good('persistentvolumeclaims', 'pvc', {
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, storageClassName: 'of-the-good' },
  }),
  // A pod whose ephemeral volume has no claim yet, a claim that has grown, and one that waits for a folder of its node.
  good(
    'pods',
    'ephemeral',
    { spec: { ...podSpec, volumes: [{ name: 'scratch', ephemeral: { volumeClaimTemplate: { spec: {} } } }] } },
    { labels: { of: 'ephemeral' } },
  ),
  good('persistentvolumes', 'grown-pv', {
    spec: {
      gcePersistentDisk: { pdName: 'x' },
      capacity: { storage: '1Gi' },
      storageClassName: 'of-the-grown',
      claimRef: { namespace: 'default', name: 'grown', uid: 'uid-PersistentVolumeClaim-grown' },
    },
    status: { phase: 'Bound' },
  }),
  good(
    'persistentvolumeclaims',
    'grown',
    {
      spec: { resources: { requests: { storage: '2Gi' } }, volumeName: 'grown-pv', storageClassName: 'of-the-grown' },
      status: { phase: 'Bound', capacity: { storage: '1Gi' } },
    },
    { annotations: { 'pv.kubernetes.io/bind-completed': 'yes' } },
  ),
  good('storageclasses.storage.k8s.io', 'local', {
    provisioner: localPathProvisioner,
    volumeBindingMode: 'WaitForFirstConsumer',
  }),
  good(
    'persistentvolumeclaims',
    'local',
    { spec: { accessModes: ['ReadWriteOnce'], storageClassName: 'local' } },
    { annotations: { [provisionerAnnotation]: localPathProvisioner, [selectedNodeAnnotation]: 'n5' } },
  ),
  good(
    'nodes',
    'n5',
    { spec: { podCIDR: '10.244.5.0/24', podCIDRs: ['10.244.5.0/24'], unschedulable: true }, status: {} },
    {
      labels: { 'kubernetes.io/hostname': 'n5' },
      annotations: { [localPathFolderAnnotation]: '/srv', 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' },
    },
  ),
  // A volume of a driver, which the node of its pod does not have yet.
  good('persistentvolumes', 'csi-pv', {
    spec: {
      csi: { driver: 'csi.example.com', volumeHandle: 'h' },
      capacity: { storage: '1Gi' },
      accessModes: ['ReadWriteOnce'],
      storageClassName: 'of-the-driver',
      claimRef: { namespace: 'default', name: 'csi', uid: 'uid-PersistentVolumeClaim-csi' },
    },
    status: { phase: 'Bound' },
  }),
  good(
    'persistentvolumeclaims',
    'csi',
    {
      spec: { accessModes: ['ReadWriteOnce'], volumeName: 'csi-pv', storageClassName: 'of-the-driver' },
      status: { phase: 'Bound', accessModes: ['ReadWriteOnce'] },
    },
    { annotations: { 'pv.kubernetes.io/bind-completed': 'yes' } },
  ),
  good(
    'pods',
    'attaching',
    { spec: { ...podSpec, nodeName: 'n5', volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'csi' } }] } },
    { labels: { of: 'attaching' } },
  ),
  good('volumeattributesclasses.storage.k8s.io', 'vac', { driverName: 'x' }),
  good(
    'validatingadmissionpolicies.admissionregistration.k8s.io',
    'checked',
    {
      spec: {
        failurePolicy: 'Fail',
        matchConstraints: {
          matchPolicy: 'Equivalent',
          namespaceSelector: {},
          objectSelector: {},
          resourceRules: [
            { operations: ['CREATE'], apiGroups: ['apps'], apiVersions: ['v1'], resources: ['deployments'], scope: '*' },
          ],
        },
        validations: [{ expression: 'object.spec.replicas == "x"' }],
      },
    },
    { generation: 1 },
  ),
  good('clusterroles.rbac.authorization.k8s.io', 'all', {
    rules: [],
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: { all: 'yes' } }] },
  }),
  good(
    'clusterroles.rbac.authorization.k8s.io',
    'part',
    { rules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }] },
    { labels: { all: 'yes' } },
  ),
];

const kinds: readonly ResourceId[] = [
  'pods',
  'replicasets.apps',
  'deployments.apps',
  'replicationcontrollers',
  'daemonsets.apps',
  'statefulsets.apps',
  'controllerrevisions.apps',
  'jobs.batch',
  'cronjobs.batch',
  'horizontalpodautoscalers.autoscaling',
  'poddisruptionbudgets.policy',
  'resourcequotas',
  'resourceclaims.resource.k8s.io',
  'resourceclaimtemplates.resource.k8s.io',
  'resourceslices.resource.k8s.io',
  'persistentvolumes',
  'persistentvolumeclaims',
  'volumeattributesclasses.storage.k8s.io',
  'services',
  'endpoints',
  'endpointslices.discovery.k8s.io',
  'nodes',
  'certificatesigningrequests.certificates.k8s.io',
  'leases.coordination.k8s.io',
  'namespaces',
  'serviceaccounts',
  'configmaps',
  'clusterroles.rbac.authorization.k8s.io',
  'validatingadmissionpolicies.admissionregistration.k8s.io',
];
const uids = [...goodObjects.map(({ object }) => object.metadata.uid), '', 'nobody'];
const reference = fc.record({
  apiVersion: fc.constantFrom('apps/v1', 'v1', '', '///'),
  kind: fc.constantFrom('ReplicaSet', 'DaemonSet', 'StatefulSet', 'Deployment', 'Node', 'Nothing', '__proto__'),
  name: fc.constantFrom('web', 'web-1', '', '../..'),
  uid: fc.constantFrom(...uids),
  controller: fc.boolean(),
  blockOwnerDeletion: fc.boolean(),
});
/**
 * Random absurd objects. Only fields that would make an object count with good reason are fixed: it belongs to no good pod or
 * set, and its node is in a zone of its own. Its owners (none of which is its controller) and its finalizers are random.
 */
const absurdObject = (resource: ResourceId): fc.Arbitrary<Placed> =>
  fc
    .tuple(
      absurd<KubeObject>(catalog.builtIn(resource).schema, {
        ...(catalog.builtIn(resource).namespaced ? { namespace: 'default' } : {}),
        labels: { 'topology.kubernetes.io/zone': 'absurd' },
      }),
      fc.array(reference, { maxLength: 3 }),
      fc.constantFrom<string[]>([], ['foregroundDeletion'], ['orphan'], ['']),
    )
    .map(([object, references, finalizers]) => {
      const ownerReferences = references.map((one) => ({ ...one, controller: false }));
      return { resource, object: { ...object, metadata: { ...object.metadata, ownerReferences, finalizers } } };
    });
const absurdObjects = fc.array(fc.oneof(...kinds.map(absurdObject)), { minLength: 1, maxLength: 8 });

/** Controllers on caches with these objects, and the requests that they send. */
function world(objects: readonly Placed[]) {
  const held = new Map<ResourceId, InformerCache<KubeObject>>();
  const cache = (id: ResourceId): InformerCache<KubeObject> => {
    const found = held.get(id) ?? new InformerCache<KubeObject>();
    held.set(id, found);
    return found;
  };
  for (const { resource, object } of objects) cache(resource).put(deepFreeze(object));
  const requests: string[] = [];
  const record = (verb: string, id: ResourceId, what: unknown): void => {
    requests.push(
      `${verb} ${id} ${JSON.stringify(what, (_key, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value))}`,
    );
  };
  let made = 0;
  const resource = (id: ResourceId) => {
    const get = async (name: { namespace?: string; name: string }): Promise<KubeObject> => {
      const found = cache(id).get(keyOf({ metadata: name }));
      if (found === undefined) throw notFound({ group: '', plural: id } as never, name.name);
      return found;
    };
    return {
      get,
      list: async ({ namespace }: { namespace?: string } = {}) => ({ items: cache(id).list(namespace), metadata: {} }),
      async create(object: KubeObject) {
        record('create', id, object);
        return { ...object, metadata: { ...object.metadata, name: object.metadata.name ?? 'generated', uid: `made-${made++}` } };
      },
      async update(object: KubeObject, options: unknown) {
        record('update', id, [object, options]);
        return object;
      },
      async updateStatus(object: KubeObject) {
        record('updateStatus', id, object);
        return object;
      },
      async patch(name: { namespace?: string; name: string }, patch: unknown) {
        record('patch', id, [name, patch]);
        return await get(name);
      },
      delete: async (...what: unknown[]) => record('delete', id, what),
      deleteCollection: async (...what: unknown[]) => record('deleteCollection', id, what),
    };
  };
  const log = pino({ level: 'silent' });
  const events = { event: () => undefined };
  const clock = new FakeClock(Date.parse(created) + 3_600_000);
  const caches = { cache, cacheOf: ({ id }: Resource) => cache(id as ResourceId) } as unknown as Caches;
  const reviewAccess = async (spec: unknown) => {
    requests.push(`review ${JSON.stringify(spec)}`);
    return { allowed: true };
  };
  const getScale = async (_resource: unknown, { namespace, name }: { namespace?: string; name: string }) => ({
    metadata: { namespace, name, uid: 'uid-Deployment-web' },
    spec: { replicas: 2 },
    status: { replicas: 2, selector: 'app=web' },
  });
  const usage = ['web-1-a', 'web-1-b'].map((name) => ({
    metadata: { name, namespace: 'default' },
    timestamp: '2026-01-01T01:00:00Z',
    window: '15s',
    containers: [{ name: 'c', usage: { cpu: '900m', memory: '1Mi' } }],
  }));
  const raw = async () => ({ status: 200, headers: {}, body: [Buffer.from(JSON.stringify({ items: usage }))] });
  const client = {
    resource,
    reviewAccess,
    getScale,
    raw,
    of: ({ id }: Resource) => resource(id as ResourceId),
  } as unknown as Client;
  const certificateSigner = { notAfterMs: 1e13, sign: async (_request: unknown, terms: object) => JSON.stringify(terms) };
  const all = controllers(
    { client, catalog, caches, clock, log, events, leftOut: createLeftOutReporter({ events, log }) },
    { clusterCidr: '10.244.0.0/16', loadBalancerPool: ['192.0.2.0/24'], rootCaPem: 'PEM', certificateSigner },
  );
  return { all, caches, clock, requests };
}

/** The keys to which changes of `objects` lead. */
function keysOf({ watches, follows, name }: Controller, objects: readonly Placed[], caches: Caches): string[] {
  const keys = new Set<string>();
  const followed = (follows?.catalog.all().filter(follows.wants) ?? []).map((resource) => ({
    resource: resource.id,
    keys: (object: KubeObject, previous: KubeObject | undefined) => follows?.keys(resource, object, previous, caches) ?? [],
  }));
  for (const watch of [...watches, ...followed]) {
    for (const { resource, object } of objects) {
      if (resource !== watch.resource) continue;
      const map = watch.keys as (object: KubeObject, previous: KubeObject | undefined, caches: Caches) => Iterable<string>;
      for (const previous of [
        undefined,
        object,
        ...objects.filter((one) => one.resource === resource).map((one) => one.object),
      ]) {
        for (const key of map(object, previous, caches)) {
          assert.equal(typeof key, 'string', name);
          keys.add(key);
        }
      }
    }
  }
  return [...keys];
}

/** The requests of each controller for `goodKeys`, after it has reconciled all keys of `bad`. */
async function requestsFor(
  bad: readonly Placed[],
  goodKeys?: ReadonlyMap<string, readonly string[]>,
): Promise<{ keys: Map<string, string[]>; requests: Map<string, string[]> }> {
  // The absurd objects come first: the worst order of a queue.
  const { all, caches, clock, requests } = world([...bad, ...goodObjects]);
  const result = { keys: new Map<string, string[]>(), requests: new Map<string, string[]>() };
  const { signal } = new AbortController();
  for (const controller of all) {
    const keys = keysOf(controller, [...bad, ...goodObjects], caches);
    const wanted = goodKeys?.get(controller.name) ?? keys;
    for (const key of wanted) assert.ok(keys.includes(key), `${controller.name} ${key}`);
    const reconcile = async (key: string): Promise<void> => {
      const answer = await controller.reconcile(key, signal);
      // A delay that is not a number would mean no delay: a loop without a pause.
      if (answer.kind === 'requeueAfter')
        assert.ok(answer.delayMs > 0, `${controller.name} ${key} again after ${answer.delayMs} ms`);
    };
    for (const key of keys.filter((one) => !wanted.includes(one))) {
      // A failure affects only its own key, which is retried with back-off.
      await reconcile(key).catch((error: unknown) => {
        if (error instanceof assert.AssertionError) throw error;
      });
    }
    requests.length = 0;
    // Twice, because controllers remember how long a node has failed or a pod's node is missing.
    for (const key of wanted) await reconcile(key);
    await clock.advance(120_000);
    for (const key of wanted) await reconcile(key);
    result.keys.set(controller.name, [...wanted]);
    // The range that a node gets depends on the ranges of other nodes, and a new object's uid on how many were made before it.
    const same = (text: string): string =>
      controller.name === 'node-ipam' ? text.replaceAll(/10\.244\.\d+\.0/g, 'range') : text.replaceAll(/made-\d+/g, 'made');
    result.requests.set(controller.name, requests.map(same));
  }
  return result;
}

describe('beside absurd objects', { timeout: 300_000 }, () => {
  it('every controller sends the same requests for the good ones as without the others', async () => {
    const alone = await requestsFor([]);
    for (const [name, requests] of alone.requests) assert.ok(requests.length > 0, `${name} has nothing to do in this test`);
    await fc.assert(
      fc.asyncProperty(absurdObjects, async (bad) => {
        const found = await requestsFor(bad, alone.keys);
        for (const [name, requests] of alone.requests) assert.deepEqual(found.requests.get(name), requests, name);
      }),
      { numRuns: 60, endOnFailure: true },
    );
  });

  it('no change of one is lost', () => {
    const owned = fc
      .tuple(absurdObjects, fc.array(reference, { maxLength: 3 }), fc.constantFrom<JsonObject>({}, labels))
      .map(([bad, ownerReferences, itsLabels]) =>
        bad.map(({ resource, object }) => ({
          resource,
          object: { ...object, metadata: { ...object.metadata, ownerReferences, labels: itsLabels } } as KubeObject,
        })),
      );
    fc.assert(
      fc.property(owned, (bad) => {
        const { all, caches } = world([...bad, ...goodObjects]);
        for (const controller of all) keysOf(controller, [...bad, ...goodObjects], caches);
      }),
      { numRuns: 60, endOnFailure: true },
    );
  });

  it('malformed pods of a Service do not remove its good addresses', async () => {
    const matching = fc.array(
      absurd<KubeObject>(catalog.builtIn('pods').schema, { namespace: 'default', labels }).map(
        (object): Placed => ({ resource: 'pods', object }),
      ),
      { minLength: 1, maxLength: 6 },
    );
    await fc.assert(
      fc.asyncProperty(matching, async (bad) => {
        const { all, requests } = world([...bad, ...goodObjects]);
        for (const controller of all.filter(({ name }) => name === 'endpoint' || name === 'endpointslice')) {
          requests.length = 0;
          await controller.reconcile('default/web', new AbortController().signal);
          for (const ip of ['10.244.0.1', '10.244.1.1'])
            assert.ok(
              requests.some((one) => one.includes(`"${ip}"`)),
              `${controller.name}: ${requests}`,
            );
        }
      }),
      { numRuns: 60, endOnFailure: true },
    );
  });
});
