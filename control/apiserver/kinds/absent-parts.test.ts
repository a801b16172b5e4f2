import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { apiVersionOf, type KubeObject } from '#api/meta.ts';
import { createResourceCatalog } from '#api/resource-catalog.ts';
import type { ResourceId } from '#api/resources.ts';
import { ApiError } from '#api/status.ts';
import { FakeClock } from '#client/clock.ts';
import { createAuthorization } from '../authorization/modes.ts';
import { type AllocationStore, openAllocationStore } from './core/service/allocator.testing.ts';
import { strategies } from './index.ts';
import { create, systemMeta, update } from './strategy.testing.ts';

const clock = new FakeClock();
const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: systemMeta('default', 'ns') };
const stored = { 'serviceaccounts/ns/default': account };

const podSpec = {
  containers: [
    {
      name: 'c',
      image: 'nginx',
      ports: [{ containerPort: 80, name: 'http' }],
      env: [
        { name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
        { name: 'B', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '1m' } } },
        { name: 'C', valueFrom: { configMapKeyRef: { name: 'm', key: 'k' } } },
        { name: 'D', valueFrom: { fileKeyRef: { volumeName: 'e', path: 'p', key: 'k' } } },
      ],
      envFrom: [{ prefix: 'P', secretRef: { name: 's' } }],
      resources: { limits: { cpu: '1' }, requests: { cpu: '1' }, claims: [{ name: 'x' }] },
      livenessProbe: { httpGet: { port: 80, httpHeaders: [{ name: 'X', value: 'y' }] } },
      readinessProbe: { grpc: { port: 80 } },
      lifecycle: { preStop: { sleep: { seconds: 1 } }, postStart: { exec: { command: ['x'] } } },
      securityContext: {
        runAsUser: 1,
        seccompProfile: { type: 'RuntimeDefault' },
        capabilities: { add: ['X'] },
        appArmorProfile: { type: 'Unconfined' },
      },
      volumeMounts: [{ name: 'e', mountPath: '/e', subPath: 'x' }],
      volumeDevices: [{ name: 'f', devicePath: '/dev/x' }],
      resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'NotRequired' }],
      restartPolicy: 'Always',
      restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [1] } }],
    },
  ],
  initContainers: [{ name: 'i', image: 'x', restartPolicy: 'Always', ports: [{ containerPort: 1 }] }],
  volumes: [
    { name: 'e', emptyDir: { sizeLimit: '1Mi' } },
    { name: 'h', hostPath: { path: '/x' } },
    { name: 'm', configMap: { name: 'm', items: [{ key: 'k', path: 'p' }] } },
    { name: 's', secret: { secretName: 's', items: [{ key: 'k', path: 'p' }] } },
    { name: 'd', downwardAPI: { items: [{ path: 'p', fieldRef: { fieldPath: 'metadata.labels' } }] } },
    { name: 'n', nfs: { server: 's', path: '/p' } },
    { name: 'g', image: { reference: 'x' } },
    {
      name: 'p',
      projected: {
        sources: [
          { serviceAccountToken: { path: 't' } },
          { configMap: { name: 'm', items: [{ key: 'k', path: 'q' }] } },
          { downwardAPI: { items: [{ path: 'r', resourceFieldRef: { containerName: 'c', resource: 'limits.cpu' } }] } },
          { clusterTrustBundle: { name: 'b', path: 'u' } },
        ],
      },
    },
  ],
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [
          {
            matchExpressions: [{ key: 'a', operator: 'In', values: ['b'] }],
            matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n'] }],
          },
        ],
      },
      preferredDuringSchedulingIgnoredDuringExecution: [
        { weight: 1, preference: { matchExpressions: [{ key: 'a', operator: 'Exists' }] } },
      ],
    },
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { labelSelector: { matchLabels: { a: 'b' } }, topologyKey: 'z', namespaces: ['n'], matchLabelKeys: ['k'] },
      ],
      preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, podAffinityTerm: { labelSelector: {}, topologyKey: 'z' } }],
    },
  },
  tolerations: [{ key: 'k', operator: 'Equal', value: 'v', effect: 'NoExecute', tolerationSeconds: 1 }],
  topologySpreadConstraints: [
    {
      maxSkew: 1,
      topologyKey: 'z',
      whenUnsatisfiable: 'DoNotSchedule',
      labelSelector: { matchExpressions: [{ key: 'a', operator: 'In', values: ['b'] }] },
      minDomains: 1,
    },
  ],
  hostAliases: [{ ip: '1.1.1.1', hostnames: ['h'] }],
  dnsConfig: { nameservers: ['1.1.1.1'], searches: ['s'], options: [{ name: 'o', value: 'v' }] },
  imagePullSecrets: [{ name: 's' }],
  readinessGates: [{ conditionType: 'a.b/c' }],
  schedulingGates: [{ name: 'a.b/c' }],
  securityContext: { sysctls: [{ name: 'net.x', value: '1' }], supplementalGroups: [1] },
  resourceClaims: [{ name: 'x', resourceClaimName: 'y' }],
  resources: { limits: { cpu: '2' } },
  os: { name: 'linux' },
  overhead: { cpu: '1m' },
};
const template = { metadata: { labels: { app: 'web' } }, spec: podSpec };
const selector = { matchLabels: { app: 'web' }, matchExpressions: [{ key: 'app', operator: 'In', values: ['web'] }] };

