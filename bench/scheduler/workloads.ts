/**
 * The workloads of upstream's scheduler_perf (`test/integration/scheduler_perf`): SchedulingBasic, SchedulingNodeAffinity,
 * SchedulingPodAffinity, SchedulingPodAntiAffinity, TopologySpreading, PreemptionBasic. Sizes grow with the number of nodes.
 */
import type { Node, Pod, PodSpec } from '#api/types.generated.ts';

/** The zone label of a node. */
const zoneLabel = 'topology.kubernetes.io/zone';
const hostnameLabel = 'kubernetes.io/hostname';

/** One workload at one size. */
export interface Workload {
  /** Zones, assigned to nodes in turn. */
  zones: readonly string[];
  /** Number of pods per node that are bound before the measurement. */
  initialPerNode: number;
  initial: PodTemplate;
  /** Number of measured pods per node. */
  measuredPerNode: number;
  measured: PodTemplate;
}

/** Labels and spec of identical pods. */
export interface PodTemplate {
  namespace: string;
  labels?: Record<string, string>;
  spec: PodSpec;
}

const container = (cpu: string): PodSpec['containers'] => [
  {
    name: 'pause',
    image: 'registry.k8s.io/pause:3.10.2',
    ports: [{ containerPort: 80, protocol: 'TCP' }],
    resources: { requests: { cpu, memory: '500Mi' } },
  },
];
const plain: PodTemplate = { namespace: 'sched-0', spec: { containers: container('100m') } };
const inBoth = ['sched-1', 'sched-0'];

/** By name, in the order of the report. */
export const workloads: Readonly<Record<string, Workload>> = {
  basic: { zones: ['zone1'], initialPerNode: 0.2, initial: plain, measuredPerNode: 2, measured: plain },
  'node affinity': {
    zones: ['zone1'],
    initialPerNode: 1,
    initial: plain,
    measuredPerNode: 2,
    measured: affine(plain, {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchExpressions: [{ key: zoneLabel, operator: 'In', values: ['zone1', 'zone2'] }] }],
        },
      },
    }),
  },
  'pod affinity': alike(1, 1, {
    podAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { labelSelector: { matchLabels: { color: 'blue' } }, topologyKey: zoneLabel, namespaces: inBoth },
      ],
    },
  }),
  'anti-affinity': alike(0.2, 0.4, {
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { labelSelector: { matchLabels: { color: 'blue' } }, topologyKey: hostnameLabel, namespaces: inBoth },
      ],
    },
  }),
  'topology spread': {
    zones: ['moon-1', 'moon-2', 'moon-3'],
    initialPerNode: 1,
    initial: plain,
    measuredPerNode: 1,
    measured: {
      namespace: 'sched-0',
      labels: { color: 'blue' },
      spec: {
        containers: container('100m'),
        topologySpreadConstraints: [
          {
            maxSkew: 5,
            topologyKey: zoneLabel,
            whenUnsatisfiable: 'DoNotSchedule',
            labelSelector: { matchLabels: { color: 'blue' } },
          },
        ],
      },
    },
  },
  preemption: {
    zones: ['zone1'],
    initialPerNode: 4,
    initial: { namespace: 'sched-0', spec: { containers: container('900m'), terminationGracePeriodSeconds: 0 } },
    measuredPerNode: 1,
    measured: { namespace: 'sched-0', spec: { containers: container('3'), priority: 10 } },
  },
};

function affine({ namespace, labels, spec }: PodTemplate, affinity: PodSpec['affinity']): PodTemplate {
  return { namespace, ...(labels === undefined ? {} : { labels }), spec: { ...spec, affinity } as PodSpec };
}

function alike(initialPerNode: number, measuredPerNode: number, affinity: PodSpec['affinity']): Workload {
  const template = affine({ ...plain, labels: { color: 'blue' } }, affinity);
  return {
    zones: ['zone1'],
    initialPerNode,
    initial: template,
    measuredPerNode,
    measured: { ...template, namespace: 'sched-1' },
  };
}

/** A hollow node: upstream's `node-default.yaml`. */
export function hollowNode(index: number, zones: readonly string[]): Node {
  const name = `scheduler-perf-${index}`;
  const size = { pods: '110', cpu: '4', memory: '32Gi' };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { [hostnameLabel]: name, [zoneLabel]: zones[index % zones.length] ?? '' } },
    spec: {},
    status: { capacity: size, allocatable: size, conditions: [{ type: 'Ready', status: 'True' }] },
  } as unknown as Node;
}

/** A pod as a client creates it. */
export function hollowPod(name: string, { namespace, labels, spec }: PodTemplate): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { ...labels } },
    // Each pod needs its own copy of the spec, as when it comes from a server.
    spec: structuredClone({ schedulerName: 'default-scheduler', ...spec }),
    status: { phase: 'Pending' },
  } as unknown as Pod;
}
