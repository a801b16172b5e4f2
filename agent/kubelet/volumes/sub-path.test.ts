/** Single paths of a volume on a real file system, with real mounts, while another process plants links. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { execFile } from '#agent/host/exec.ts';
import { createMounts } from '#agent/host/mount.ts';
import { Folder } from '#agent/host/safe-open.ts';
import { writeAtomically } from './atomic-writer.ts';
import { bindSubPath, openSubPath, SubPathCreateError } from './sub-path.ts';

const mounts = createMounts(execFile);
let root: string;
let volume: string;
let outside: string;
const target = (): string => join(root, 'pods/uid/volume-subpaths/v/c/0');
const bind = (subPath: string): Promise<void> =>
  bindSubPath(mounts, { volumePath: volume, subPath, podsDir: join(root, 'pods'), target: target() });

function makeFolders(): void {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'sub-path-')));
  [volume, outside] = [join(root, 'volume'), join(root, 'outside')];
  for (const path of [volume, outside, join(root, 'pods')]) mkdirSync(path);
}
async function removeFolders(): Promise<void> {
  await mounts.unmountBelow(root);
  rmSync(root, { recursive: true, force: true });
}

describe('a path within a volume', () => {
  beforeEach(makeFolders);
  afterEach(removeFolders);

  it('is made with the modes of the volume, whatever the umask', async () => {
    chmodSync(volume, 0o2777);
    await bind('a/b');
    for (const path of ['a', 'a/b']) assert.equal(statSync(join(volume, path)).mode & 0o7777, 0o2777);
    writeFileSync(join(target(), 'x'), 'x');
    assert.equal(existsSync(join(volume, 'a/b/x')), true);
  });

  const found: [string, () => void, string, string][] = [
    ['a file', () => writeFileSync(join(volume, 'f'), 'own'), 'f', 'own'],
    ['a file through doubled slashes and dots', () => writeFileSync(join(volume, 'f'), 'own'), './/f', 'own'],
    [
      'a file through links within the volume',
      () => {
        mkdirSync(join(volume, 'd/e'), { recursive: true });
        writeFileSync(join(volume, 'd/f'), 'own');
        symlinkSync('d/e', join(volume, 'l'));
        symlinkSync('../../d/f', join(volume, 'd/e/up'));
        symlinkSync(join(volume, 'd/e/up'), join(volume, 'absolute'));
      },
      'absolute',
      'own',
    ],
  ];
  for (const [what, prepare, subPath, text] of found) {
    it(`can be ${what}`, async () => {
      prepare();
      await bind(subPath);
      assert.equal(readFileSync(target(), 'utf8'), text);
    });
  }

  it('can be the volume itself', async () => {
    writeFileSync(join(volume, 'f'), 'x');
    await bind('.');
    assert.deepEqual(readdirSync(target()), ['f']);
  });

  for (const [what, plant] of [
    ['a FIFO', (path: string) => execFileSync('mkfifo', [path])],
    ['a device', (path: string) => execFileSync('mknod', [path, 'c', '1', '3'])],
  ] as const) {
    it(`is handed on as it is when it is ${what}`, async () => {
      plant(join(volume, 'x'));
      await bind('x');
      assert.equal(statSync(target()).ino, statSync(join(volume, 'x')).ino);
    });
  }

  const refused: [string, (() => void) | undefined, string, RegExp | typeof SubPathCreateError][] = [
    ['goes up', undefined, '../outside', /not within volume path/],
    ['goes up in the middle', () => mkdirSync(join(volume, 'a')), 'a/../../outside', /not within volume path/],
    ['is a link that leads up', () => symlinkSync('../outside', join(volume, 'l')), 'l', /not within volume path/],
    ['is a link to an absolute path', () => symlinkSync(outside, join(volume, 'l')), 'l', /not within volume path/],
    [
      'is a link to a folder with a similar name',
      () => symlinkSync(`${volume}2`, join(volume, 'l')),
      'l',
      /not within volume path/,
    ],
    ['has such a link in the middle', () => symlinkSync('../outside', join(volume, 'l')), 'l/new', /not within volume path/],
    ['is a link to what is not there', () => symlinkSync('none/x', join(volume, 'l')), 'l', SubPathCreateError],
    ['is a link to itself', () => symlinkSync('l', join(volume, 'l')), 'l', /too many levels of symbolic links/],
    ['goes through a file', () => writeFileSync(join(volume, 'f'), ''), 'f/x', /is a regular file, not a folder/],
  ];
  for (const [what, prepare, subPath, error] of refused) {
    it(`is refused when it ${what}`, async () => {
      prepare?.();
      await assert.rejects(bind(subPath), error);
      assert.deepEqual(readdirSync(outside), []);
      assert.deepEqual(await mounts.list().then((list) => list.filter(({ mountPoint }) => mountPoint.startsWith(root))), []);
    });
  }

  it('is mounted once, and anew when it has become another file', async () => {
    const ours = async (): Promise<number> =>
      (await mounts.list()).filter(({ mountPoint }) => mountPoint.startsWith(root)).length;
    await using folder = await Folder.open(volume);
    const write = (text: string): Promise<boolean> =>
      writeAtomically(folder, new Map([['k', { data: Buffer.from(text), mode: 0o644 }]]));
    await write('old');
    await bind('k');
    const { ino } = statSync(target());
    await bind('k');
    assert.deepEqual([statSync(target()).ino, await ours()], [ino, 1]);
    await write('new');
    // What is mounted is deleted now: no container could start with it.
    assert.equal(statSync(target()).nlink, 0);
    await bind('k');
    assert.deepEqual([readFileSync(target(), 'utf8'), await ours()], ['new', 1]);
  });

  it('is mounted anew when a folder has taken the place of a file, and the other way round', async () => {
    writeFileSync(join(volume, 'x'), 'file');
    await bind('x');
    unlinkSync(join(volume, 'x'));
    mkdirSync(join(volume, 'x'));
    await bind('x');
    assert.equal(statSync(target()).isDirectory(), true);
    renameSync(join(volume, 'x'), join(volume, 'y'));
    writeFileSync(join(volume, 'x'), 'file again');
    await bind('x');
    assert.equal(readFileSync(target(), 'utf8'), 'file again');
  });
});

describe('a path within a volume where folders and links out of it take turns', () => {
  let flipper: ChildProcess;
  before(async () => {
    makeFolders();
    mkdirSync(join(volume, 'a/b'), { recursive: true });
    // As fast as it can, until it is ended: `a`, then `a/b`, is a folder, a link out of the volume, a folder.
    const script = `const { mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync } = require('node:fs');
// The other side makes folders meanwhile: any step may fail.
const attempt = (step, ...args) => { try { step(...args); } catch (error) { if (error.code === undefined) throw error; } };
process.chdir(${JSON.stringify(volume)});
process.stdout.write('ready');
for (let turn = 0; ; turn++) for (const name of ['a', 'a/b']) {
  attempt(renameSync, name, '../away');
  attempt(symlinkSync, ${JSON.stringify(outside)}, name);
  attempt(unlinkSync, name);
  if (turn % 50 !== 0) attempt(renameSync, '../away', name);
  attempt(rmSync, '../away', { recursive: true });
  attempt(mkdirSync, name);
}`;
    flipper = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(flipper.stdout ?? assert.fail(), 'data');
  });
  after(async () => {
    assert.equal(flipper.exitCode, null, 'the flipper did not last');
    flipper.kill('SIGKILL');
    await once(flipper, 'exit');
    await removeFolders();
  });

  /** False when it met a link, or nothing, or something else than the moment before. */
  const settled = async (work: Promise<unknown>): Promise<boolean> =>
    work.then(
      () => true,
      (error: unknown) => {
        if (error instanceof assert.AssertionError) throw error;
        return false;
      },
    );

  // On a busy machine the flipper may stand still for longer than all the tries take, with a link in its place: go on until it moves.
  it('is never made outside of it, in 2,000 tries', { timeout: 120_000 }, async () => {
    let made = 0;
    for (let index = 0; index < 2000 || made === 0; index += 8) {
      const opened = Array.from({ length: 8 }, async (_, more) => {
        await using held = await openSubPath(volume, `a/b/new-${index + more}/deep`);
        assert.ok(!readlinkSync(held.at).startsWith(outside), readlinkSync(held.at));
      });
      made += (await Promise.all(opened.map(settled))).filter((done) => done).length;
      assert.deepEqual(readdirSync(outside), []);
    }
  });

  it('is never mounted from outside of it', { timeout: 120_000 }, async () => {
    writeFileSync(join(outside, 'secret'), 'secret');
    let mounted = 0;
    for (let index = 0; index < 40 || mounted === 0; index++) {
      if (!(await settled(bind('a/b')))) continue;
      mounted++;
      assert.equal(existsSync(join(target(), 'secret')), false);
      await mounts.unmountBelow(target());
    }
  });
});
