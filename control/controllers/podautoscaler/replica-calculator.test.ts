/** The cases of upstream's `replica_calculator_test.go`, in words of our own. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Pod } from '#api/types.generated.ts';
import { maxInt32, maxInt64 } from './milli-values.ts';
import {
  type PodMetric,
  replicasForAverage,
  replicasForShare,
  replicasForUtilization,
  replicasForValue,
  sumOf,
} from './replica-calculator.ts';

const nowMs = Date.parse('2026-01-01T01:00:00Z');
const at = (secondsAgo: number): string => new Date(nowMs - secondsAgo * 1000).toISOString();
const tolerances = { up: 0.1, down: 0.1 };

type State = 'ready' | 'unready' | 'neverReady' | 'pending' | 'failed' | 'deleted' | 'starting' | 'noConditions';

/** @param cpu what its one container requests; undefined: nothing */
function pod(name: string, state: State, cpu: string | undefined = '1'): Pod {
  const started = state === 'starting' ? 20 : 3000;
  const isReady = state !== 'unready' && state !== 'neverReady';
  // Never ready: nothing has changed since it was started.
  const changed = state === 'neverReady' ? started : state === 'starting' ? 5 : 100;
  const status = {
    phase: state === 'pending' ? 'Pending' : state === 'failed' ? 'Failed' : 'Running',
    startTime: at(started),
    ...(state === 'noConditions'
      ? {}
      : { conditions: [{ type: 'Ready', status: isReady ? 'True' : 'False', lastTransitionTime: at(changed) }] }),
  };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, ...(state === 'deleted' ? { deletionTimestamp: at(1) } : {}) },
    spec: { containers: [{ name: 'c', resources: cpu === undefined ? {} : { requests: { cpu } } }] },
    status,
  } as unknown as Pod;
}
const podsIn = (states: readonly State[], cpu?: string): Pod[] => states.map((state, index) => pod(`pod-${index}`, state, cpu));
const facts = (pods: readonly Pod[]) => ({ pods, nowMs, cpuInitializationPeriodMs: 120_000, initialReadinessDelayMs: 10_000 });
/** By index; undefined: no metric. */
const metricsOf = (values: readonly (number | undefined)[]): Map<string, PodMetric> =>
  new Map(
    values.flatMap((value, index): [string, PodMetric][] =>
      value === undefined ? [] : [[`pod-${index}`, { value: BigInt(value), timestampMs: nowMs - 1000, windowMs: 60_000 }]],
    ),
  );

interface Case {
  name: string;
  current: number;
  target: number;
  states: readonly State[];
  values: readonly (number | undefined)[];
  wanted: number;
  utilization?: number;
}
const ready = (count: number): State[] => Array.from({ length: count }, () => 'ready');

