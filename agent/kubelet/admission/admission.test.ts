import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Node, Pod, PodSpec } from '#api/types.generated.ts';
import { aContainer, aPod } from '../pods.testing.ts';
import { admitPod } from './admission.ts';

const node: Node = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: {
    name: 'n1',
    uid: 'n',
    resourceVersion: '1',
    creationTimestamp: '',
    labels: { 'kubernetes.io/os': 'linux', disk: 'ssd' },
  },
  spec: {},
  status: { allocatable: { cpu: '2', memory: '1Gi', pods: '3', 'ephemeral-storage': '10Gi' } },
};
const under = (...pressures: string[]): Node => ({
  ...node,
  status: {
    ...node.status,
    conditions: [{ type: 'Ready', status: 'True' }, ...pressures.map((type) => ({ type, status: 'True' }))],
  },
});
const asking = (requests: Record<string, string>, more: Partial<PodSpec> = {}): Partial<PodSpec> => ({
  containers: [aContainer('c', { resources: { requests } })],
  ...more,
});
const port = (hostPort: number, protocol = 'TCP', hostIP?: string): Partial<PodSpec> => ({
  containers: [
    aContainer('c', { ports: [{ containerPort: 80, hostPort, protocol, ...(hostIP === undefined ? {} : { hostIP }) }] }),
  ],
});
const sysctls = (...names: string[]): Partial<PodSpec> => ({
  securityContext: { sysctls: names.map((name) => ({ name, value: '1' })) },
});
const other = (spec: Partial<PodSpec>, more: Parameters<typeof aPod>[1] = {}): Pod =>
  aPod(spec, { metadata: { name: 'other', uid: 'uid-2' }, ...more });
const tainted: Node = {
  ...node,
  spec: {
    taints: [
      { key: 'k', value: 'v', effect: 'NoExecute' },
      { key: 'soft', effect: 'NoSchedule' },
    ],
  },
};

describe('admission on the node', () => {
  const cases: [string, Partial<PodSpec>, Pod[], string | undefined, (string | undefined)?, Node?][] = [
    ['takes what fits', asking({ cpu: '2', memory: '1Gi' }), [], undefined],
    [
      'counts what others request',
      asking({ cpu: '1500m' }),
      [other(asking({ cpu: '1' }))],
      'OutOfcpu',
      "Node didn't have enough resource: cpu, requested: 1500, used: 1000, capacity: 2000",
    ],
    ['takes safe sysctls', sysctls('net/ipv4/tcp_syncookies', 'kernel.shm_rmid_forced'), [], undefined],
    [
      'refuses sysctls that reach other pods',
      sysctls('net.ipv4.tcp_syncookies', 'kernel.msgmax'),
      [],
      'SysctlForbidden',
      'forbidden sysctl: "kernel.msgmax" not allowlisted',
    ],
    [
      "refuses sysctls of the node's own network",
      { ...sysctls('net.ipv4.tcp_syncookies'), hostNetwork: true },
      [],
      'SysctlForbidden',
      'forbidden sysctl: "net.ipv4.tcp_syncookies" not allowed with host Net enabled',
    ],
    [
      'forgets pods that have ended',
      asking({ cpu: '1500m' }),
      [other(asking({ cpu: '1' }), { metadata: { uid: 'uid-2' }, status: { phase: 'Succeeded' } })],
      undefined,
    ],
    [
      'refuses too much memory',
      asking({ memory: '2Gi' }),
      [],
      'OutOfmemory',
      "Node didn't have enough resource: memory, requested: 2147483648, used: 0, capacity: 1073741824",
    ],
    [
      'refuses one pod too many',
      {},
      ['a', 'b', 'c'].map((uid) => other({}, { metadata: { uid } })),
      'OutOfpods',
      "Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3",
    ],
    ['ignores resources that the node does not know', asking({ 'example.com/gpu': '1' }), [], undefined],
    [
      'obeys nodeSelector',
      { nodeSelector: { disk: 'hdd' } },
      [],
      'NodeAffinity',
      "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
    ],
    [
      'obeys required affinity',
      {
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [{ matchExpressions: [{ key: 'disk', operator: 'In', values: ['ssd'] }] }],
            },
          },
        },
      },
      [],
      undefined,
    ],
    [
      'refuses a taken host port',
      port(80),
      [other(port(80))],
      'NodePorts',
      "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
    ],
    ['takes the port of another protocol', port(53, 'UDP'), [other(port(53))], undefined],
    ['takes the port of another address', port(80, 'TCP', '127.0.0.1'), [other(port(80, 'TCP', '127.0.0.2'))], undefined],
    [
      'refuses a port taken on all addresses',
      port(80, 'TCP', '127.0.0.1'),
      [other(port(80))],
      'NodePorts',
      "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
    ],
    [
      'refuses other systems',
      { nodeSelector: { 'kubernetes.io/os': 'windows' } },
      [],
      'PodOSSelectorNodeLabelDoesNotMatch',
      "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label",
    ],
    [
      'obeys NoExecute taints only',
      {},
      [],
      'TaintToleration',
      "Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate",
      tainted,
    ],
    [
      'refuses pods while its disk is full',
      asking({ cpu: '1' }),
      [],
      'Evicted',
      'The node had condition: [DiskPressure]. ',
      under('DiskPressure'),
    ],
    ['takes critical pods all the same', { priority: 2_000_000_000 }, [], undefined, undefined, under('DiskPressure')],
    [
      'refuses best-effort pods while memory is short',
      {},
      [],
      'Evicted',
      'The node had condition: [MemoryPressure]. ',
      under('MemoryPressure'),
    ],
    ['takes others while memory is short', asking({ cpu: '1' }), [], undefined, undefined, under('MemoryPressure')],
    [
      'takes a best-effort pod that tolerates it',
      { tolerations: [{ key: 'node.kubernetes.io/memory-pressure', operator: 'Exists' }] },
      [],
      undefined,
      undefined,
      under('MemoryPressure'),
    ],
    [
      'refuses all when it is short of more',
      { tolerations: [{ operator: 'Exists' }] },
      [],
      'Evicted',
      'The node had condition: [MemoryPressure PIDPressure]. ',
      under('MemoryPressure', 'PIDPressure'),
    ],
    ['takes a pod that tolerates them', { tolerations: [{ key: 'k', operator: 'Exists' }] }, [], undefined, undefined, tainted],
  ];
  for (const [name, spec, others, reason, message, on = node] of cases) {
    it(name, () => assert.deepEqual(admitPod(aPod(spec), others, on), reason === undefined ? undefined : { reason, message }));
  }
});
