import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import type { KubeObject } from '#api/meta.ts';
import type { Pod } from '#api/types.generated.ts';
import { FakeClock } from '#client/clock.ts';
import { createLeftOutReporter } from '#client/left-out.ts';
import { FakeCluster } from './cluster.testing.ts';
import { parseConfiguration } from './config/configuration.ts';
import { createProfile } from './config/profile.ts';
import { node, type PodFixture, pod } from './objects.testing.ts';
import { createScheduler, type Scheduler } from './scheduler.ts';

interface World {
  cluster: FakeCluster;
  clock: FakeClock;
  scheduler: Scheduler;
  /** Waits until everything in progress has ended. */
  settle(): Promise<void>;
}

/** Runs a scheduler on the cluster while `script` runs. */
async function withScheduler(script: (world: World) => Promise<void>): Promise<void> {
  const cluster = new FakeCluster();
  const clock = new FakeClock();
  const log = pino({ level: 'silent' });
  const scheduler = createScheduler({
    client: cluster.client,
    informers: cluster.informers,
    clock,
    random: () => 0,
    log,
    events: cluster.recorder,
    leftOut: createLeftOutReporter({ events: cluster.recorder, log }),
  });
  const abort = new AbortController();
  const running = scheduler.run(abort.signal);
  try {
    await script({ cluster, clock, scheduler, settle: () => clock.advance(0) });
  } finally {
    abort.abort();
    await running;
  }
}

const scheduledCondition = (placed: Pod | undefined) => placed?.status?.conditions?.find(({ type }) => type === 'PodScheduled');
const nodeOf = (cluster: FakeCluster, name: string): string | undefined => cluster.pod(name)?.spec.nodeName;