describe('a share of what pods request', () => {
  const cases: Case[] = [
    { name: 'goes up', current: 3, target: 30, states: ready(3), values: [300, 500, 700], wanted: 5, utilization: 50 },
    {
      name: 'goes up less while pods are not ready',
      current: 3,
      target: 30,
      states: ['neverReady', 'ready', 'ready'],
      values: [300, 500, 700],
      wanted: 4,
      utilization: 60,
    },
    {
      name: 'does not go up when all of the rest would be idle',
      current: 3,
      target: 30,
      states: ['ready', 'neverReady', 'neverReady'],
      values: [400, 500, 700],
      wanted: 3,
      utilization: 40,
    },
    {
      name: 'counts pods that start, too, as idle',
      current: 3,
      target: 30,
      states: ['starting', 'ready', 'ready'],
      values: [300, 500, 700],
      wanted: 4,
      utilization: 60,
    },
    {
      name: 'does not count failed pods',
      current: 2,
      target: 30,
      states: ['ready', 'ready', 'failed', 'failed'],
      values: [500, 700],
      wanted: 4,
      utilization: 60,
    },
    {
      name: 'does not count deleted pods',
      current: 2,
      target: 30,
      states: ['ready', 'ready', 'deleted', 'deleted'],
      values: [500, 700],
      wanted: 4,
      utilization: 60,
    },
    {
      name: 'goes down',
      current: 5,
      target: 50,
      states: ready(5),
      values: [100, 300, 500, 250, 250],
      wanted: 3,
      utilization: 28,
    },
    {
      name: 'goes down without regard to pods that are not ready',
      current: 5,
      target: 50,
      states: ['ready', 'ready', 'ready', 'neverReady', 'neverReady'],
      values: [100, 300, 500, 250, 250],
      wanted: 2,
      utilization: 30,
    },
    {
      name: 'counts a pod that was ready once',
      current: 5,
      target: 50,
      states: ['ready', 'ready', 'ready', 'unready', 'unready'],
      values: [100, 300, 500, 250, 250],
      wanted: 3,
      utilization: 28,
    },
    {
      name: 'stays within the tolerance',
      current: 3,
      target: 100,
      states: ready(3),
      values: [1010, 1030, 1020],
      wanted: 3,
      utilization: 102,
    },
    {
      name: 'takes missing pods as fully used on the way down',
      current: 4,
      target: 50,
      states: ready(4),
      values: [100, undefined, 300, 300],
      wanted: 4,
      utilization: 23,
    },
    {
      name: 'takes missing pods as idle on the way up',
      current: 3,
      target: 50,
      states: ready(3),
      values: [1000, 1000, undefined],
      wanted: 4,
      utilization: 100,
    },
    {
      name: 'takes missing pods as used to the target, where that is more than all, on the way down',
      current: 3,
      target: 200,
      states: ready(3),
      values: [1000, 1000, undefined],
      wanted: 2,
      utilization: 100,
    },
    {
      name: 'does not turn round because of missing pods',
      current: 2,
      target: 50,
      states: ready(2),
      values: [1000, undefined],
      wanted: 2,
      utilization: 100,
    },
    {
      name: 'counts pending pods as idle',
      current: 3,
      target: 30,
      states: ['ready', 'ready', 'pending'],
      values: [500, 700],
      wanted: 4,
      utilization: 60,
    },
    {
      name: 'counts a pod without conditions as starting',
      current: 2,
      target: 50,
      states: ['ready', 'noConditions'],
      values: [500, 1000],
      wanted: 2,
      utilization: 50,
    },
  ];
  for (const { name, current, target, states, values, wanted, utilization } of cases)
    it(name, () => {
      const result = replicasForUtilization(current, target, 'cpu', '', metricsOf(values), tolerances, facts(podsIn(states)));
      assert.deepEqual([result.replicas, result.utilization], [wanted, utilization]);
    });

  it('has tolerances for each way', () => {
    const of = (values: number[], tolerance: { up: number; down: number }): number =>
      replicasForUtilization(2, 100, 'cpu', '', metricsOf(values), tolerance, facts(podsIn(ready(2)))).replicas;
    assert.equal(of([1300, 1300], { up: 0.5, down: 0 }), 2);
    assert.equal(of([1300, 1300], { up: 0, down: 0.5 }), 3);
    assert.equal(of([400, 400], { up: 0, down: 0.7 }), 2);
    assert.equal(of([400, 400], { up: 0.7, down: 0 }), 1);
  });

  it('is of one container where it is named, sidecars included', () => {
    const two = pod('pod-0', 'ready');
    two.spec?.containers.push({ name: 'side', resources: { requests: { cpu: '500m' } } });
    if (two.spec !== undefined)
      two.spec.initContainers = [
        { name: 'mesh', restartPolicy: 'Always', resources: { requests: { cpu: '100m' } } },
        { name: 'init' },
      ];
    const of = (container: string) =>
      replicasForUtilization(1, 100, 'cpu', container, metricsOf([400]), tolerances, facts([two])).utilization;
    assert.deepEqual([of(''), of('side'), of('mesh')], [25, 80, 400]);
    assert.throws(() => of('other'), { message: 'container other not found in Pod pod-0' });
  });

  it('is of what the whole pod requests, where it says so', () => {
    const whole = pod('pod-0', 'ready', undefined);
    if (whole.spec !== undefined) whole.spec.resources = { requests: { cpu: '2' } };
    const of = (resource: string) =>
      replicasForUtilization(1, 100, resource, '', metricsOf([400]), tolerances, facts([whole])).utilization;
    assert.equal(of('cpu'), 20);
    assert.throws(() => of('memory'), { message: 'missing pod-level request for memory in Pod pod-0' });
  });

  const failures: [string, State[], (number | undefined)[], string | undefined, string][] = [
    ['there are no pods', [], [1], '1', 'no pods returned by selector while calculating replica count'],
    ['no pod is ready', ['neverReady'], [1], '1', 'did not receive metrics for targeted pods (pods might be unready)'],
    ['there are no metrics', ['ready'], [], '1', 'did not receive metrics for targeted pods (pods might be unready)'],
    ['a container requests nothing', ['ready'], [1], undefined, 'missing request for cpu in container c of Pod pod-0'],
    ['pods request zero', ['ready'], [1], '0', 'no metrics returned matched known pods'],
  ];
  for (const [name, states, values, cpu, message] of failures)
    it(`is not known when ${name}`, () =>
      assert.throws(
        () =>
          replicasForUtilization(
            1,
            50,
            'cpu',
            '',
            metricsOf(values),
            tolerances,
            facts(
              states.map(
                (state, index) =>
                  ({
                    ...pod(`pod-${index}`, state, '1'),
                    ...(cpu === '1'
                      ? {}
                      : { spec: { containers: [{ name: 'c', resources: cpu === undefined ? {} : { requests: { cpu } } }] } }),
                  }) as Pod,
              ),
            ),
          ),
        { message },
      ));
});

