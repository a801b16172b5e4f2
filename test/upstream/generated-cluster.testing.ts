/** Generates valid clusters and pods from a seed. Together they exercise every plugin of the scheduler. */
import type {
  Container,
  LabelSelector,
  Node,
  Pod,
  PodAffinityTerm,
  PodSpec,
  TopologySpreadConstraint,
} from '#api/types.generated.ts';

/** A cluster, and the pods to schedule one after the other. */
export interface GeneratedCluster {
  nodes: Node[];
  /** Pods that are already bound to nodes. */
  placed: Pod[];
  pending: Pod[];
  /** Everything else, with the path where it is created. */
  others: [path: string, object: object][];
}

const namespaces = ['default', 'other'];
const apps = ['a', 'b', 'c'];
const zones = ['x', 'y', 'z'];
const zoneLabel = 'topology.kubernetes.io/zone';
const hostname = 'kubernetes.io/hostname';
const topologies = [zoneLabel, hostname, 'rack'];
const images = ['registry.example.com/big:1', 'registry.example.com/small:1'];

/** Makes the cluster of a seed. The same seed gives the same one. */
export function generateCluster(seed: number): GeneratedCluster {
  const random = new Random(seed);
  const nodes = Array.from({ length: random.int(3, 14) }, (_, index) => nodeOf(random, index));
  const names = nodes.map(({ metadata }) => metadata.name);
  const placed = Array.from({ length: random.int(0, 3 * nodes.length) }, (_, index) => {
    const { metadata, spec } = podOf(random, `placed-${index}`, names);
    return { apiVersion: 'v1', kind: 'Pod', metadata, spec: { ...spec, nodeName: random.of(names) } } as Pod;
  });
  const pending = Array.from({ length: 12 }, (_, index) => podOf(random, `pending-${index}`, names));
  return { nodes, placed, pending, others: [...workloads(), ...storage(random, names)] };
}

/** A generator of numbers (mulberry32). */
class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed * 0x9e3779b1;
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A number from `low` to `high`, both included. */
  int(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  chance(share: number): boolean {
    return this.next() < share;
  }

  of<T>(list: readonly T[]): T {
    return list[Math.floor(this.next() * list.length)] as T;
  }

  maybe<T>(share: number, make: () => T): T | undefined {
    return this.chance(share) ? make() : undefined;
  }

  some<T>(most: number, make: () => T): T[] {
    return Array.from({ length: this.int(0, most) }, make);
  }
}

function nodeOf(random: Random, index: number): Node {
  const name = `node-${index}`;
  const labels: Record<string, string> = { [hostname]: name, size: String(random.int(1, 4)) };
  if (random.chance(0.85)) labels[zoneLabel] = random.of(zones);
  if (random.chance(0.6)) labels['rack'] = random.of(['1', '2']);
  const allocatable = {
    cpu: `${random.int(5, 40)}00m`,
    memory: `${random.int(1, 16)}Gi`,
    pods: String(random.int(3, 20)),
    'ephemeral-storage': `${random.int(1, 20)}Gi`,
    ...(random.chance(0.3) ? { 'example.com/gpu': String(random.int(1, 4)) } : {}),
  };
  const taints = random.some(2, () => ({
    key: random.of(['k', 'l']),
    value: random.of(['1', '2']),
    effect: random.of(['NoSchedule', 'PreferNoSchedule', 'NoExecute']),
  }));
  const unique = taints.filter(
    (one, at) => taints.findIndex(({ key, effect }) => key === one.key && effect === one.effect) === at,
  );
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels },
    spec: {
      ...(unique.length > 0 && random.chance(0.5) ? { taints: unique } : {}),
      ...(random.chance(0.1) ? { unschedulable: true } : {}),
    },
    status: {
      capacity: allocatable,
      allocatable,
      images: images.flatMap((image, at) =>
        random.chance(0.4) ? [{ names: [image], sizeBytes: (at === 0 ? 800 : 60) << 20 }] : [],
      ),
    },
  } as unknown as Node;
}

function podOf(random: Random, name: string, nodes: readonly string[]): Pod {
  const app = random.of(apps);
  const kind = random.maybe(0.3, () => random.of(['ReplicaSet', 'StatefulSet']));
  const labels = { app, version: random.of(['1', '2']) };
  const owner = { apiVersion: 'apps/v1', kind, name: `${app}-${kind?.toLowerCase()}`, uid: `uid-${app}`, controller: true };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: random.of(namespaces),
      labels,
      ...(kind === undefined ? {} : { ownerReferences: [owner] }),
    },
    spec: specOf(random, nodes),
  } as unknown as Pod;
}