describe('createScheduler', () => {
  it('binds pods, spread over the nodes, and records events', () =>
    withScheduler(async ({ cluster, settle }) => {
      cluster.put('nodes', node('a'), node('b'));
      cluster.put('pods', pod('p', { cpu: '1' }), pod('q', { cpu: '1' }));
      await settle();
      assert.deepEqual([nodeOf(cluster, 'p'), nodeOf(cluster, 'q')], ['a', 'b']);
      assert.deepEqual(cluster.events, [
        'Normal Scheduled: Successfully assigned default/p to a',
        'Normal Scheduled: Successfully assigned default/q to b',
      ]);
    }));

  it('counts pods that it has placed before the API shows them', () =>
    withScheduler(async ({ cluster, settle }) => {
      cluster.put('nodes', node('a'));
      cluster.put('pods', ...['p', 'q', 'r'].map((name) => pod(name, { cpu: '2' })));
      await settle();
      assert.deepEqual([nodeOf(cluster, 'p'), nodeOf(cluster, 'q'), nodeOf(cluster, 'r')], ['a', 'a', undefined]);
    }));

  it('leaves pods of other schedulers alone', () =>
    withScheduler(async ({ cluster, settle }) => {
      cluster.put('nodes', node('a'));
      cluster.put('pods', pod('p', { schedulerName: 'mine' }));
      await settle();
      assert.equal(nodeOf(cluster, 'p'), undefined);
      assert.deepEqual(cluster.events, []);
    }));

  it("gives upstream's reason why a pod waits in event, condition and decision", () =>
    withScheduler(async ({ cluster, scheduler, settle }) => {
      cluster.put('nodes', node('a', { taints: [{ key: 'k', effect: 'NoSchedule' }] }), node('b'));
      cluster.put('pods', pod('q', { cpu: '3', nodeName: 'b', priority: 10 }), pod('p', { cpu: '2' }));
      await settle();
      const message =
        '0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s). no new claims to deallocate, preemption: ' +
        '0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling.';
      assert.deepEqual(cluster.events, [`Warning FailedScheduling: ${message}`]);
      const condition = scheduledCondition(cluster.pod('p'));
      assert.deepEqual([condition?.status, condition?.reason, condition?.message], ['False', 'Unschedulable', message]);
      assert.equal(condition?.lastTransitionTime, '2026-01-01T00:00:00Z');
      const [decision] = scheduler.decisions('default/p');
      assert.deepEqual(decision?.outcome, { kind: 'unschedulable', message });
      assert.deepEqual(
        decision?.nodes.map(({ node: name, rejection }) => [name, rejection?.plugin]),
        [
          ['a', 'TaintToleration'],
          ['b', 'NodeResourcesFit'],
        ],
      );
    }));

  it('reports that there is no node', () =>
    withScheduler(async ({ cluster, settle }) => {
      cluster.put('pods', pod('p'));
      await settle();
      assert.deepEqual(cluster.events, ['Warning FailedScheduling: no nodes available to schedule pods']);
      cluster.put('nodes', node('a'));
      await settle();
      assert.equal(nodeOf(cluster, 'p'), 'a');
    }));

  it('does not write the same condition twice', () =>
    withScheduler(async ({ cluster, scheduler, settle }) => {
      cluster.put('nodes', node('a'));
      cluster.put('pods', pod('q', { cpu: '3', nodeName: 'a' }), pod('r', { cpu: '100m', nodeName: 'a' }));
      cluster.put('pods', pod('p', { cpu: '2' }));
      await settle();
      cluster.remove('pods', 'default/r');
      await settle();
      assert.equal(scheduler.decisions('default/p').length, 2, 'it was tried again');
      assert.equal(cluster.patches.length, 1);
    }));

  it('does not place a pod again when its binding appears late', () =>
    withScheduler(async ({ cluster, scheduler, settle }) => {
      cluster.put('nodes', node('a'), node('b'));
      cluster.showBindings = false;
      cluster.put('pods', pod('p'));
      await settle();
      cluster.put('pods', pod('p', { labels: { older: 'state' } }));
      await settle();
      assert.equal(scheduler.decisions('default/p').length, 1);
    }));

  for (const [what, change] of [
    ['is deleted', (cluster: FakeCluster) => cluster.remove('pods', 'default/p')],
    ['is placed by somebody else', (cluster: FakeCluster) => cluster.put('pods', pod('p', { nodeName: 'b' }))],
  ] as const) {
    it(`forgets a waiting pod that ${what}`, () =>
      withScheduler(async ({ cluster, scheduler, settle }) => {
        cluster.put('nodes', node('a', { unschedulable: true }));
        cluster.put('pods', pod('p'));
        await settle();
        assert.equal(scheduler.queueLengths().unschedulable, 1);
        change(cluster);
        await settle();
        assert.deepEqual(Object.values(scheduler.queueLengths()), [0, 0, 0, 0, 0]);
      }));
  }

  for (const [what, change] of [
    ['its node is uncordoned', (cluster: FakeCluster) => cluster.put('nodes', node('a'))],
    ['a node comes', (cluster: FakeCluster) => cluster.put('nodes', node('b'))],
  ] as const) {
    it(`places a waiting pod when ${what}`, () =>
      withScheduler(async ({ cluster, settle }) => {
        cluster.put('nodes', node('a', { unschedulable: true }));
        cluster.put('pods', pod('p'));
        await settle();
        assert.equal(nodeOf(cluster, 'p'), undefined);
        change(cluster);
        await settle();
        assert.ok(nodeOf(cluster, 'p'));
      }));
  }

  for (const [what, change] of [
    ['is deleted', (cluster: FakeCluster) => cluster.remove('pods', 'default/q')],
    [
      'ends',
      (cluster: FakeCluster) => cluster.put('pods', pod('q', { cpu: '4', nodeName: 'a', status: { phase: 'Succeeded' } })),
    ],
    ['is made smaller', (cluster: FakeCluster) => cluster.put('pods', pod('q', { cpu: '1', nodeName: 'a' }))],
  ] as const) {
    it(`places a waiting pod when another ${what}`, () =>
      withScheduler(async ({ cluster, settle }) => {
        cluster.put('nodes', node('a'));
        cluster.put('pods', pod('q', { cpu: '4', nodeName: 'a' }), pod('p', { cpu: '1' }));
        await settle();
        assert.equal(nodeOf(cluster, 'p'), undefined);
        change(cluster);
        await settle();
        assert.equal(nodeOf(cluster, 'p'), 'a');
      }));
  }

  it('frees the resources and tries again when a binding fails', () =>
    withScheduler(async ({ cluster, clock, settle }) => {
      cluster.put('nodes', node('a'));
      cluster.bindError = (name) => (name === 'p' ? new Error('etcdserver: request timed out') : undefined);
      cluster.put('pods', pod('p', { cpu: '3' }));
      await settle();
      const message = 'running Bind plugin "DefaultBinder": etcdserver: request timed out';
      assert.deepEqual(cluster.events, [`Warning FailedScheduling: ${message}`]);
      assert.equal(scheduledCondition(cluster.pod('p'))?.reason, 'SchedulerError');
      cluster.bindError = undefined;
      await clock.advance(999);
      assert.equal(nodeOf(cluster, 'p'), undefined);
      await clock.advance(1);
      assert.equal(nodeOf(cluster, 'p'), 'a');
    }));

  it('evicts a pod for one of higher priority, waits until the victim is deleted, and places the pod', () =>
    withScheduler(async ({ cluster, scheduler, settle }) => {
      cluster.put('nodes', node('a'));
      cluster.put('pods', pod('q', { cpu: '4', nodeName: 'a', priority: 1 }));
      cluster.put('pods', pod('p', { cpu: '4', priority: 100 }));
      await settle();
      const victim = cluster.pod('q');
      assert.ok(victim?.metadata.deletionTimestamp);
      assert.deepEqual(
        victim.status?.conditions?.map(({ type, reason, message }) => [type, reason, message]),
        [['DisruptionTarget', 'PreemptionByScheduler', 'default-scheduler: preempting to accommodate a higher priority pod']],
      );
      assert.equal(cluster.pod('p')?.status?.nominatedNodeName, 'a');
      assert.deepEqual(cluster.events.slice(0, 2), [
        'Normal Preempted: Preempted by pod uid-p on node a',
        'Warning FailedScheduling: 0/1 nodes are available: 1 Insufficient cpu.',
      ]);
      assert.deepEqual(scheduler.decisions('default/p')[0]?.outcome, {
        kind: 'unschedulable',
        message: '0/1 nodes are available: 1 Insufficient cpu.',
        nominatedNode: 'a',
        victims: ['default/q'],
      });
      cluster.remove('pods', 'default/q');
      await settle();
      assert.equal(nodeOf(cluster, 'p'), 'a');
    }));

  it('spares the pods of a disruption budget, as it stands at the time', () =>
    withScheduler(async ({ cluster, settle, scheduler }) => {
      const guard = (disruptionsAllowed: number): KubeObject =>
        ({
          metadata: { name: 'b', namespace: 'default', uid: 'b', resourceVersion: String(disruptionsAllowed) },
          spec: { selector: { matchLabels: { app: 'db' } } },
          status: { disruptionsAllowed },
        }) as unknown as KubeObject;
      const victimFor = async (name: string): Promise<unknown> => {
        cluster.put('pods', pod(name, { cpu: '4', priority: 100 }));
        await settle();
        const [decision] = scheduler.decisions(`default/${name}`);
        cluster.remove('pods', `default/${name}`);
        await settle();
        return decision?.outcome.kind === 'unschedulable' ? decision.outcome.victims : decision;
      };
      const running = (): void =>
        cluster.put(
          'pods',
          pod('db', { cpu: '4', nodeName: 'a', priority: 1, labels: { app: 'db' } }),
          pod('web', { cpu: '4', nodeName: 'b', priority: 9 }),
        );
      cluster.put('nodes', node('a'), node('b'));
      cluster.put('poddisruptionbudgets.policy', guard(0));
      running();
      await settle();
      assert.deepEqual(await victimFor('p'), ['default/web']);
      running();
      cluster.put('poddisruptionbudgets.policy', guard(1));
      assert.deepEqual(await victimFor('q'), ['default/db']);
      running();
      cluster.put('poddisruptionbudgets.policy', guard(0));
      assert.deepEqual(await victimFor('r'), ['default/web']);
      running();
      cluster.remove('poddisruptionbudgets.policy', 'default/b');
      assert.deepEqual(await victimFor('s'), ['default/db']);
    }));

  it('does not give nominated resources to a pod that is added meanwhile', () =>
    withScheduler(async ({ cluster, settle }) => {
      cluster.put('nodes', node('a'));
      cluster.put('pods', pod('q', { cpu: '4', nodeName: 'a', priority: 1 }), pod('p', { cpu: '4', priority: 100 }));
      await settle();
      cluster.put('pods', pod('r', { cpu: '1', priority: 50 }));
      cluster.remove('pods', 'default/q');
      await settle();
      assert.deepEqual([nodeOf(cluster, 'p'), nodeOf(cluster, 'r')], ['a', undefined]);
    }));

  it('does not miss a victim that is deleted while the eviction is still being written', () =>
    withScheduler(async ({ cluster, settle }) => {
      cluster.put('nodes', node('a'));
      cluster.put('pods', pod('q', { cpu: '4', nodeName: 'a', priority: 1 }));
      let release = (): void => undefined;
      cluster.patchDelay = new Promise((resolve) => (release = resolve));
      cluster.put('pods', pod('p', { cpu: '4', priority: 100 }));
      await settle();
      cluster.put('pods', pod('q', { cpu: '4', nodeName: 'a', priority: 1, status: { phase: 'Failed' } }));
      cluster.put('pods', pod('r', { cpu: '1', priority: 50 }));
      await settle();
      const meanwhile = nodeOf(cluster, 'r');
      release();
      await settle();
      assert.equal(meanwhile, undefined, 'the room is not for others, although no pod shows it yet');
      assert.equal(nodeOf(cluster, 'p'), 'a');
    }));

  it('skips a pod that is being deleted', () =>
    withScheduler(async ({ cluster, settle }) => {
      cluster.put('nodes', node('a'));
      cluster.put('pods', pod('p', { deleting: true }));
      await settle();
      assert.deepEqual(cluster.events, ['Warning FailedScheduling: skip schedule deleting pod: default/p']);
    }));

  it('places a thousand pods within the capacity of the nodes', () =>
    withScheduler(async ({ cluster, clock, scheduler }) => {
      cluster.put('nodes', ...Array.from({ length: 10 }, (_, index) => node(`n${index}`, { allocatable: { cpu: '100' } })));
      cluster.put('pods', ...Array.from({ length: 1000 }, (_, index) => pod(`p${index}`, { cpu: '900m' })));
      while (
        scheduler.queueLengths().active + scheduler.queueLengths().inFlight > 0 ||
        cluster.pod('p999')?.spec.nodeName === undefined
      ) {
        await clock.advance(0);
      }
      const perNode = new Map<string, number>();
      for (let index = 0; index < 1000; index++) {
        const name = nodeOf(cluster, `p${index}`) ?? 'none';
        perNode.set(name, (perNode.get(name) ?? 0) + 1);
      }
      assert.deepEqual(
        [...perNode.values()],
        Array.from({ length: 10 }, () => 100),
      );
    }));

  const odd = { labelSelector: { matchExpressions: [{ key: 'a', operator: 'Like', values: ['b'] }] }, topologyKey: 'zone' };
  const oddities: [what: string, PodFixture][] = [
    [
      'anti-affinity that does not parse',
      { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [odd] } } },
    ],
    [
      'preferred affinity that does not parse',
      { affinity: { podAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, podAffinityTerm: odd }] } } },
    ],
    ['a request that is no quantity', { cpu: 'much' }],
    ['a negative request', { cpu: '-100' }],
    ['an overhead that is no quantity', { overhead: { memory: '??' } }],
    ['containers that are none', { containers: 7 } as unknown as PodFixture],
  ];
  for (const [what, fixture] of oddities) {
    it(`schedules other pods despite a pod with ${what}, and reports it`, () =>
      withScheduler(async ({ cluster, settle }) => {
        cluster.put('nodes', node('a'), node('odd', { allocatable: { cpu: 'many' } }));
        const placed = pod('odd', { nodeName: 'a', ...fixture });
        cluster.put(
          'pods',
          'containers' in fixture ? ({ ...placed, spec: { nodeName: 'a', ...fixture } } as unknown as Pod) : placed,
        );
        cluster.put('pods', pod('p', { cpu: '1' }), pod('q', { cpu: '3' }), pod('r', { cpu: '1' }));
        await settle();
        assert.deepEqual(
          ['p', 'q', 'r'].map((name) => nodeOf(cluster, name)),
          ['a', 'a', undefined],
        );
        assert.ok(cluster.events.some((event) => event.startsWith('Warning InvalidObject: kube-scheduler leaves this out')));
      }));
  }

  it('refuses a pod whose own affinity does not parse, in upstream’s words', () =>
    withScheduler(async ({ cluster, settle }) => {
      cluster.put('nodes', node('a'));
      cluster.put('pods', pod('p', { affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [odd] } } }));
      await settle();
      assert.match(
        scheduledCondition(cluster.pod('p'))?.message ?? '',
        /parsing pod: requiredAffinityTerms: "Like" is not a valid label selector operator/,
      );
    }));

  it('counts attempts, queues and preemptions under upstream’s names', () =>
    withScheduler(async ({ cluster, scheduler, settle }) => {
      cluster.put('nodes', node('a'));
      cluster.put('pods', pod('q', { cpu: '4', nodeName: 'a', priority: 1 }));
      cluster.put(
        'pods',
        pod('p', { cpu: '4', priority: 5 }),
        pod('w', { cpu: '9' }),
        pod('g', { schedulingGates: [{ name: 'x' }] }),
      );
      await settle();
      cluster.remove('pods', 'default/q');
      await settle();
      const registry = new Registry();
      for (const metric of scheduler.metrics) registry.registerMetric(metric);
      const lines = (await registry.metrics()).split('\n');
      for (const line of [
        'scheduler_schedule_attempts_total{result="scheduled",profile="default-scheduler"} 1',
        'scheduler_scheduling_attempt_duration_seconds_count{result="scheduled",profile="default-scheduler"} 1',
        'scheduler_pod_scheduling_attempts_sum 2',
        'scheduler_pending_pods{queue="gated"} 1',
        'scheduler_pending_pods{queue="active"} 0',
        'scheduler_queue_incoming_pods_total{queue="active",event="PodAdd"} 2',
        'scheduler_queue_incoming_pods_total{queue="gated",event="PodAdd"} 1',
        'scheduler_preemption_attempts_total 1',
        'scheduler_framework_extension_point_duration_seconds_count{extension_point="Bind",status="Success",profile="default-scheduler"} 1',
        'scheduler_framework_extension_point_duration_seconds_count{extension_point="PostFilter",status="Success",profile="default-scheduler"} 1',
        'scheduler_framework_extension_point_duration_seconds_count{extension_point="PostFilter",status="Unschedulable",profile="default-scheduler"} 2',
        'scheduler_framework_extension_point_duration_seconds_count{extension_point="PreFilter",status="Success",profile="default-scheduler"} 4',
        'scheduler_framework_extension_point_duration_seconds_count{extension_point="Filter",status="Success",profile="default-scheduler"} 4',
        'scheduler_plugin_evaluation_total{plugin="NodeResourcesFit",extension_point="PreFilter",profile="default-scheduler"} 4',
        'scheduler_plugin_execution_duration_seconds_count{plugin="NodeResourcesFit",extension_point="Filter",status="Unschedulable"} 2',
        'scheduler_event_handling_duration_seconds_count{event="NodeAdd"} 1',
        'scheduler_preemption_victims_sum 1',
        'scheduler_preemption_goroutines_execution_total{result="success"} 1',
        'scheduler_queue_incoming_pods_total{queue="backoff",event="AssignedPodDelete"} 2',
        'scheduler_scheduling_algorithm_duration_seconds_count 1',
        'scheduler_pod_scheduling_sli_duration_seconds_count{attempts="2"} 1',
        'scheduler_unschedulable_pods{plugin="NodeResourcesFit",profile="default-scheduler"} 1',
        'scheduler_cache_size{type="nodes"} 1',
        'scheduler_cache_size{type="pods"} 1',
        'scheduler_cache_size{type="assumed_pods"} 0',
        'scheduler_goroutines{operation="binding"} 0',
      ])
        assert.ok(lines.includes(line), `${line}, in:\n${lines.filter((one) => !one.startsWith('#')).join('\n')}`);
    }));

  it('schedules pods of each of its profiles by that profile, and of no other', async () => {
    const cluster = new FakeCluster();
    const clock = new FakeClock();
    const log = pino({ level: 'silent' });
    const { profiles } = parseConfiguration(`apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
- schedulerName: spreads
- schedulerName: packs
  plugins: {postFilter: {disabled: [{name: "*"}]}}
  pluginConfig: [{name: NodeResourcesFit, args: {scoringStrategy: {type: MostAllocated}}}]
`);
    const scheduler = createScheduler(
      {
        client: cluster.client,
        informers: cluster.informers,
        clock,
        random: () => 0,
        log,
        events: cluster.recorder,
        leftOut: createLeftOutReporter({ events: cluster.recorder, log }),
      },
      { profiles: profiles.map(createProfile) },
    );
    const abort = new AbortController();
    const running = scheduler.run(abort.signal);
    cluster.put('nodes', node('a'), node('b'));
    cluster.put('pods', pod('q', { cpu: '2', memory: '4Gi', nodeName: 'a' }));
    const of = (schedulerName: string, cpu = '1') => ({ schedulerName, cpu, memory: '1Gi', priority: 5 });
    cluster.put('pods', pod('p1', of('spreads')), pod('p2', of('packs')), pod('p3', of('others')), pod('p4', of('packs', '4')));
    await clock.advance(0);
    assert.deepEqual(
      ['p1', 'p2', 'p3', 'p4'].map((name) => nodeOf(cluster, name)),
      ['b', 'a', undefined, undefined],
    );
    assert.equal(
      scheduledCondition(cluster.pod('p4'))?.message,
      '0/2 nodes are available: 2 Insufficient cpu. no new claims to deallocate',
      'without preemption, which its profile has disabled',
    );
    abort.abort();
    await running;
  });

  it('remembers the last decisions only', async () => {
    const cluster = new FakeCluster();
    const clock = new FakeClock();
    const deps = {
      client: cluster.client,
      informers: cluster.informers,
      clock,
      random: () => 0,
      log: pino({ level: 'silent' }),
      events: cluster.recorder,
      leftOut: createLeftOutReporter({ events: cluster.recorder, log: pino({ level: 'silent' }) }),
    };
    const scheduler = createScheduler(deps, { rememberedDecisions: 2 });
    const abort = new AbortController();
    const running = scheduler.run(abort.signal);
    cluster.put('nodes', node('a'));
    cluster.put('pods', pod('p'), pod('q'), pod('r'));
    await clock.advance(0);
    assert.deepEqual(
      scheduler.decisions().map(({ pod: { name } }) => name),
      ['q', 'r'],
    );
    abort.abort();
    await running;
  });
});
