import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CgroupLimits } from '#agent/host/cgroup.ts';
import type { Pod, ResourceRequirements } from '#api/types.generated.ts';
import { aContainer, aPod, observedContainer } from '../pods.testing.ts';
import { actuateResize, podLimitsToChange } from './actuate-resize.ts';
import { planContainerResize, type ResizePlan } from './resize-plan.ts';

const Mi = 2 ** 20;
const same = (cpu: string, memory: string): ResourceRequirements => ({ requests: { cpu, memory }, limits: { cpu, memory } });

interface Given {
  has: Record<string, ResourceRequirements>;
  wants: Record<string, ResourceRequirements>;
  group?: CgroupLimits;
  usedBytes?: number;
  /** The update that the runtime refuses: `b memory`. */
  refused?: string;
}

/** What is done, in order, and the error. */
async function actuate({
  has,
  wants,
  group,
  usedBytes = 0,
  refused,
}: Given): Promise<{ done: string[]; error: string; recorded: object }> {
  const containers = Object.entries(wants).map(([name, resources]) => aContainer(name, { resources }));
  const pod: Pod = aPod({ containers });
  const plan: ResizePlan = { memory: [], cpu: [] };
  for (const one of containers) planContainerResize(plan, pod, one, observedContainer(one, 'running'), ({ name }) => has[name]);
  const done: string[] = [];
  const recorded: Record<string, unknown> = {};
  const before = new Map<string, string>();
  const current = group ?? { cpuShares: 1024, cpuQuotaUs: 200_000, cpuPeriodUs: 100_000, memoryBytes: 200 * Mi };
  const error = await actuateResize(
    {
      machine: { memoryBytes: 2 ** 32, cgroupVersion: 1 },
      record: (_uid, name, _id, resources) => void (recorded[name] = resources),
      cgroups: {
        read: async () => current,
        update: async (_pod, limits) => void done.push(`pod ${Object.keys(limits).join(' ')}`),
        usedMemoryBytes: async () => usedBytes,
      },
      runtime: {
        containerStats: async () => ({ memory: { usageBytes: usedBytes } }) as never,
        updateContainerResources: async (id, { memoryLimitInBytes, cpuQuota }) => {
          const name = id.split('-')[0] ?? '';
          const text = `${memoryLimitInBytes} ${cpuQuota}`;
          const which = before.has(name) || plan.memory.every(({ container }) => container.name !== name) ? 'cpu' : 'memory';
          before.set(name, text);
          if (refused === `${name} ${which}`) throw new Error('the runtime refuses');
          done.push(`${name} ${which} ${text}`);
        },
      },
    },
    pod,
    plan,
  ).then(
    () => '',
    (reason: unknown) => (reason as Error).message,
  );
  return { done, error, recorded };
}

describe('carrying out a resize', () => {
  it('widens the pod first, then gives memory, then CPU', async () => {
    const { done, error } = await actuate({ has: { a: same('1', '100Mi') }, wants: { a: same('3', '300Mi') } });
    assert.equal(error, '');
    assert.deepEqual(done, [
      'pod memoryBytes',
      `a memory ${300 * Mi} 100000`,
      'pod cpuPeriodUs cpuQuotaUs',
      'pod cpuShares',
      `a cpu ${300 * Mi} 300000`,
    ]);
  });

  it('narrows the pod last', async () => {
    const { done } = await actuate({ has: { a: same('2', '200Mi') }, wants: { a: same('500m', '50Mi') } });
    assert.deepEqual(done, [
      `a memory ${50 * Mi} 200000`,
      'pod memoryBytes',
      `a cpu ${50 * Mi} 50000`,
      'pod cpuShares',
      'pod cpuPeriodUs cpuQuotaUs',
    ]);
  });

  it('does not take away what is in use', async () => {
    const { done, error } = await actuate({
      has: { a: same('2', '200Mi') },
      wants: { a: same('2', '50Mi') },
      usedBytes: 60 * Mi,
    });
    assert.deepEqual(done, []);
    assert.equal(
      error,
      `cannot decrease memory limits: [attempting to set pod memory limit (${50 * Mi}) below current usage (${60 * Mi}), ` +
        `attempting to set container "a" memory limit (${50 * Mi}) below current usage (${60 * Mi})]`,
    );
  });

  it('stops where the runtime refuses, and knows what was done', async () => {
    const { done, error, recorded } = await actuate({
      has: { a: same('1', '100Mi'), b: same('1', '100Mi') },
      wants: { a: same('1', '50Mi'), b: same('1', '200Mi') },
      group: { cpuShares: 2048, cpuQuotaUs: 200_000, cpuPeriodUs: 100_000, memoryBytes: 250 * Mi },
      refused: 'b memory',
    });
    assert.equal(error, 'the runtime refuses');
    assert.deepEqual(done, [`a memory ${50 * Mi} 100000`]);
    assert.deepEqual(recorded, {
      a: same('1', '50Mi'),
    });
  });

  it('gives absurd amounts without a fault of its own', async () => {
    const { error } = await actuate({ has: { a: same('1', '1Mi') }, wants: { a: same('9E', '9E') } });
    assert.equal(error, '');
  });
});

describe('the limits of a pod', () => {
  const pod = aPod({ containers: [aContainer('a', { resources: same('500m', '50Mi') })] });
  const right = { cpuShares: 512, cpuQuotaUs: 50_000, cpuPeriodUs: 100_000, memoryBytes: 50 * Mi };
  const cases: [what: string, current: CgroupLimits | undefined, version: 1 | 2, changes: string[]][] = [
    ['are left alone where they are right', right, 1, []],
    ['are left alone where the group is gone', undefined, 1, []],
    ['are compared in the kernel’s pages', { ...right, memoryBytes: 50 * Mi + 4095 }, 1, []],
    ['are compared in weights', { ...right, cpuShares: 511 }, 2, []],
    ['are written one by one', { ...right, cpuShares: 600, memoryBytes: -1 }, 1, ['cpuShares', 'memoryBytes']],
  ];
  for (const [what, current, version, changes] of cases)
    it(what, () => assert.deepEqual(Object.keys(podLimitsToChange(pod, current, version)), changes));
});