function specOf(random: Random, nodes: readonly string[]): PodSpec {
  const constraints = random.chance(0.35) ? random.some(2, () => constraintOf(random)) : [];
  const claim = random.maybe(0.15, () => random.of(['claim-bound', 'claim-lazy', 'claim-immediate', 'claim-missing']));
  const spec = {
    terminationGracePeriodSeconds: 0,
    containers: Array.from({ length: random.int(1, 2) }, (_, index) => containerOf(random, `c${index}`)),
    ...optional(
      'initContainers',
      random.maybe(0.2, () => [containerOf(random, 'init', random.chance(0.5))]),
    ),
    ...optional(
      'nodeSelector',
      random.maybe(0.15, () => ({ [zoneLabel]: random.of(zones) })),
    ),
    ...optional(
      'tolerations',
      random.maybe(0.4, () => [
        random.of([
          { operator: 'Exists' },
          { key: 'k', operator: 'Exists' },
          { key: 'k', operator: 'Equal', value: '1', effect: 'NoSchedule' },
          { key: 'l', value: '2' },
        ]),
      ]),
    ),
    affinity: {
      ...optional(
        'nodeAffinity',
        random.maybe(0.3, () => nodeAffinityOf(random, nodes)),
      ),
      ...optional(
        'podAffinity',
        random.maybe(0.2, () => podAffinityOf(random, 0.4)),
      ),
      ...optional(
        'podAntiAffinity',
        random.maybe(0.25, () => podAffinityOf(random, 0.5)),
      ),
    },
    ...optional(
      'resources',
      random.maybe(0.1, () => ({ requests: { cpu: `${random.int(30, 40)}00m`, memory: '5Gi' } })),
    ),
    topologySpreadConstraints: constraints.filter(
      (one, at) =>
        constraints.findIndex(
          (other) => other.topologyKey === one.topologyKey && other.whenUnsatisfiable === one.whenUnsatisfiable,
        ) === at,
    ),
    ...optional('volumes', claim === undefined ? undefined : [{ name: 'data', persistentVolumeClaim: { claimName: claim } }]),
  };
  return spec as unknown as PodSpec;
}

const optional = (name: string, value: unknown): object => (value === undefined ? {} : { [name]: value });

function containerOf(random: Random, name: string, isSidecar = false): Container {
  const requests = {
    ...optional(
      'cpu',
      random.maybe(0.7, () => `${random.int(1, 9)}00m`),
    ),
    ...optional(
      'memory',
      random.maybe(0.6, () => `${random.int(100, 1500)}Mi`),
    ),
    ...optional(
      'ephemeral-storage',
      random.maybe(0.1, () => `${random.int(1, 4)}Gi`),
    ),
  };
  const gpu = random.maybe(0.08, () => '1');
  const resources = {
    requests: { ...requests, ...optional('example.com/gpu', gpu) },
    ...(gpu === undefined ? {} : { limits: { 'example.com/gpu': gpu } }),
  };
  return {
    name,
    image: random.chance(0.4) ? random.of(images) : 'registry.example.com/else:1',
    resources,
    ...(isSidecar ? { restartPolicy: 'Always' } : {}),
    ...(random.chance(0.08) && name === 'c0' ? { ports: [{ containerPort: 80, hostPort: random.of([8080, 8081]) }] } : {}),
  } as unknown as Container;
}

const selectorOf = (random: Random): LabelSelector =>
  random.of<LabelSelector>([
    { matchLabels: { app: random.of(apps) } },
    { matchExpressions: [{ key: 'app', operator: 'In', values: ['a', 'b'] }] },
    { matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['a'] }] },
    { matchExpressions: [{ key: 'app', operator: 'Exists' }] },
  ]);

function constraintOf(random: Random): TopologySpreadConstraint {
  const whenUnsatisfiable = random.of(['DoNotSchedule', 'ScheduleAnyway']);
  return {
    maxSkew: random.int(1, 3),
    topologyKey: random.of(topologies),
    whenUnsatisfiable,
    labelSelector: selectorOf(random),
    ...(whenUnsatisfiable === 'DoNotSchedule'
      ? optional(
          'minDomains',
          random.maybe(0.2, () => random.int(1, 4)),
        )
      : {}),
    ...optional(
      'nodeAffinityPolicy',
      random.maybe(0.3, () => random.of(['Honor', 'Ignore'])),
    ),
    ...optional(
      'nodeTaintsPolicy',
      random.maybe(0.3, () => random.of(['Honor', 'Ignore'])),
    ),
    ...optional(
      'matchLabelKeys',
      random.maybe(0.2, () => ['version']),
    ),
  };
}

