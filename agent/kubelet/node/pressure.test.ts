import assert from 'node:assert/strict';
import { mkdtemp, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { execFile } from '#agent/host/exec.ts';
import { readFilesystemUsage } from '#agent/host/proc.ts';
import { FakeClock } from '#client/clock.ts';
import { createPressures, defaultThresholds, type NodeReadings, type Shortage, shortages, thresholdMessage } from './pressure.ts';

const disk = { capacityBytes: 1000, availableBytes: 500, inodes: 1000, inodesFree: 500 };
const fine: NodeReadings = { memoryAvailableBytes: 2 ** 30, nodefs: disk, imagefs: disk, pids: { max: 1000, running: 10 } };
const textOf = (list: readonly Shortage[]): string =>
  list.map(({ condition, resource }) => `${condition} ${resource}`).join(', ');

describe('what a node is short of', () => {
  it('is told without a promise of what nobody does', () => {
    const message = thresholdMessage({ condition: 'DiskPressure', resource: 'inodes' });
    assert.match(message, /low on resource: inodes/);
    assert.doesNotMatch(message, /reclaim/);
  });
  const cases: [string, Partial<NodeReadings>, string][] = [
    ['nothing', {}, ''],
    ['room for its own files', { nodefs: { ...disk, availableBytes: 99 } }, 'DiskPressure ephemeral-storage'],
    ['room for images', { imagefs: { ...disk, availableBytes: 149 } }, 'DiskPressure ephemeral-storage'],
    ['files', { nodefs: { ...disk, inodesFree: 49 } }, 'DiskPressure inodes'],
    ['nothing: its filesystem does not count files', { nodefs: { ...disk, inodes: 0, inodesFree: 0 } }, ''],
    [
      'memory before all else',
      { memoryAvailableBytes: 1, nodefs: { ...disk, availableBytes: 0 } },
      'MemoryPressure memory, DiskPressure ephemeral-storage',
    ],
  ];
  for (const [name, readings, expected] of cases)
    it(name, () => assert.equal(textOf(shortages({ ...fine, ...readings }, defaultThresholds)), expected));

  it('is read from a real filesystem that fills up', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'full-disk-'));
    await execFile(['mount', '-t', 'tmpfs', '-o', 'size=1m,nr_inodes=100', 'tmpfs', folder]);
    const read = async (): Promise<string> =>
      textOf(shortages({ ...fine, nodefs: await readFilesystemUsage(folder) }, defaultThresholds));
    try {
      assert.equal(await read(), '');
      for (let count = 0; count < 97; count++) await writeFile(join(folder, `${count}`), '');
      assert.equal(await read(), 'DiskPressure inodes');
      await assert.rejects(writeFile(join(folder, '0'), Buffer.alloc(2 ** 21)), { code: 'ENOSPC' });
      assert.equal(await read(), 'DiskPressure ephemeral-storage, DiskPressure inodes');
    } finally {
      await execFile(['umount', folder]);
      await rmdir(folder);
    }
  });
});

describe('a pressure', () => {
  it('begins at once, and ends when its period has passed without another shortage', async () => {
    const clock = new FakeClock();
    const pressures = createPressures(clock, 300_000);
    const short: Shortage[] = [{ condition: 'DiskPressure', resource: 'inodes' }];
    assert.deepEqual([...pressures([])], []);
    assert.deepEqual([...pressures(short)], ['DiskPressure']);
    await clock.advance(200_000);
    assert.deepEqual([...pressures(short)], ['DiskPressure']);
    await clock.advance(299_000);
    assert.deepEqual([...pressures([])], ['DiskPressure']);
    await clock.advance(1_000);
    assert.deepEqual([...pressures([])], []);
  });
});
