import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { qosClass } from '#api/pod/qos.ts';
import type { Container, Pod } from '#api/types.generated.ts';
import { aContainer, aPod } from '../pods.testing.ts';
import { containerResources, cpuQuotaUs, cpuShares, oomScoreAdjust, podCgroup, podCgroupLimits } from './resources.ts';

const Gi = 2 ** 30;
const Mi = 2 ** 20;
type Lists = { requests?: Record<string, string>; limits?: Record<string, string> };
const withResources = (resources: Lists, more: Partial<Container> = {}): Container => aContainer('c', { resources, ...more });
const podOf = (resources: Lists, ...others: Container[]): Pod => aPod({ containers: [withResources(resources), ...others] });
const guaranteed: Lists = { requests: { cpu: '500m', memory: '64Mi' }, limits: { cpu: '500m', memory: '64Mi' } };

describe('cgroup numbers', () => {
  const shares: [number, number][] = [
    [0, 2],
    [1, 2],
    [100, 102],
    [1000, 1024],
    [1_000_000, 262_144],
  ];
  for (const [millis, expected] of shares)
    it(`gives ${millis}m CPU ${expected} shares`, () => assert.equal(cpuShares(millis), expected));
  const quotas: [number, number][] = [
    [0, 0],
    [5, 1000],
    [100, 10_000],
    [2500, 250_000],
  ];
  for (const [millis, expected] of quotas)
    it(`limits ${millis}m CPU to ${expected} µs of 100 ms`, () => assert.equal(cpuQuotaUs(millis), expected));
});

describe('pod cgroup', () => {
  it('weighs best-effort pods least', () => assert.deepEqual(podCgroupLimits(podOf({})), { cpuShares: 2 }));
  it('limits a pod only where all its containers are limited', () => {
    assert.deepEqual(podCgroupLimits(podOf(guaranteed)), {
      cpuShares: 512,
      cpuPeriodUs: 100_000,
      cpuQuotaUs: 50_000,
      memoryBytes: 64 * Mi,
    });
    assert.deepEqual(podCgroupLimits(podOf(guaranteed, aContainer('d', { resources: { limits: { memory: '64Mi' } } }))), {
      cpuShares: 512,
      memoryBytes: 128 * Mi,
    });
  });
  const paths: [Pod, string][] = [
    [podOf(guaranteed), '/lab/kubepods/poduid-1'],
    [podOf({ requests: { cpu: '1' } }), '/lab/kubepods/burstable/poduid-1'],
    [podOf({}), '/lab/kubepods/besteffort/poduid-1'],
  ];
  for (const [pod, path] of paths) it(`of a ${qosClass(pod)} pod is ${path}`, () => assert.equal(podCgroup('/lab', pod), path));
});

describe('out-of-memory score', () => {
  const score = (resources: Lists, priority?: number, priorityClassName = 'system-node-critical'): number => {
    const pod = podOf(resources);
    return oomScoreAdjust(
      priority === undefined ? pod : { ...pod, spec: { ...pod.spec, priority, priorityClassName } },
      withResources(resources),
      4 * Gi,
    );
  };
  it('spares guaranteed pods and those that the node needs', () => {
    assert.deepEqual([score(guaranteed), score({}, 2_000_001_000)], [-997, -997]);
    const others = [score({}, 2_000_000_000, 'system-cluster-critical'), score({}, 1)];
    assert.deepEqual(others, [1000, 1000]);
  });
  it('takes best-effort pods first', () => assert.equal(score({}), 1000));
  it('ranks burstable pods by their share of memory', () => assert.equal(score({ requests: { memory: '1Gi' } }), 750));
  it('keeps burstable pods between the others', () =>
    assert.deepEqual([score({ requests: { cpu: '1' } }), score({ requests: { memory: '4Gi' } })], [999, 3]));
});

describe('container resources', () => {
  const machine = { memoryBytes: 4 * Gi, cgroupVersion: 1 as const };
  it('weigh a container by its limit where it requests nothing', () =>
    assert.equal(containerResources(podOf({}), withResources({ limits: { cpu: '2' } }), machine).cpuShares, 2048));
  it('forbid swap and kill as one on v2 only', () => {
    const limited = withResources({ limits: { memory: '64Mi' } });
    const v1 = containerResources(podOf({}), limited, machine);
    const v2 = containerResources(podOf({}), limited, { ...machine, cgroupVersion: 2 });
    assert.deepEqual([v1.memoryLimitInBytes, v1.memorySwapLimitInBytes, v1.unified], [64 * Mi, undefined, undefined]);
    assert.deepEqual([v2.memorySwapLimitInBytes, v2.unified], [64 * Mi, { 'memory.oom.group': '1' }]);
  });
});
