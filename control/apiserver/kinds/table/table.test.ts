import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KubeObject } from '#api/meta.ts';
import type {
  ContainerStatus,
  Deployment,
  EndpointSlice,
  Endpoints,
  Event,
  EventsEvent,
  Node,
  Pod,
  PodSpec,
  PodStatus,
  ReplicaSet,
  Secret,
  Service,
} from '#api/types.generated.ts';
import type { TableColumns } from '../../registry/strategy.ts';
import { eventsEventTable, eventTable } from '../core/event/columns.ts';
import { nodeTable } from '../core/node/columns.ts';
import { podTable, summarizePod } from '../core/pod/columns.ts';
import { humanDuration } from './columns.ts';
import { endpointSliceTable, endpointsTable, serviceTable } from './network.ts';
import { configMapTable, leaseTable, namespaceTable, secretTable, serviceAccountTable } from './plain.ts';
import { deploymentTable, replicaSetTable } from './workloads.ts';

const startMs = Date.parse('2026-01-01T00:00:00Z');
const nowMs = startMs + 300_000;
const metadata = { name: 'x', namespace: 'ns', uid: 'u', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' };
const ago = (seconds: number): string => new Date(nowMs - seconds * 1000).toISOString();

/** The row as `kubectl get -o wide` prints it: column name → cell. */
function row<T extends KubeObject>(table: TableColumns<T>, object: T): Record<string, unknown> {
  const cells = table.cells(object, nowMs);
  assert.equal(cells.length, table.columns.length);
  return Object.fromEntries(table.columns.map(({ name }, index) => [name, cells[index]]));
}

describe('durations', () => {
  const second = 1000;
  const minute = 60 * second;
  const hour = 60 * minute;
  const day = 24 * hour;
  for (const [ms, text] of [
    [-2 * second, '<invalid>'],
    [-1 * second, '0s'],
    [0, '0s'],
    [119 * second, '119s'],
    [120 * second, '2m'],
    [121 * second, '2m1s'],
    [10 * minute - 1, '9m59s'],
    [10 * minute, '10m'],
    [179 * minute, '179m'],
    [3 * hour, '3h'],
    [8 * hour - 1, '7h59m'],
    [8 * hour, '8h'],
    [47 * hour, '47h'],
    [48 * hour, '2d'],
    [49 * hour, '2d1h'],
    [8 * day, '8d'],
    [729 * day, '729d'],
    [730 * day, '2y'],
    [731 * day, '2y1d'],
    [8 * 365 * day, '8y'],
  ] as const) {
    it(`prints ${ms} ms as ${text}`, () => assert.equal(humanDuration(ms), text));
  }
});

describe('pods', () => {
  const status = (name: string, state: ContainerStatus['state'], more: Partial<ContainerStatus> = {}): ContainerStatus => ({
    name,
    image: '',
    imageID: '',
    ready: false,
    restartCount: 0,
    state,
    ...more,
  });
  const running = (name: string, more: Partial<ContainerStatus> = {}): ContainerStatus =>
    status(name, { running: {} }, { ready: true, ...more });
  const ended = (exitCode: number, more: { reason?: string; signal?: number } = {}): ContainerStatus['state'] => ({
    terminated: { exitCode, ...more },
  });
  const pod = (podStatus: PodStatus, spec: Partial<PodSpec> = {}): Pod => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata,
    spec: { containers: [{ name: 'a' }, { name: 'b' }], ...spec },
    status: { phase: 'Running', ...podStatus },
  });
  const init: Partial<PodSpec> = { initContainers: [{ name: 'i' }, { name: 'j' }] };
  const sidecar: Partial<PodSpec> = { initContainers: [{ name: 's', restartPolicy: 'Always' }] };
  const ready = { type: 'Ready', status: 'True' };
  const initialized = { type: 'Initialized', status: 'True' };

  for (const [what, object, ...expected] of [
    ['waits for a node', pod({ phase: 'Pending' }), '0/2', 'Pending'],
    [
      'waits behind a gate',
      pod({ phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }] }),
      '0/2',
      'SchedulingGated',
    ],
    ['runs', pod({ containerStatuses: [running('a'), running('b')] }), '2/2', 'Running'],
    ['was evicted', pod({ phase: 'Failed', reason: 'Evicted' }), '0/2', 'Evicted'],
    [
      'creates containers',
      pod({ phase: 'Pending', containerStatuses: [status('a', { waiting: { reason: 'ContainerCreating' } })] }),
      '0/2',
      'ContainerCreating',
    ],
    [
      'cannot pull',
      pod({ containerStatuses: [running('a'), status('b', { waiting: { reason: 'ImagePullBackOff' } })] }),
      '1/2',
      'ImagePullBackOff',
    ],
    [
      'shows the first container that is not well',
      pod({
        containerStatuses: [
          status('a', { waiting: { reason: 'CrashLoopBackOff' } }),
          status('b', { waiting: { reason: 'Later' } }),
        ],
      }),
      '0/2',
      'CrashLoopBackOff',
    ],
    ['died of a signal', pod({ containerStatuses: [status('a', ended(137, { signal: 9 }))] }), '0/2', 'Signal:9'],
    ['ended with an exit code', pod({ containerStatuses: [status('a', ended(3))] }), '0/2', 'ExitCode:3'],
    [
      'ended well',
      pod({ phase: 'Succeeded', containerStatuses: [status('a', ended(0, { reason: 'Completed' }))] }),
      '0/2',
      'Completed',
    ],
    [
      'ended in part, and is ready',
      pod({ conditions: [ready], containerStatuses: [status('a', ended(0, { reason: 'Completed' })), running('b')] }),
      '1/2',
      'Running',
    ],
    [
      'ended in part, and is not ready',
      pod({ containerStatuses: [status('a', ended(0, { reason: 'Completed' })), running('b')] }),
      '1/2',
      'NotReady',
    ],
    [
      'ended in part with an error',
      pod({ containerStatuses: [status('a', ended(0, { reason: 'Completed' })), status('b', ended(1, { reason: 'Error' }))] }),
      '0/2',
      'Error',
    ],
    [
      'initializes',
      pod({ phase: 'Pending', initContainerStatuses: [status('i', ended(0)), status('j', { running: {} })] }, init),
      '0/2',
      'Init:1/2',
    ],
    [
      'fails to initialize',
      pod({ initContainerStatuses: [status('i', ended(1, { reason: 'Error' }))] }, init),
      '0/2',
      'Init:Error',
    ],
    [
      'fails to initialize, without a reason',
      pod({ initContainerStatuses: [status('i', ended(2))] }, init),
      '0/2',
      'Init:ExitCode:2',
    ],
    [
      'cannot pull an init image',
      pod({ initContainerStatuses: [status('i', { waiting: { reason: 'ErrImagePull' } })] }, init),
      '0/2',
      'Init:ErrImagePull',
    ],
    [
      'has its sidecar',
      pod({ initContainerStatuses: [running('s', { started: true })], containerStatuses: [running('a'), running('b')] }, sidecar),
      '3/3',
      'Running',
    ],
    [
      'waits for its sidecar',
      pod({ phase: 'Pending', initContainerStatuses: [running('s', { started: false })] }, sidecar),
      '0/3',
      'Init:0/1',
    ],
    [
      'lost its sidecar after initialization',
      pod(
        {
          conditions: [initialized],
          initContainerStatuses: [status('s', ended(1))],
          containerStatuses: [running('a'), running('b')],
        },
        sidecar,
      ),
      '2/3',
      'Init:ExitCode:1',
    ],
    [
      'is being deleted',
      { ...pod({ containerStatuses: [running('a')] }), metadata: { ...metadata, deletionTimestamp: ago(1) } },
      '1/2',
      'Terminating',
    ],
    [
      'is being deleted and ended',
      { ...pod({ phase: 'Succeeded' }), metadata: { ...metadata, deletionTimestamp: ago(1) } },
      '0/2',
      'Succeeded',
    ],
    [
      'is on a lost node',
      { ...pod({ reason: 'NodeLost' }), metadata: { ...metadata, deletionTimestamp: ago(1) } },
      '0/2',
      'Unknown',
    ],
  ] as [string, Pod, string, string][]) {
    it(`that ${what}`, () => {
      const summary = summarizePod(object);
      assert.deepEqual([`${summary.ready}/${summary.total}`, summary.reason], expected);
    });
  }

  it('show restarts with the time of the last, and everything wide', () => {
    const restarted = running('a', { restartCount: 2, lastState: { terminated: { exitCode: 1, finishedAt: ago(120) } } });
    const object = pod(
      {
        podIPs: [{ ip: '10.1.0.2' }],
        nominatedNodeName: 'n2',
        conditions: [{ type: 'x.y/z', status: 'True' }],
        containerStatuses: [restarted, running('b', { restartCount: 1 })],
      },
      { nodeName: 'n1', readinessGates: [{ conditionType: 'x.y/z' }, { conditionType: 'x.y/w' }] },
    );
    assert.deepEqual(row(podTable, object), {
      Name: 'x',
      Ready: '2/2',
      Status: 'Running',
      Restarts: '3 (2m ago)',
      Age: '5m',
      IP: '10.1.0.2',
      Node: 'n1',
      'Nominated Node': 'n2',
      'Readiness Gates': '1/2',
    });
    assert.deepEqual(Object.values(row(podTable, pod({}))).slice(3), ['0', '5m', '<none>', '<none>', '<none>', '<none>']);
  });

  it('hide the restarts of init containers that are done', () => {
    const object = pod(
      {
        initContainerStatuses: [status('i', ended(0), { restartCount: 4 }), status('j', ended(0))],
        containerStatuses: [running('a')],
      },
      init,
    );
    assert.equal(summarizePod(object).restarts, 0);
  });

  it('show narrow columns in the order of kubectl', () => {
    assert.deepEqual(
      podTable.columns.filter(({ priority }) => priority === 0).map(({ name }) => name),
      ['Name', 'Ready', 'Status', 'Restarts', 'Age'],
    );
  });
});

