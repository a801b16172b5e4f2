import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { CgroupLimits } from './cgroup.ts';
import { cgroupsOf, detectHierarchy, limitFiles, sharesToWeight } from './cgroup.ts';
import { parseMountInfo } from './mount.ts';

const v1 = `30 20 0:26 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct
31 20 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
32 20 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd`;
const unified = '33 20 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw';

describe('cgroup hierarchy', () => {
  it('is version 1 when the memory controller has a version 1 mount, even beside a version 2 mount', () => {
    const hierarchy = detectHierarchy(parseMountInfo(`${v1}\n${unified}`));
    assert.ok(hierarchy.version === 1);
    assert.deepEqual(Object.fromEntries(hierarchy.mountPoints), {
      cpu: '/sys/fs/cgroup/cpu,cpuacct',
      cpuacct: '/sys/fs/cgroup/cpu,cpuacct',
      memory: '/sys/fs/cgroup/memory',
      systemd: '/sys/fs/cgroup/systemd',
    });
    assert.deepEqual(hierarchy.others, ['/sys/fs/cgroup/unified']);
  });
  it('removes groups from every mount, also from those that only the runtime uses', async () => {
    const root = mkdtempSync(join(tmpdir(), 'tinker-cgroup-'));
    try {
      for (const mount of ['memory', 'unified']) mkdirSync(join(root, mount, 'pods/pod1/container'), { recursive: true });
      const mountPoints = new Map([['memory', join(root, 'memory')]]);
      await cgroupsOf({ version: 1, mountPoints, others: [join(root, 'unified')] }).remove('/pods/pod1');
      for (const mount of ['memory', 'unified']) assert.deepEqual(readdirSync(join(root, mount, 'pods')), []);
    } finally {
      rmSync(root, { recursive: true });
    }
  });
  it('is version 2 otherwise', () =>
    assert.deepEqual(detectHierarchy(parseMountInfo(unified)), { version: 2, root: '/sys/fs/cgroup/unified' }));
  it('says what is missing when no hierarchy is mounted', () =>
    assert.throws(() => detectHierarchy([]), /no cgroup hierarchy is mounted/));
});

describe('mountinfo', () => {
  it('unescapes spaces', () => assert.equal(parseMountInfo('1 2 0:3 / /a\\040b rw - tmpfs tmpfs rw')[0]?.mountPoint, '/a b'));
  it('finds the separator after any number of optional fields', () => {
    assert.deepEqual(parseMountInfo('1 2 0:3 /r /m rw shared:1 master:2 - ext4 /dev/sda rw,x')[0], {
      root: '/r',
      mountPoint: '/m',
      fsType: 'ext4',
      source: '/dev/sda',
      superOptions: ['rw', 'x'],
    });
  });
});

describe('cgroup limits', () => {
  const weights: [number, number][] = [
    [2, 1],
    [102, 4],
    [1024, 39],
    [262_144, 10_000],
    [0, 1],
  ];
  for (const [shares, weight] of weights)
    it(`writes ${shares} shares as weight ${weight}`, () => assert.equal(sharesToWeight(shares), weight));

  const limits: CgroupLimits = { cpuShares: 1024, cpuQuotaUs: 50_000, cpuPeriodUs: 100_000, memoryBytes: 64, pids: -1 };
  it('become files of version 1', () => {
    assert.deepEqual(limitFiles(1, limits), [
      ['cpu', 'cpu.shares', '1024'],
      ['cpu', 'cpu.cfs_period_us', '100000'],
      ['cpu', 'cpu.cfs_quota_us', '50000'],
      ['memory', 'memory.limit_in_bytes', '64'],
      ['pids', 'pids.max', 'max'],
    ]);
  });
  it('become files of version 2', () => {
    assert.deepEqual(limitFiles(2, limits), [
      ['cpu', 'cpu.weight', '39'],
      ['cpu', 'cpu.max', '50000 100000'],
      ['memory', 'memory.max', '64'],
      ['pids', 'pids.max', 'max'],
    ]);
  });
  it('can be removed', () =>
    assert.deepEqual(limitFiles(2, { memoryBytes: -1, cpuQuotaUs: -1 }), [
      ['cpu', 'cpu.max', 'max 100000'],
      ['memory', 'memory.max', 'max'],
    ]));
  it('leave absent limits unchanged', () => assert.deepEqual(limitFiles(1, {}), []));
});
