/** Runs the scheduler against the real API server with client and informers, and checks what users see. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { pino } from 'pino';
import type { New } from '#api/meta.ts';
import type { Event, Node, Pod } from '#api/types.generated.ts';
import { systemClock } from '#client/clock.ts';
import { createEventRecorder, type FlushingEventRecorder } from '#client/event-recorder.ts';
import { createInformers } from '#client/informers.ts';
import { createLeftOutReporter } from '#client/left-out.ts';
import { startTestServer, type TestServer } from '#control/apiserver/api-server.testing.ts';
import { createScheduler } from './scheduler.ts';

const log = pino({ level: 'silent' });

const newNode = (name: string, cpu: string): New<Node> => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name },
  spec: {},
  status: { allocatable: { cpu, memory: '8Gi', pods: '110' }, capacity: { cpu, memory: '8Gi', pods: '110' } },
});
const newPod = (name: string, cpu: string, spec: Partial<Pod['spec']> = {}): New<Pod> => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default' },
  spec: { ...spec, containers: [{ name: 'main', image: 'web', resources: { requests: { cpu } } }] },
});
const scheduled = ({ status }: Pod) => status?.conditions?.find(({ type }) => type === 'PodScheduled');

describe('createScheduler over the API', () => {
  let server: TestServer;
  let events: FlushingEventRecorder;
  const abort = new AbortController();
  let running: Promise<unknown> = Promise.resolve();

  before(async () => {
    server = await startTestServer();
    const { client } = server;
    // The admission plugin for pods needs this service account. Its controller does not run here.
    await client
      .resource('serviceaccounts')
      .create({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: 'default' } });
    // As a server has it from its start.
    const critical = {
      apiVersion: 'scheduling.k8s.io/v1',
      kind: 'PriorityClass',
      metadata: { name: 'system-node-critical' },
      value: 2_000_001_000,
    } as const;
    await client.resource('priorityclasses.scheduling.k8s.io').create(critical);
    const informers = createInformers({ client, clock: systemClock, log });
    events = createEventRecorder({ client, clock: systemClock, log, component: 'default-scheduler' });
    const scheduler = createScheduler({
      client,
      informers,
      clock: systemClock,
      random: () => 0,
      log,
      events,
      leftOut: createLeftOutReporter({ events, log }),
    });
    running = Promise.all([informers.run(abort.signal), scheduler.run(abort.signal)]);
  });
  after(async () => {
    abort.abort();
    await running;
    await server.stop();
  });

  /** Admission gives a new node the not-ready taint. The node lifecycle controller, which removes it, does not run here. */
  async function addNode(name: string, cpu: string): Promise<void> {
    const nodes = server.client.resource('nodes');
    await nodes.create(newNode(name, cpu));
    await nodes.patch({ name }, { type: 'merge', body: { spec: { taints: null } } });
  }

  /** Waits until the pod meets `when`. */
  async function podWhen(name: string, when: (pod: Pod) => boolean): Promise<Pod> {
    const pods = server.client.resource('pods');
    const found = await pods.get({ namespace: 'default', name });
    if (when(found)) return found;
    const stop = new AbortController();
    const { resourceVersion } = found.metadata;
    try {
      for await (const { type, object } of pods.watch(
        { namespace: 'default', fieldSelector: `metadata.name=${name}`, resourceVersion },
        stop.signal,
      )) {
        if (type !== 'BOOKMARK' && when(object)) return object;
      }
    } finally {
      stop.abort();
    }
    throw new Error(`the watch of ${name} ended`);
  }

  /**
   * Waits for the event: the scheduler records `Scheduled` after its binding was answered, and the watch may show the bound pod
   * before that.
   */
  async function eventsOf(name: string): Promise<Event[]> {
    const stop = new AbortController();
    try {
      for await (const { object } of server.client
        .resource('events')
        .watch({ namespace: 'default', resourceVersion: '0' }, stop.signal)) {
        if (object.involvedObject?.name === name && object.reason === 'Scheduled') break;
      }
    } finally {
      stop.abort();
    }
    await events.flush();
    const { items } = await server.client.resource('events').list({ namespace: 'default' });
    return items.filter(({ involvedObject }) => involvedObject.name === name);
  }

  it('binds a pod, with a condition and an event', async () => {
    await addNode('a', '2');
    await server.client.resource('pods').create(newPod('p', '1'));
    const bound = await podWhen('p', ({ spec }) => spec.nodeName === 'a');
    assert.equal(scheduled(bound)?.status, 'True');
    const scheduledEvent = (await eventsOf('p')).find(({ reason }) => reason === 'Scheduled');
    assert.deepEqual([scheduledEvent?.type, scheduledEvent?.message], ['Normal', 'Successfully assigned default/p to a']);
  });

  it('reports why a pod waits, and places it when a node is added', async () => {
    await server.client.resource('pods').create(newPod('q', '3'));
    const waiting = await podWhen('q', (pod) => scheduled(pod)?.reason === 'Unschedulable');
    const message =
      '0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: ' +
      '0/1 nodes are available: 1 Preemption is not helpful for scheduling.';
    assert.equal(scheduled(waiting)?.message, message);
    await addNode('b', '4');
    const bound = await podWhen('q', ({ spec }) => spec.nodeName === 'b');
    assert.equal(scheduled(bound)?.status, 'True');
    assert.equal(scheduled(bound)?.reason, undefined);
    assert.deepEqual(new Set((await eventsOf('q')).map(({ reason }) => reason)), new Set(['FailedScheduling', 'Scheduled']));
  });

  it('holds a gated pod until its gates are removed', async () => {
    const pods = server.client.resource('pods');
    await pods.create(newPod('g', '100m', { schedulingGates: [{ name: 'example.com/wait' }] }));
    const gated = await podWhen('g', (pod) => scheduled(pod)?.reason === 'SchedulingGated');
    assert.equal(gated.spec.nodeName, undefined);
    await pods.patch({ namespace: 'default', name: 'g' }, { type: 'merge', body: { spec: { schedulingGates: null } } });
    await podWhen('g', ({ spec }) => spec.nodeName !== undefined);
  });

  it('evicts a pod of lower priority and nominates the node', async () => {
    const critical = newPod('c', '4', { priorityClassName: 'system-node-critical', nodeSelector: { 'kubernetes.io/os': 'vms' } });
    await server.client
      .resource('nodes')
      .patch({ name: 'b' }, { type: 'merge', body: { metadata: { labels: { 'kubernetes.io/os': 'vms' } } } });
    await server.client.resource('pods').create(critical);
    const waiting = await podWhen('c', ({ status }) => status?.nominatedNodeName !== undefined);
    assert.equal(waiting.status?.nominatedNodeName, 'b');
    const victim = await server.client.resource('pods').get({ namespace: 'default', name: 'q' });
    assert.ok(victim.metadata.deletionTimestamp);
    assert.equal(victim.status?.conditions?.find(({ type }) => type === 'DisruptionTarget')?.reason, 'PreemptionByScheduler');
    await server.client.resource('pods').delete({ namespace: 'default', name: 'q' }, { gracePeriodSeconds: 0 });
    const placed = await podWhen('c', ({ spec }) => spec.nodeName === 'b');
    assert.equal(scheduled(placed)?.status, 'True');
  });
});