describe('workloads', () => {
  const template = {
    spec: {
      containers: [
        { name: 'c', image: 'nginx:1' },
        { name: 'd', image: 'redis' },
      ],
    },
  };
  const selector = {
    matchLabels: { tier: 'front', app: 'web' },
    matchExpressions: [
      { key: 'env', operator: 'In', values: ['b', 'a'] },
      { key: 'old', operator: 'DoesNotExist' },
    ],
  };

  it('of a deployment', () => {
    const object = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: { replicas: 3, selector, template },
      status: { readyReplicas: 1, updatedReplicas: 2 },
    } as Deployment;
    assert.deepEqual(row(deploymentTable, object), {
      Name: 'x',
      Ready: '1/3',
      'Up-to-date': 2,
      Available: 0,
      Age: '5m',
      Containers: 'c,d',
      Images: 'nginx:1,redis',
      Selector: 'app=web,env in (a,b),!old,tier=front',
    });
  });

  it('of a replica set', () => {
    const object = {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata,
      spec: { replicas: 3, selector: {}, template },
      status: { replicas: 2 },
    } as ReplicaSet;
    assert.deepEqual(row(replicaSetTable, object), {
      Name: 'x',
      Desired: 3,
      Current: 2,
      Ready: 0,
      Age: '5m',
      Containers: 'c,d',
      Images: 'nginx:1,redis',
      Selector: '<none>',
    });
  });
});