const rules = [
  { verbs: ['get'], apiGroups: [''], resources: ['pods'], resourceNames: ['p'] },
  { verbs: ['get'], nonResourceURLs: ['/x'] },
];
const binding = {
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'r' },
  subjects: [
    { kind: 'User', name: 'u', apiGroup: 'rbac.authorization.k8s.io' },
    { kind: 'ServiceAccount', name: 's', namespace: 'n' },
  ],
};

/** Objects with nearly every field that checks and defaults look at. */
const rich: Record<Exclude<ResourceId, 'customresourcedefinitions.apiextensions.k8s.io'>, object> = {
  'clusterrolebindings.rbac.authorization.k8s.io': binding,
  'clusterroles.rbac.authorization.k8s.io': {
    rules,
    aggregationRule: {
      clusterRoleSelectors: [{ matchLabels: { a: 'b' }, matchExpressions: [{ key: 'a', operator: 'Exists' }] }],
    },
  },
  configmaps: { data: { a: 'b' }, binaryData: { c: 'eA==' } },
  'controllerrevisions.apps': { data: { spec: { template } }, revision: 1 },
  'deployments.apps': { spec: { selector, template, strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: '1%' } } } },
  endpoints: {
    subsets: [
      { addresses: [{ ip: '10.0.0.1', hostname: 'h', nodeName: 'n' }], ports: [{ name: 'p', port: 80, appProtocol: 'http' }] },
    ],
  },
  'endpointslices.discovery.k8s.io': {
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.0.0.1'], hints: { forZones: [{ name: 'z' }] }, hostname: 'h' }],
    ports: [{ name: 'p', port: 80 }],
  },
  events: {
    involvedObject: { kind: 'Pod', namespace: 'ns' },
    source: { component: 'c' },
    series: { count: 2, lastObservedTime: '2026-01-01T00:00:00.000000Z' },
  },
  'events.events.k8s.io': {
    eventTime: '2026-01-01T00:00:00.000000Z',
    regarding: { kind: 'Pod', namespace: 'ns' },
    deprecatedSource: { component: 'c' },
  },
  'leases.coordination.k8s.io': { spec: { holderIdentity: 'h', leaseDurationSeconds: 1 } },
  namespaces: { spec: { finalizers: ['kubernetes'] }, status: { phase: 'Active' } },
  nodes: {
    spec: { taints: [{ key: 'a', effect: 'NoSchedule' }], podCIDRs: ['10.1.0.0/24'] },
    status: {
      capacity: { cpu: '1' },
      addresses: [{ type: 'InternalIP', address: '10.0.0.1' }],
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  },
  pods: { spec: podSpec },
  podtemplates: { template },
  'priorityclasses.scheduling.k8s.io': { value: 1, preemptionPolicy: 'Never' },
  'replicasets.apps': { spec: { selector, template } },
  'rolebindings.rbac.authorization.k8s.io': binding,
  'roles.rbac.authorization.k8s.io': { rules: rules.slice(0, 1) },
  'runtimeclasses.node.k8s.io': {
    handler: 'h',
    overhead: { podFixed: { cpu: '1m' } },
    scheduling: { nodeSelector: { a: 'b' }, tolerations: [{ key: 'a', operator: 'Exists' }] },
  },
  secrets: { type: 'kubernetes.io/dockerconfigjson', data: { '.dockerconfigjson': 'e30=' } },
  serviceaccounts: { secrets: [{ name: 's' }], imagePullSecrets: [{ name: 'p' }] },
  services: {
    spec: {
      type: 'LoadBalancer',
      externalTrafficPolicy: 'Local',
      selector: { a: 'b' },
      ports: [{ name: 'p', port: 80, appProtocol: 'http' }],
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 1 } },
      externalIPs: ['1.1.1.1'],
      loadBalancerSourceRanges: ['10.0.0.0/8'],
    },
  },
};

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null;

