import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import type { RuntimeStatus } from '#agent/runtime/runtime.ts';
import type { JsonValue } from '#api/json.ts';
import type { NodeStatus } from '#api/types.generated.ts';
import { FakeApi } from '#client/api.testing.ts';
import type { Client } from '#client/client.ts';
import { FakeClock } from '#client/clock.ts';
import type { EventRecorder } from '#client/event-recorder.ts';
import { createClient } from '#client/rest-client.ts';
import type { NodeAgent } from './node-agent.ts';
import { createNodeAgent } from './node-agent.ts';
import type { NodeIdentity, NodeObservation } from './node-status.ts';
import { conditionEvents, nodeStatus } from './node-status.ts';
import { defaultThresholds } from './pressure.ts';

const Gi = 2 ** 30;
const filesystem = { capacityBytes: 100 * Gi, availableBytes: 50 * Gi, inodes: 1000, inodesFree: 500 };
const identity: NodeIdentity = {
  nodeName: 'n1',
  nodeIps: ['192.0.2.1'],
  maxPods: 110,
  kubeletPort: 10250,
  kubeletVersion: 'v1',
  thresholds: defaultThresholds,
};
const ready: RuntimeStatus = {
  conditions: [
    { type: 'RuntimeReady', status: true, reason: '', message: '' },
    { type: 'NetworkReady', status: true, reason: '', message: '' },
  ],
  handlers: [],
  supplementalGroupsPolicy: false,
};
const noNetwork: RuntimeStatus = {
  ...ready,
  conditions: [
    { type: 'RuntimeReady', status: true, reason: '', message: '' },
    {
      type: 'NetworkReady',
      status: false,
      reason: 'NetworkPluginNotReady',
      message: 'Network plugin returns error: cni plugin not initialized',
    },
  ],
};
const fine: NodeObservation = {
  machine: {
    cpuCount: 2,
    memoryBytes: 4 * Gi,
    machineId: 'm',
    systemUuid: 's',
    bootId: 'b',
    kernelVersion: '6.1',
    osImage: 'Debian',
    architecture: 'amd64',
  },
  memoryAvailableBytes: 2 * Gi,
  nodefs: filesystem,
  imagefs: filesystem,
  pids: { max: 1000, running: 10 },
  hugePages: { '2Mi': 0, '1Gi': 2 },
  images: [],
  runtimeVersion: { version: '0.1.0', runtimeName: 'containerd', runtimeVersion: '1.6.20', runtimeApiVersion: 'v1' },
  runtimeStatus: ready,
  problems: [],
};
const nowMs = Date.UTC(2026, 0, 1);
const statusOf = (more: Partial<NodeObservation> = {}, previous: NodeStatus = {}, at = nowMs): NodeStatus =>
  nodeStatus(identity, { ...fine, ...more }, previous, at);
const condition = (status: NodeStatus, type: string): string => {
  const found = status.conditions?.find((one) => one.type === type);
  return `${found?.status} ${found?.reason}: ${found?.message}`;
};

describe('node resources', () => {
  it('are the machine’s, less what eviction and huge pages keep back', () => {
    const { capacity, allocatable } = statusOf();
    assert.deepEqual(capacity, {
      cpu: '2',
      memory: '4194304Ki',
      'ephemeral-storage': '104857600Ki',
      pods: '110',
      'hugepages-2Mi': '0',
      'hugepages-1Gi': '2Gi',
    });
    assert.deepEqual(
      [allocatable?.['cpu'], allocatable?.['memory'], allocatable?.['ephemeral-storage']],
      ['2', '1994752Ki', `${Math.floor(90 * Gi)}`],
    );
  });
  it('offer to pods the extended resources that others added, while they are there', () => {
    const { capacity, allocatable } = statusOf({}, { capacity: { 'a.io/gpu': '1' }, allocatable: { 'b.io/gone': '1' } });
    assert.deepEqual([capacity?.['a.io/gpu'], allocatable?.['a.io/gpu'], allocatable?.['b.io/gone']], ['1', '1', undefined]);
  });
});