describe('network', () => {
  const service = (spec: Service['spec'], status?: Service['status']): Service => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata,
    spec,
    status,
  });

  it('of a service', () => {
    const ports = [
      { port: 80, protocol: 'TCP', nodePort: 30080 },
      { port: 53, protocol: 'UDP' },
    ];
    assert.deepEqual(
      row(serviceTable, service({ type: 'NodePort', clusterIPs: ['10.96.0.5'], ports, selector: { b: '2', a: '1' } })),
      {
        Name: 'x',
        Type: 'NodePort',
        'Cluster-IP': '10.96.0.5',
        'External-IP': '<none>',
        'Port(s)': '80:30080/TCP,53/UDP',
        Age: '5m',
        Selector: 'a=1,b=2',
      },
    );
  });

  for (const [what, object, expected] of [
    ['a balancer without address', service({ type: 'LoadBalancer' }), '<pending>'],
    [
      'a balancer',
      service(
        { type: 'LoadBalancer', externalIPs: ['1.1.1.1'] },
        { loadBalancer: { ingress: [{ hostname: 'b.example' }, { ip: '2.2.2.2' }] } },
      ),
      '2.2.2.2,b.example,1.1.1.1',
    ],
    ['a name', service({ type: 'ExternalName', externalName: 'example.org' }), 'example.org'],
    ['an external address', service({ type: 'ClusterIP', externalIPs: ['1.1.1.1', '1.1.1.2'] }), '1.1.1.1,1.1.1.2'],
  ] as const) {
    it(`external address of ${what}`, () => assert.equal(row(serviceTable, object)['External-IP'], expected));
  }

  it('of endpoints', () => {
    const endpoints = (subsets: Endpoints['subsets']): Endpoints => ({ apiVersion: 'v1', kind: 'Endpoints', metadata, subsets });
    const addresses = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'].map((ip) => ({ ip }));
    assert.equal(row(endpointsTable, endpoints(undefined))['Endpoints'], '<none>');
    assert.equal(
      row(endpointsTable, endpoints([{ addresses, ports: [{ port: 80 }] }]))['Endpoints'],
      '10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 1 more...',
    );
    assert.equal(row(endpointsTable, endpoints([{ notReadyAddresses: addresses, ports: [{ port: 80 }] }]))['Endpoints'], '');
    assert.equal(
      row(endpointsTable, endpoints([{ addresses: [{ ip: 'fd00::1' }], ports: [{ port: 80 }] }]))['Endpoints'],
      '[fd00::1]:80',
    );
  });

  it('of an endpoint slice', () => {
    const slice: EndpointSlice = { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata, addressType: 'IPv4' };
    assert.deepEqual(row(endpointSliceTable, slice), {
      Name: 'x',
      AddressType: 'IPv4',
      Ports: '<unset>',
      Endpoints: '<unset>',
      Age: '5m',
    });
    const full = {
      ...slice,
      ports: [{ name: 'any' }, { port: 80 }],
      endpoints: [{ addresses: ['1.1.1.1', '1.1.1.2'] }, { addresses: ['1.1.1.3', '1.1.1.4'] }],
    };
    assert.deepEqual(row(endpointSliceTable, full), {
      Name: 'x',
      AddressType: 'IPv4',
      Ports: 'any,80',
      Endpoints: '1.1.1.1,1.1.1.2,1.1.1.3 + 1 more...',
      Age: '5m',
    });
  });
});

