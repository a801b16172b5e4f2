import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFile, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { LogOptions } from './log-reader.ts';
import { readLog } from './log-reader.ts';
import { readLastLogLines } from './log-tail.ts';

const line = (second: number, text: string, stream = 'stdout', tag = 'F'): string =>
  `2026-01-01T00:00:0${second}.000000000Z ${stream} ${tag} ${text}\n`;

describe('container log', () => {
  let dir: string;
  let path: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'log-reader-'));
    path = join(dir, '0.log');
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  const plain: LogOptions = { follow: false, timestamps: false };
  async function read(options: Partial<LogOptions>, isRunning = async (): Promise<boolean> => false): Promise<string> {
    const parts: Buffer[] = [];
    for await (const part of readLog(path, { ...plain, ...options }, isRunning, new AbortController().signal)) parts.push(part);
    return Buffer.concat(parts).toString('utf8');
  }

  const four = [line(1, 'one'), line(2, 'two', 'stderr'), line(3, 'thr', 'stdout', 'P'), line(3, 'ee'), line(4, '')].join('');
  const cases: [string, Partial<LogOptions>, string][] = [
    ['joins partial lines', {}, 'one\ntwo\nthree\n\n'],
    ['tails lines', { tailLines: 1 }, '\n'],
    ['tails nothing', { tailLines: 0 }, ''],
    ['tails more than there is', { tailLines: 99 }, 'one\ntwo\nthree\n\n'],
    ['begins at a time', { sinceMs: Date.UTC(2026, 0, 1, 0, 0, 3) }, 'three\n\n'],
    ['stops at a number of bytes', { limitBytes: 5 }, 'one\nt'],
    [
      'writes times once per line',
      { timestamps: true, sinceMs: Date.UTC(2026, 0, 1, 0, 0, 3) },
      '2026-01-01T00:00:03.000000000Z three\n2026-01-01T00:00:04.000000000Z \n',
    ],
    ['shows one stream', { stream: 'stderr' }, 'two\n'],
  ];
  for (const [name, options, text] of cases) {
    it(name, async () => {
      await writeFile(path, four);
      assert.equal(await read(options), text);
    });
  }

  it('skips lines that are not of the format', async () => {
    await writeFile(path, `garbage\n${line(1, 'x')}`);
    assert.equal(await read({}), 'x\n');
  });

  it('follows across rotation, to the last line that was written before the container stopped', async () => {
    await writeFile(path, line(1, 'one'));
    const steps = [
      () => appendFile(path, line(2, 'two')),
      async () => {
        await rename(path, `${path}.old`);
        await writeFile(path, line(3, 'three'));
      },
      () => appendFile(path, line(4, 'four')),
    ];
    const running = async (): Promise<boolean> => {
      await steps.shift()?.();
      return steps.length > 0;
    };
    assert.equal(await read({ follow: true }, running), 'one\ntwo\nthree\nfour\n');
  });

  it('watches nothing once it has said that there is no log', async () => {
    await assert.rejects(read({ follow: true }), { code: 'ENOENT' });
    assert.equal(process.getActiveResourcesInfo().includes('FSEventWrap'), false);
  });

  it('leaves out a line that is too long to be one, and goes on behind it', async () => {
    await writeFile(path, `${line(1, 'one')}${line(2, 'x'.repeat(3 * 2 ** 20))}${line(3, 'three')}`);
    assert.equal(await read({}), 'one\nthree\n');
  });

  it('goes on reading what it has open when something else takes its name', async () => {
    await writeFile(path, line(1, 'one'));
    const steps = [
      async () => {
        await rename(path, `${path}.old`);
        execFileSync('mkfifo', [path]);
        await appendFile(`${path}.old`, line(2, 'two'));
      },
      async () => {
        await rm(path);
        await symlink('/dev/zero', path);
        await appendFile(`${path}.old`, line(3, 'three'));
      },
      async () => {
        await rm(path);
        await writeFile(path, line(4, 'four'));
      },
      async () => undefined,
    ];
    const running = async (): Promise<boolean> => {
      await steps.shift()?.();
      return steps.length > 0;
    };
    assert.equal(await read({ follow: true }, running), 'one\ntwo\nthree\nfour\n');
  });

  it('gives its last lines for a termination message', async () => {
    await writeFile(path, Array.from({ length: 9 }, (_, index) => line(index, `line ${index}`)).join(''));
    assert.equal(await readLastLogLines(path, 2, 1000), 'line 7\nline 8\n');
    assert.equal(await readLastLogLines(path, 2, 4), 'e 8\n');
    assert.equal(await readLastLogLines(join(dir, 'none.log'), 2, 4), '');
  });
});