describe('node conditions', () => {
  const cases: [string, Partial<NodeObservation>, string, string][] = [
    ['all is well', {}, 'Ready', 'True KubeletReady: kubelet is posting ready status'],
    ['enough memory', {}, 'MemoryPressure', 'False KubeletHasSufficientMemory: kubelet has sufficient memory available'],
    [
      'too little memory',
      { memoryAvailableBytes: 50 * 2 ** 20 },
      'MemoryPressure',
      'True KubeletHasInsufficientMemory: kubelet has insufficient memory available',
    ],
    ['enough disk', {}, 'DiskPressure', 'False KubeletHasNoDiskPressure: kubelet has no disk pressure'],
    [
      'too little disk',
      { nodefs: { ...filesystem, availableBytes: 9 * Gi } },
      'DiskPressure',
      'True KubeletHasDiskPressure: kubelet has disk pressure',
    ],
    [
      'too few inodes',
      { nodefs: { ...filesystem, inodesFree: 10 } },
      'DiskPressure',
      'True KubeletHasDiskPressure: kubelet has disk pressure',
    ],
    [
      'too little room for images',
      { imagefs: { ...filesystem, availableBytes: 14 * Gi } },
      'DiskPressure',
      'True KubeletHasDiskPressure: kubelet has disk pressure',
    ],
    ['enough process ids', {}, 'PIDPressure', 'False KubeletHasSufficientPID: kubelet has sufficient PID available'],
    [
      'no network',
      { runtimeStatus: noNetwork },
      'Ready',
      'False KubeletNotReady: container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized',
    ],
    [
      'no runtime',
      { problems: ['container runtime is down', 'PLEG is not healthy'] },
      'Ready',
      'False KubeletNotReady: [container runtime is down, PLEG is not healthy]',
    ],
    [
      'no word of the runtime yet',
      { runtimeStatus: undefined },
      'Ready',
      'False KubeletNotReady: container runtime status check may not have completed yet',
    ],
  ];
  for (const [name, observation, type, expected] of cases)
    it(`${type}: ${name}`, () => assert.equal(condition(statusOf(observation), type), expected));

  it('keep their transition time, and move their heartbeat', () => {
    const first = statusOf();
    const second = statusOf({}, first, nowMs + 60_000).conditions?.find(({ type }) => type === 'Ready');
    assert.deepEqual([second?.lastTransitionTime, second?.lastHeartbeatTime], ['2026-01-01T00:00:00Z', '2026-01-01T00:01:00Z']);
  });
  it('leave those of others alone', () => {
    const other = { type: 'NetworkUnavailable', status: 'False', reason: 'RouteCreated' };
    assert.deepEqual(statusOf({}, { conditions: [other] }).conditions?.[0], other);
  });
});

describe('node events', () => {
  const events = (before: NodeStatus, after: NodeStatus): string[] =>
    conditionEvents(before.conditions ?? [], after.conditions ?? []);
  it('tell what a node begins with', () => {
    assert.deepEqual(events({}, statusOf()), [
      'NodeHasSufficientMemory',
      'NodeHasNoDiskPressure',
      'NodeHasSufficientPID',
      'NodeReady',
    ]);
  });
  it('do not tell that a new node is not ready yet', () =>
    assert.equal(events({}, statusOf({ runtimeStatus: noNetwork })).includes('NodeNotReady'), false));
  it('tell what changed', () => assert.deepEqual(events(statusOf(), statusOf({ runtimeStatus: noNetwork })), ['NodeNotReady']));
});

describe('the kubelet of a node', () => {
  /** Runs it until the test has ended what it does to the Node. */
  async function withAgent(
    act: (client: Client, clock: FakeClock, agent: NodeAgent) => Promise<void>,
    observe: () => NodeObservation = () => fine,
  ): Promise<string[]> {
    const clock = new FakeClock();
    const client = createClient(new FakeApi().transport, { userAgent: 'test' });
    const told: string[] = [];
    const events = { event: (_about: unknown, _type: string, reason: string) => told.push(reason) } as unknown as EventRecorder;
    const agent = createNodeAgent(
      { client, clock, random: () => 0, events, log: pino({ level: 'silent' }), observe: async () => observe() },
      {
        ...identity,
        statusIntervalMs: 10_000,
        reportIntervalMs: 300_000,
        leaseDurationSeconds: 40,
        pressureTransitionPeriodMs: 300_000,
      },
    );
    const stop = new AbortController();
    const running = agent.run(stop.signal);
    await clock.advance(0);
    told.length = 0;
    await act(client, clock, agent);
    stop.abort();
    await clock.advance(10_000);
    await running;
    return told;
  }
  const patch = (client: Client, spec: Record<string, JsonValue>): Promise<unknown> =>
    client.resource('nodes').patch({ name: 'n1' }, { type: 'merge', body: { spec } });

  it('tells when it is cordoned, and when it takes pods again', async () => {
    const told = await withAgent(async (client, clock) => {
      for (const unschedulable of [true, true, false]) {
        await patch(client, { unschedulable });
        await clock.advance(10_000);
      }
    });
    assert.deepEqual(told, ['NodeNotSchedulable', 'NodeSchedulable']);
  });

  it('tells of a full disk while it lasts, and counts as short of it for five minutes after', async () => {
    let room = 50;
    const pressure = async (client: Client): Promise<string | undefined> =>
      (await client.resource('nodes').get({ name: 'n1' })).status?.conditions?.find(({ type }) => type === 'DiskPressure')
        ?.status;
    const told = await withAgent(
      async (client, clock) => {
        room = 0;
        await clock.advance(25_000);
        assert.equal(await pressure(client), 'True');
        room = 50;
        await clock.advance(290_000);
        assert.equal(await pressure(client), 'True');
        await clock.advance(30_000);
        assert.equal(await pressure(client), 'False');
      },
      () => ({ ...fine, nodefs: { ...filesystem, availableBytes: room * Gi } }),
    );
    assert.deepEqual(told, ['EvictionThresholdMet', 'NodeHasDiskPressure', 'EvictionThresholdMet', 'NodeHasNoDiskPressure']);
  });

  it('registers a deleted node again, with the addresses that its pods have', async () => {
    await withAgent(async (client, clock, agent) => {
      const given = { podCIDR: '10.1.2.0/24', podCIDRs: ['10.1.2.0/24'] };
      await patch(client, given);
      await clock.advance(10_000);
      await client.resource('nodes').delete({ name: 'n1' });
      agent.deleted();
      await clock.advance(0);
      assert.deepEqual((await client.resource('nodes').get({ name: 'n1' })).spec, given);
    });
  });
});