/** Every place inside `value`, as the keys that lead there. */
function* places(value: unknown, path: readonly string[] = []): Generator<readonly string[]> {
  if (path.length > 0) yield path;
  if (isObject(value)) for (const [key, inner] of Object.entries(value)) yield* places(inner, [...path, key]);
}

/** A copy without what is at `path`; in a list, with an empty element there. */
function without(value: Json, path: readonly string[]): Json {
  const copy = structuredClone(value);
  const parent = path.slice(0, -1).reduce<Json>((at, key) => at[key] as Json, copy);
  const key = path.at(-1) ?? '';
  if (!Array.isArray(parent)) delete parent[key];
  else parent.splice(Number(key), 1, isObject(parent[Number(key)]) ? {} : '');
  return copy;
}

/** An error of the API is an answer; any other is a crash. */
async function answers(work: Promise<unknown>, where: string): Promise<void> {
  await work.catch((error: unknown) => {
    if (!(error instanceof ApiError)) assert.fail(`${where}: ${String((error as Error).stack)}`);
  });
}

describe('objects with absent parts', () => {
  let taken: AllocationStore;
  let all: ReturnType<typeof strategies>;
  before(async () => {
    taken = await openAllocationStore();
    all = strategies({
      clock,
      services: await taken.allocator({ serviceCidr: '10.96.0.0/12' }),
      roles: createAuthorization([]).roles,
      random: () => 0,
    });
  });
  after(() => taken.close());
  const resources = createResourceCatalog();

  for (const [id, content] of Object.entries(rich) as [ResourceId, Json][]) {
    it(`of ${id} are answered, never crashed on`, async () => {
      const strategy = all[id];
      const metadata = systemMeta('x', resources.builtIn(id).namespaced ? 'ns' : undefined);
      const { group, version, kind } = resources.builtIn(id);
      const object = { apiVersion: apiVersionOf(group, version), kind, metadata, ...content } as KubeObject;
      const { object: old } = await create(strategy, object, { stored });
      for (const path of places(content)) {
        const where = path.join('.');
        const thinned = { ...object, ...without(content, path) };
        for (const key of Object.keys(content))
          if (path.length === 1 && path[0] === key) delete (thinned as unknown as Json)[key];
        const made = create(strategy, thinned, { stored });
        await answers(made, `create without ${where}`);
        await answers(
          made.then(
            ({ object: whole }) => (
              strategy.warnings?.(whole, undefined), strategy.table?.cells(whole, 0), strategy.fields?.(whole)
            ),
          ),
          `show without ${where}`,
        );
        const change = (target: KubeObject): void => {
          for (const key of Object.keys(content))
            (target as unknown as Json)[key] = (structuredClone(thinned) as unknown as Json)[key];
        };
        await answers(update(strategy, old, change), `update without ${where}`);
        await answers(update(strategy, old, change, 'status'), `status without ${where}`);
        await answers(
          made.then(async ({ object: whole }) => (await strategy.allocate?.(structuredClone(whole), undefined, false))?.()),
          `allocate without ${where}`,
        );
      }
    });
  }
});