describe('nodes', () => {
  it('show status, roles and what they run', () => {
    const node = {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: {
        ...metadata,
        labels: {
          'node-role.kubernetes.io/worker': '',
          'node-role.kubernetes.io/control-plane': '',
          'kubernetes.io/role': 'worker',
        },
      },
      spec: { unschedulable: true },
      status: {
        conditions: [{ type: 'Ready', status: 'Unknown' }],
        addresses: [
          { type: 'Hostname', address: 'h' },
          { type: 'InternalIP', address: '10.0.0.1' },
        ],
        nodeInfo: {
          kubeletVersion: 'v1.36.0',
          osImage: 'Debian',
          kernelVersion: '6.1',
          architecture: 'amd64',
          containerRuntimeVersion: 'containerd://1.6',
        },
      },
    } as unknown as Node;
    assert.deepEqual(row(nodeTable, node), {
      Name: 'x',
      Status: 'NotReady,SchedulingDisabled',
      Roles: 'control-plane,worker',
      Age: '5m',
      Version: 'v1.36.0',
      'Internal-IP': '10.0.0.1',
      'External-IP': '<none>',
      'OS-Image': 'Debian',
      'Kernel-Version': '6.1 (amd64)',
      'Container-Runtime': 'containerd://1.6',
    });
  });

  it('that never reported are Unknown', () => {
    const cells = row(nodeTable, { apiVersion: 'v1', kind: 'Node', metadata, spec: {} });
    assert.deepEqual(
      [cells['Status'], cells['Roles'], cells['OS-Image'], cells['Kernel-Version']],
      ['Unknown', '<none>', '<unknown>', '<unknown>'],
    );
  });
});

