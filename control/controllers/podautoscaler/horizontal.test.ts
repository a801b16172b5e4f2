/** Autoscalers in a cluster on a fake clock, over metrics that the test makes. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { JsonObject } from '#api/json.ts';
import type {
  AutoscalingV2HorizontalPodAutoscaler as Autoscaler,
  Deployment,
  AutoscalingV2HorizontalPodAutoscalerSpec as Spec,
} from '#api/types.generated.ts';
import { startWorld, type World } from '../cluster.testing.ts';
import type { MetricsClient } from './metrics-client.ts';
import type { PodMetrics } from './replica-calculator.ts';

const namespace = 'default';

describe('the HorizontalPodAutoscaler controller', { timeout: 240_000 }, () => {
  let world: World;
  /** Milli-cores of each pod; undefined: the metrics API is not served. */
  let cpu: number | undefined = 500;
  const metricsNow = async (): Promise<PodMetrics> => {
    if (cpu === undefined)
      throw new Error(
        'unable to fetch metrics from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)',
      );
    const value = BigInt(cpu);
    const { items } = await world.client.resource('pods').list({ namespace });
    return new Map(items.map(({ metadata }) => [metadata.name, { value, timestampMs: world.clock.now(), windowMs: 15_000 }]));
  };
  const metrics: MetricsClient = {
    resource: metricsNow,
    pods: async () => {
      throw new Error(
        'unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered',
      );
    },
    object: async () => 20_000n,
    external: async () => [10_000n, 30_000n],
  };

  before(async () => {
    world = await startWorld({ horizontal: { metrics, cpuInitializationPeriodMs: 0, initialReadinessDelayMs: 0 } });
    await world.addNode('n1');
  });
  after(() => world.stop());

  const deploy = async (name: string, replicas: number): Promise<void> => {
    await world.client.resource('deployments.apps').create({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, namespace },
      spec: {
        replicas,
        selector: { matchLabels: { app: name } },
        template: {
          metadata: { labels: { app: name } },
          spec: { containers: [{ name: 'c', image: 'i', resources: { requests: { cpu: '1' } } }] },
        },
      },
    } as unknown as Deployment);
    await world.until(`${name} runs`, async () => (await of(name)).status?.readyReplicas === replicas || replicas === 0);
  };
  const of = (name: string): Promise<Deployment> => world.client.resource('deployments.apps').get({ namespace, name });
  const replicasOf = async (name: string): Promise<number | undefined> => (await of(name)).spec.replicas;
  const cpuTarget = (averageUtilization: number): NonNullable<Spec['metrics']> => [
    { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } } },
  ];
  const autoscale = async (name: string, more: Partial<Spec>, kind = 'Deployment'): Promise<void> => {
    await world.client.resource('horizontalpodautoscalers.autoscaling').create({
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: { name, namespace },
      spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind, name }, maxReplicas: 10, ...more },
    } as unknown as Autoscaler);
  };
  const hpa = (name: string): Promise<Autoscaler> =>
    world.client.resource('horizontalpodautoscalers.autoscaling').get({ namespace, name });
  const condition = async (name: string, type: string): Promise<string | undefined> => {
    const found = (await hpa(name)).status?.conditions?.find((one) => one.type === type);
    return found && `${found.status} ${found.reason}: ${found.message}`;
  };
  const says = (name: string, type: string, text: string): Promise<unknown> =>
    world.until(`${name} says ${text}`, async () => (await condition(name, type)) === text, 60);
  const events = async (name: string): Promise<string[]> =>
    (await world.client.resource('events').list({ namespace })).items
      .filter(({ involvedObject }) => involvedObject.kind === 'HorizontalPodAutoscaler' && involvedObject.name === name)
      .map(({ type, reason, message }) => `${type} ${reason} ${message}`);

  it('scales up at once, and down when the window is over, and says why', async () => {
    cpu = 900;
    await deploy('web', 2);
    await autoscale('web', { metrics: cpuTarget(50) });
    await world.until('it is scaled up', async () => (await replicasOf('web')) === 4);
    assert.equal(
      await condition('web', 'ScalingActive'),
      'True ValidMetricFound: the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)',
    );
    const [metric] = (await hpa('web')).status?.currentMetrics ?? [];
    assert.deepEqual(metric, {
      type: 'Resource',
      resource: { name: 'cpu', current: { averageUtilization: 90, averageValue: '900m' } },
    });
    cpu = 100;
    await world.pass(60);
    assert.equal(
      await condition('web', 'AbleToScale'),
      'True ScaleDownStabilized: recent recommendations were higher than current one, applying the highest recent recommendation',
    );
    assert.ok(((await replicasOf('web')) ?? 0) >= 4);
    await world.until('it is scaled down', async () => (await replicasOf('web')) === 1, 400);
    await world.until('the events are there', async () => (await events('web')).length >= 2);
    const told = await events('web');
    assert.ok(
      told.includes(
        'Normal SuccessfulRescale New size: 4; reason: cpu resource utilization (percentage of request) above target',
      ),
      told.join('\n'),
    );
    assert.ok(told.includes('Normal SuccessfulRescale New size: 1; reason: All metrics below target'), told.join('\n'));
    const { lastScaleTime, desiredReplicas } = (await hpa('web')).status ?? {};
    assert.ok(lastScaleTime !== undefined && desiredReplicas === 1);
  });

  it('keeps to its policies and windows', async () => {
    cpu = 5000;
    await deploy('slow', 1);
    const policy = (value: number) => ({ policies: [{ type: 'Pods', value, periodSeconds: 60 }], stabilizationWindowSeconds: 0 });
    await autoscale('slow', { metrics: cpuTarget(50), behavior: { scaleUp: policy(1), scaleDown: policy(2) } });
    await world.until('one more', async () => (await replicasOf('slow')) === 2, 30);
    await says(
      'slow',
      'ScalingLimited',
      'True ScaleUpLimit: the desired replica count is increasing faster than the maximum scale rate',
    );
    await world.pass(30);
    assert.equal(await replicasOf('slow'), 2);
    await world.until('and one more', async () => (await replicasOf('slow')) === 3, 60);
    cpu = 10;
    await world.until('down again', async () => (await replicasOf('slow')) === 1, 30);
  });

  it('keeps between minimum and maximum without asking for metrics', async () => {
    cpu = undefined;
    await deploy('low', 1);
    await autoscale('low', { minReplicas: 3, metrics: cpuTarget(50) });
    await world.until('the minimum', async () => (await replicasOf('low')) === 3, 30);
    await deploy('high', 5);
    await autoscale('high', { maxReplicas: 4, metrics: cpuTarget(50) });
    await world.until('the maximum', async () => (await replicasOf('high')) === 4, 30);
    await world.until('events', async () => (await events('high')).length > 0);
    assert.ok(
      (await events('high')).includes(
        'Normal SuccessfulRescale New size: 4; reason: Current number of replicas above Spec.MaxReplicas',
      ),
    );
  });

  it('does nothing while what it scales is at zero', async () => {
    await deploy('off', 0);
    await autoscale('off', { metrics: cpuTarget(50) });
    await says(
      'off',
      'ScalingActive',
      'False ScalingDisabled: scaling is disabled since the replica count of the target is zero',
    );
    assert.equal(await replicasOf('off'), 0);
  });

  it('says what is missing: metrics, a target, a kind', async () => {
    cpu = undefined;
    await deploy('blind', 2);
    await autoscale('blind', { metrics: cpuTarget(50) });
    const text =
      'failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)';
    await says(
      'blind',
      'ScalingActive',
      `False FailedGetResourceMetric: the HPA was unable to compute the replica count: ${text}`,
    );
    await world.until('events', async () => (await events('blind')).length >= 2);
    const told = await events('blind');
    assert.ok(told.includes(`Warning FailedGetResourceMetric ${text}`), told.join('\n'));
    const all = `invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: ${text}`;
    assert.ok(told.includes(`Warning FailedComputeMetricsReplicas ${all}`), told.join('\n'));
    await autoscale('nothing', { metrics: cpuTarget(50) });
    const unable = "False FailedGetScale: the HPA controller was unable to get the target's current scale:";
    await says('nothing', 'AbleToScale', `${unable} deployments.apps "nothing" not found`);
    await autoscale('odd', { metrics: cpuTarget(50) }, 'Wheel');
    await says('odd', 'AbleToScale', `${unable} no matches for kind "Wheel" in group "apps"`);
  });

  it('scales by pods, objects and numbers from outside, and takes the most', async () => {
    cpu = 500;
    await deploy('mixed', 2);
    const value = (amount: string) => ({ type: 'Value', value: amount });
    const ingress = { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', name: 'main' };
    await autoscale('mixed', {
      behavior: { scaleUp: { stabilizationWindowSeconds: 0 } },
      metrics: [
        ...cpuTarget(50),
        { type: 'Pods', pods: { metric: { name: 'jobs' }, target: { type: 'AverageValue', averageValue: '1' } } },
        { type: 'Object', object: { describedObject: ingress, metric: { name: 'rps' }, target: value('20') } },
        { type: 'External', external: { metric: { name: 'queue' }, target: { type: 'AverageValue', averageValue: '8' } } },
      ],
    });
    // 20 of 20 need no more; 40 in parts of 8 are 5. The metric that is not there keeps nothing from growing.
    await world.until('it is scaled', async () => (await replicasOf('mixed')) === 5, 30);
    assert.match((await condition('mixed', 'ScalingActive')) ?? '', /replica count from external metric queue\(nil\)$/);
    const statuses = (await hpa('mixed')).status?.currentMetrics as unknown as JsonObject[];
    assert.deepEqual(statuses[2], {
      type: 'Object',
      object: { describedObject: ingress, metric: { name: 'rps' }, current: { value: '20' } },
    });
    await world.until('events', async () => (await events('mixed')).length >= 2);
    const missing =
      'unable to get metric jobs: unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered';
    assert.ok((await events('mixed')).includes(`Warning FailedGetPodsMetric ${missing}`));
  });

  it('leaves pods alone that another autoscaler has', async () => {
    cpu = 500;
    await deploy('shared', 2);
    await autoscale('shared', { metrics: cpuTarget(50) });
    await says('shared', 'ScalingActive', (await condition('web', 'ScalingActive')) ?? '');
    await world.client.resource('horizontalpodautoscalers.autoscaling').create({
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: { name: 'second', namespace },
      spec: {
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'shared' },
        maxReplicas: 9,
        metrics: cpuTarget(10),
      },
    } as unknown as Autoscaler);
    const text = 'pods by selector app=shared are controlled by multiple HPAs: [{second default} {shared default}]';
    await says('second', 'ScalingActive', `False AmbiguousSelector: ${text}`);
  });
});
