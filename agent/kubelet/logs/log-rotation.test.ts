import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { pino } from 'pino';
import type { ContainerRuntime } from '#agent/runtime/runtime.ts';
import { createLogRotation } from './log-rotation.ts';

describe('log rotation', () => {
  let root: string;
  let folder: string;
  let log: string;
  let reopen: () => void;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'log-rotation-'));
    folder = join(root, 'shop_web_uid-1/c');
    log = join(folder, '0.log');
    mkdirSync(folder, { recursive: true });
    writeFileSync(log, 'x'.repeat(100));
    reopen = () => writeFileSync(log, '');
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  async function rotate(): Promise<void> {
    const runtime = {
      listContainers: async () => [{ id: 'c' }],
      containerStatus: async () => ({ logPath: log }),
      reopenContainerLog: async () => reopen(),
    } as unknown as ContainerRuntime;
    await createLogRotation({ runtime, log: pino({ level: 'silent' }), maxBytes: 100, maxFiles: 4 }).rotate();
  }
  const others = (): string[] => readdirSync(folder).filter((name) => name !== '0.log');
  const old = (second: number, more = ''): string => join(folder, `0.log.20260101-00000${second}${more}`);

  it('puts a full log aside, and has a new one opened', async () => {
    await rotate();
    assert.equal(readFileSync(log, 'utf8'), '');
    assert.equal(others().length, 1);
    assert.match(others()[0] ?? '', /^0\.log\.\d{8}-\d{6}$/);
  });
  it('leaves a log that is not full', async () => {
    writeFileSync(log, 'x'.repeat(99));
    await rotate();
    assert.deepEqual(others(), []);
  });
  it('compresses what was put aside before, and keeps as many files as it may', async () => {
    for (const second of [1, 2]) writeFileSync(old(second, '.gz'), '');
    writeFileSync(old(3), 'third');
    writeFileSync(old(4), 'fourth');
    await rotate();
    const left = others().sort();
    assert.deepEqual(left.slice(0, 2), ['0.log.20260101-000003.gz', '0.log.20260101-000004.gz']);
    assert.equal(left.length, 3);
    assert.equal(gunzipSync(readFileSync(old(4, '.gz'))).toString(), 'fourth');
  });
  it('gives a log its name back when the runtime does not open a new one', async () => {
    reopen = () => {
      throw new Error('no');
    };
    await rotate();
    assert.deepEqual([lstatSync(log).size, others()], [100, []]);
  });
  it('passes over a log that is gone', async () => {
    rmSync(root, { recursive: true });
    await rotate();
  });

  const plants: [string, () => unknown][] = [
    ['a FIFO', () => execFileSync('mkfifo', [old(1)])],
    ['a link to a file of the node', () => symlinkSync(join(root, 'precious'), old(1))],
    ['a link to an endless device', () => symlinkSync('/dev/zero', old(1))],
    ['a folder', () => mkdirSync(old(1))],
    ['a link out as the temporary file', () => (writeFileSync(old(1), ''), symlinkSync(join(root, 'precious'), old(1, '.tmp')))],
    ['a FIFO as the temporary file', () => (writeFileSync(old(1), ''), execFileSync('mkfifo', [old(1, '.tmp')]))],
    [
      'a folder as the compressed file',
      () => {
        writeFileSync(old(1), '');
        mkdirSync(join(old(1, '.gz'), 'full'), { recursive: true });
      },
    ],
    ['a file of a terabyte', () => (writeFileSync(old(1), ''), truncateSync(old(1), 2 ** 40))],
  ];
  for (const [what, plant] of plants) {
    it(`goes on beside ${what} that a container put there`, async () => {
      writeFileSync(join(root, 'precious'), 'precious');
      plant();
      await rotate();
      assert.equal(readFileSync(log, 'utf8'), '');
      assert.equal(readFileSync(join(root, 'precious'), 'utf8'), 'precious');
    });
  }
  for (const [what, plant] of [
    ['a FIFO', (path: string) => execFileSync('mkfifo', [path])],
    ['a link to a large file', (path: string) => symlinkSync(join(root, 'large'), path)],
  ] as const) {
    it(`does nothing with ${what} in the place of a log`, async () => {
      writeFileSync(join(root, 'large'), 'x'.repeat(1000));
      rmSync(log);
      plant(log);
      await rotate();
      assert.deepEqual([others(), readdirSync(root).sort()], [[], ['large', 'shop_web_uid-1']]);
    });
  }
  it('does not go through a link in the place of the folder', async () => {
    renameSync(folder, join(root, 'elsewhere'));
    symlinkSync(join(root, 'elsewhere'), folder);
    await rotate();
    assert.deepEqual(readdirSync(join(root, 'elsewhere')), ['0.log']);
    assert.equal(existsSync(log), true);
  });
});