describe('events', () => {
  const event: Event = {
    apiVersion: 'v1',
    kind: 'Event',
    metadata,
    involvedObject: { kind: 'Pod', name: 'p', fieldPath: 'spec.containers{c}' },
    type: 'Normal',
    reason: 'Pulled',
    message: ' Image is there\n',
    source: { component: 'kubelet', host: 'n1' },
    firstTimestamp: ago(600),
    lastTimestamp: ago(60),
    count: 4,
  };

  it('of the old kind', () => {
    assert.deepEqual(row(eventTable, event), {
      'Last Seen': '60s',
      Type: 'Normal',
      Reason: 'Pulled',
      Object: 'pod/p',
      Subobject: 'spec.containers{c}',
      Source: 'kubelet, n1',
      Message: 'Image is there',
      'First Seen': '10m',
      Count: 4,
      Name: 'x',
    });
  });

  it('of the new kind, with and without a series', () => {
    const modern: EventsEvent = {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata,
      eventTime: ago(30),
      regarding: { kind: 'Node' },
      reportingController: 'c',
      reportingInstance: 'c-1',
      note: 'n',
    };
    const single = row(eventsEventTable, modern);
    assert.deepEqual(
      [single['Last Seen'], single['First Seen'], single['Count'], single['Object'], single['Source']],
      ['30s', '30s', 1, 'node', 'c, c-1'],
    );
    const series = row(eventsEventTable, { ...modern, series: { count: 7, lastObservedTime: ago(5) } });
    assert.deepEqual([series['Last Seen'], series['First Seen'], series['Count']], ['5s', '30s', 7]);
  });
});

describe('plain kinds', () => {
  const of = (kind: string, more: object = {}) => ({ apiVersion: 'v1', kind, metadata, ...more });

  it('show little', () => {
    assert.deepEqual(row(namespaceTable, { ...of('Namespace'), spec: {}, status: { phase: 'Active' } }), {
      Name: 'x',
      Status: 'Active',
      Age: '5m',
    });
    assert.deepEqual(row(configMapTable, { ...of('ConfigMap'), data: { a: '' }, binaryData: { b: '' } }), {
      Name: 'x',
      Data: 2,
      Age: '5m',
    });
    assert.deepEqual(row(secretTable, of('Secret', { type: 'Opaque', data: { a: '' } }) as Secret), {
      Name: 'x',
      Type: 'Opaque',
      Data: 1,
      Age: '5m',
    });
    assert.deepEqual(row(serviceAccountTable, of('ServiceAccount')), { Name: 'x', Age: '5m' });
    assert.deepEqual(row(leaseTable, { ...of('Lease'), spec: { holderIdentity: 'h' } }), { Name: 'x', Holder: 'h', Age: '5m' });
  });
});
