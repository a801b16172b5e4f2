/** Tests with real mounts in a temporary folder. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { mountDead, noDeadMounts } from './dead-mount.testing.ts';
import { execFile } from './exec.ts';
import { createMounts } from './mount.ts';
import { openFolder } from './safe-open.ts';

describe('mounts', () => {
  const mounts = createMounts(execFile);
  let scratch: string;
  beforeEach(() => {
    scratch = realpathSync(mkdtempSync(join(tmpdir(), 'tinker-mount-')));
    mkdirSync(join(scratch, 'disk/pod/volume'), { recursive: true });
    symlinkSync(join(scratch, 'disk'), join(scratch, 'link'));
  });
  afterEach(async () => {
    await mounts.unmountBelow(scratch);
    rmSync(scratch, { recursive: true });
  });

  for (const way of ['disk/pod', 'link/pod', 'disk//pod/', 'disk/./pod']) {
    it(`are found and unmounted by the path ${way}`, async () => {
      const path = `${scratch}/${way}`;
      await mounts.mountTmpfs(`${path}/volume`, {});
      assert.equal(await mounts.isMountPoint(`${path}/volume`), true);
      await mounts.unmountBelow(path);
      const left = (await mounts.list()).filter(({ mountPoint }) => mountPoint.startsWith(scratch));
      assert.deepEqual(left, []);
    });
  }

  it('are unmounted below the path, while the mounts that they are copies of stay', async () => {
    const [node, user, volume] = ['node', 'user', 'disk/pod/volume'].map((name) => join(scratch, name)) as [
      string,
      string,
      string,
    ];
    for (const folder of [node, user]) mkdirSync(folder);
    writeFileSync(join(user, 'precious'), 'x');
    await mounts.bind(node, node);
    // systemd makes the whole tree shared in the same way.
    await execFile(['mount', '--make-shared', node]);
    await mounts.bind(node, volume);
    mkdirSync(join(node, 'usb'));
    await mounts.bind(user, join(node, 'usb'));
    assert.equal(await mounts.isMountPoint(join(volume, 'usb')), true);
    await mounts.unmountBelow(join(scratch, 'disk/pod'));
    const left = (await mounts.below(scratch)).map(({ mountPoint }) => mountPoint);
    assert.deepEqual(left, [node, join(node, 'usb')]);
    assert.equal(await readFile(join(node, 'usb/precious'), 'utf8'), 'x');
  });

  it('are unmounted by one program, innermost first, since each program that starts holds up the event loop', async () => {
    const run: string[][] = [];
    const counted = createMounts((argv, options) => {
      run.push([...argv]);
      return execFile(argv, options);
    });
    const volume = join(scratch, 'disk/pod/volume');
    await mounts.mountTmpfs(volume, {});
    mkdirSync(join(volume, 'inner'));
    await mounts.mountTmpfs(join(volume, 'inner'), {});
    await mounts.mountTmpfs(join(volume, 'inner'), {});
    await counted.unmountBelow(join(scratch, 'disk'));
    assert.deepEqual(await mounts.below(scratch), []);
    assert.deepEqual(
      run.filter(([program]) => program === 'umount'),
      [['umount', join(volume, 'inner'), join(volume, 'inner'), volume]],
    );
  });

  it('of a filesystem that does not answer are found and unmounted', { skip: noDeadMounts }, async () => {
    const path = join(scratch, 'link/pod/volume');
    mountDead(path);
    await assert.rejects(readdir(path), { code: 'ENOTCONN' });
    assert.equal(await mounts.isMountPoint(path), true);
    assert.deepEqual(
      (await mounts.below(path)).map(({ mountPoint, source }) => `${source} ${mountPoint}`),
      [`dead ${path}`],
    );
    await mounts.unmountBelow(path);
    assert.deepEqual(await readdir(path), []);
  });

  it('unmounting below an absent path is success', () => mounts.unmountBelow(join(scratch, 'none')));

  it('bind the inode that is held, not the file that has its name now', async () => {
    writeFileSync(join(scratch, 'disk/a'), 'opened');
    writeFileSync(join(scratch, 'target'), '');
    await using disk = await openFolder(scratch, join(scratch, 'disk'));
    await using entry = await disk.entry('a');
    renameSync(join(scratch, 'disk/a'), join(scratch, 'disk/b'));
    writeFileSync(join(scratch, 'disk/a'), 'planted');
    await mounts.bindEntry(entry, join(scratch, 'target'));
    assert.equal(await readFile(join(scratch, 'target'), 'utf8'), 'opened');
  });
});