function nodeAffinityOf(random: Random, nodes: readonly string[]): object {
  const term = (): object =>
    random.of([
      { matchExpressions: [{ key: zoneLabel, operator: 'In', values: [random.of(zones), random.of(zones)] }] },
      { matchExpressions: [{ key: 'rack', operator: 'Exists' }] },
      { matchExpressions: [{ key: 'size', operator: 'Gt', values: [String(random.int(0, 3))] }] },
      { matchExpressions: [{ key: 'rack', operator: 'NotIn', values: ['1'] }] },
      { matchFields: [{ key: 'metadata.name', operator: random.of(['In', 'NotIn']), values: [random.of(nodes)] }] },
    ]);
  return {
    ...optional(
      'requiredDuringSchedulingIgnoredDuringExecution',
      random.maybe(0.5, () => ({ nodeSelectorTerms: [term(), ...random.some(1, term)] })),
    ),
    preferredDuringSchedulingIgnoredDuringExecution: random.some(2, () => ({ weight: random.int(1, 100), preference: term() })),
  };
}

function podAffinityOf(random: Random, required: number): object {
  const term = (): PodAffinityTerm => ({
    labelSelector: selectorOf(random),
    topologyKey: random.of(topologies),
    ...optional(
      'namespaces',
      random.maybe(0.2, () => [random.of(namespaces)]),
    ),
    ...optional(
      'namespaceSelector',
      random.maybe(0.2, () => random.of<object>([{}, { matchLabels: { [nameLabel]: 'other' } }])),
    ),
    ...optional(
      'matchLabelKeys',
      random.maybe(0.1, () => ['version']),
    ),
  });
  return {
    ...(random.chance(required) ? { requiredDuringSchedulingIgnoredDuringExecution: [term()] } : {}),
    preferredDuringSchedulingIgnoredDuringExecution: random.some(2, () => ({
      weight: random.int(1, 100),
      podAffinityTerm: term(),
    })),
  };
}

const nameLabel = 'kubernetes.io/metadata.name';

/** Services and workloads, for the default spreading of pods. */
function workloads(): [string, object][] {
  const template = (app: string): object => ({
    metadata: { labels: { app } },
    spec: { containers: [{ name: 'c', image: 'registry.example.com/else:1' }] },
  });
  return namespaces.flatMap((namespace) => [
    [
      `/api/v1/namespaces/${namespace}/services`,
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'a' },
        spec: { clusterIP: 'None', selector: { app: 'a' }, ports: [{ port: 80 }] },
      },
    ],
    ...apps.flatMap((app): [string, object][] => [
      [
        `/apis/apps/v1/namespaces/${namespace}/replicasets`,
        {
          apiVersion: 'apps/v1',
          kind: 'ReplicaSet',
          metadata: { name: `${app}-replicaset` },
          spec: { replicas: 0, selector: { matchLabels: { app } }, template: template(app) },
        },
      ],
      [
        `/apis/apps/v1/namespaces/${namespace}/statefulsets`,
        {
          apiVersion: 'apps/v1',
          kind: 'StatefulSet',
          metadata: { name: `${app}-statefulset` },
          spec: { replicas: 0, serviceName: 'a', selector: { matchLabels: { app } }, template: template(app) },
        },
      ],
    ]),
  ]);
}

/** Claims of every sort in both namespaces. */
function storage(random: Random, nodes: readonly string[]): [string, object][] {
  const affinity = (name: string): object => ({
    required: { nodeSelectorTerms: [{ matchExpressions: [{ key: hostname, operator: 'In', values: [name] }] }] },
  });
  const classOf = (name: string, provisioner: string, volumeBindingMode: string): [string, object] => [
    '/apis/storage.k8s.io/v1/storageclasses',
    { apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', metadata: { name }, provisioner, volumeBindingMode },
  ];
  const volume = (name: string, spec: object, metadata: object = {}): [path: string, object] => [
    '/api/v1/persistentvolumes',
    {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name, ...metadata },
      spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], local: { path: '/x' }, ...spec },
    },
  ];
  const claim = (namespace: string, name: string, spec: object, annotations: object = {}): [string, object] => [
    `/api/v1/namespaces/${namespace}/persistentvolumeclaims`,
    {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name, annotations },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, ...spec },
    },
  ];
  const bound = { 'pv.kubernetes.io/bind-completed': 'yes' };
  return [
    classOf('lazy', 'kubernetes.io/no-provisioner', 'WaitForFirstConsumer'),
    classOf('made', 'example.com/disks', 'WaitForFirstConsumer'),
    classOf('immediate', 'example.com/disks', 'Immediate'),
    ...namespaces.flatMap((namespace) => [
      volume(
        `bound-${namespace}`,
        {
          storageClassName: 'lazy',
          nodeAffinity: affinity(random.of(nodes)),
          claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name: 'claim-bound' },
        },
        random.chance(0.3) ? { labels: { [zoneLabel]: random.of(zones) } } : {},
      ),
      claim(namespace, 'claim-bound', { storageClassName: 'lazy', volumeName: `bound-${namespace}` }, bound),
      claim(namespace, 'claim-lazy', { storageClassName: 'lazy', resources: { requests: { storage: '2Gi' } } }),
      claim(namespace, 'claim-made', { storageClassName: 'made' }),
      claim(namespace, 'claim-immediate', { storageClassName: 'immediate' }),
    ]),
  ];
}