describe('an amount per pod', () => {
  const of = (
    current: number,
    target: number,
    states: readonly State[],
    values: readonly (number | undefined)[],
    resource = '',
  ) => {
    const { replicas, usage } = replicasForAverage(
      current,
      BigInt(target),
      resource,
      metricsOf(values),
      tolerances,
      facts(podsIn(states)),
    );
    return [replicas, Number(usage)];
  };
  it('goes up and down', () => {
    assert.deepEqual(of(3, 15_000, ready(3), [20_000, 10_000, 30_000]), [4, 20_000]);
    assert.deepEqual(of(5, 20_000, ready(5), [12_000, 12_000, 12_000, 12_000, 12_000]), [3, 12_000]);
    assert.deepEqual(of(3, 20_000, ready(3), [20_666, 20_666, 20_666]), [3, 20_666]);
  });
  it('does not ask whether pods are ready where it is not CPU', () =>
    assert.deepEqual(of(3, 15_000, ['neverReady', 'ready', 'neverReady'], [50_000, 15_000, 30_000]), [7, 31_666]));
  it('counts pending pods as idle, and missing pods as idle or as at the target', () => {
    assert.deepEqual(of(3, 15_000, ['pending', 'ready', 'pending'], [undefined, 50_000, undefined]), [4, 50_000]);
    assert.deepEqual(of(2, 15_000, ready(2), [60_000, undefined]), [4, 60_000]);
    assert.deepEqual(of(3, 20_000, ready(3), [5000, undefined, 5000]), [2, 5000]);
  });
  it('of memory may be any amount', () => assert.deepEqual(of(1, 1, ['ready'], [8e15], 'memory'), [maxInt32, 8e15]));
});

describe('one amount for all', () => {
  const of = (current: number, usage: bigint, target: bigint, states: readonly State[]): number =>
    replicasForValue(current, usage, target, tolerances, { pods: podsIn(states) }).replicas;
  it('is in proportion to the pods that are ready', () => {
    assert.equal(of(3, 20_000n, 15_000n, ready(3)), 4);
    assert.equal(of(5, 8600n, 4400n, ['ready', 'ready', 'ready', 'unready', 'neverReady']), 6);
    assert.equal(of(4, 1000n, 1001n, ready(4)), 4);
    assert.equal(of(3, 20_000n, 15_000n, ['ready', 'pending', 'pending']), 2);
  });
  it('scales from nothing by the ratio alone', () => assert.equal(of(0, 1000n, 300n, []), 4));
  it('stays within the numbers that there are', () => assert.equal(of(3, maxInt64, 1n, ready(3)), maxInt32));
  it('needs pods', () =>
    assert.throws(() => of(3, 20_000n, 1000n, []), {
      message: 'unable to calculate ready pods: no pods returned by selector while calculating replica count',
    }));
  it('is shared by the pods, where the target is of each', () => {
    assert.deepEqual(replicasForShare(3, 20_000n, 5000n, tolerances), { replicas: 4, usage: 6667n });
    assert.deepEqual(replicasForShare(4, 20_000n, 5000n, tolerances), { replicas: 4, usage: 5000n });
    assert.equal(replicasForShare(0, 20_000n, 5000n, tolerances).replicas, 4);
    assert.deepEqual(replicasForShare(3, maxInt64, 1n, tolerances), { replicas: maxInt32, usage: maxInt64 });
  });
  it('is a sum that does not pass the largest number', () => {
    assert.equal(sumOf([1n, 2n]), 3n);
    assert.equal(sumOf([maxInt64, maxInt64]), maxInt64);
  });
});
