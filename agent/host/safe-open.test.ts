/** Tests with real links, FIFOs, devices, sockets and mounts in a temporary folder. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { execFile } from './exec.ts';
import { createMounts } from './mount.ts';
import { removeTreeBelow } from './remove-tree.ts';
import { Folder, makeFolders, openFolder, readSmallFile, stepsBelow } from './safe-open.ts';

describe('opening files that a container may have planted', () => {
  let root: string;
  beforeEach(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), 'safe-open-')));
    mkdirSync(join(root, 'volume/real'), { recursive: true });
    mkdirSync(join(root, 'outside'));
    writeFileSync(join(root, 'outside/secret'), 'secret');
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));
  const at = (path: string): string => join(root, path);

  const plants: [string, (path: string) => unknown, RegExp][] = [
    ['a FIFO', (path) => execFileSync('mkfifo', [path]), /is a FIFO, not a regular file/],
    ['a link to an endless device', (path) => symlinkSync('/dev/zero', path), /is a symbolic link, not a regular file/],
    ['a link to a file', (path) => symlinkSync('../outside/secret', path), /is a symbolic link, not a regular file/],
    ['a device', (path) => execFileSync('mknod', [path, 'c', '1', '5']), /is a device, not a regular file/],
    ['a folder', (path) => mkdirSync(path), /is a folder, not a regular file/],
  ];
  for (const [name, plant, message] of plants) {
    it(`refuses ${name} where a file must be`, async () => {
      plant(at('volume/x'));
      await using volume = await openFolder(root, at('volume'));
      await assert.rejects(volume.openFile('x'), message);
      await assert.rejects(volume.createFile('x', 0o600), { code: 'EEXIST' });
    });
  }

  it('refuses a socket where a file must be', async () => {
    const server = createServer().listen(at('volume/x'));
    try {
      await using volume = await openFolder(root, at('volume'));
      await assert.rejects(volume.openFile('x'), /is a socket, not a regular file/);
    } finally {
      server.close();
    }
  });

  it('refuses a link in the middle of the path, and makes nothing at its target', async () => {
    symlinkSync('../outside', at('volume/link'));
    await assert.rejects(openFolder(root, at('volume/link')), /volume\/link is a symbolic link, not a folder/);
    await assert.rejects(makeFolders(root, at('volume/link/new'), 0o755), /is a symbolic link, not a folder/);
    assert.deepEqual(readdirSync(at('outside')), ['secret']);
  });

  it('stays in the folder that it opened, even when another one takes its name', async () => {
    await using real = await openFolder(root, at('volume/real'));
    execFileSync('mv', [at('volume/real'), at('volume/moved')]);
    symlinkSync('../outside', at('volume/real'));
    await using file = await real.createFile('mine', 0o640);
    await file.write('x');
    assert.deepEqual(readdirSync(at('volume/moved')), ['mine']);
    assert.equal(lstatSync(at('volume/moved/mine')).mode & 0o777, 0o640);
    assert.deepEqual(readdirSync(at('outside')), ['secret']);
  });

  it('names the real path in errors', async () => {
    await using volume = await openFolder(root, at('volume'));
    await assert.rejects(volume.openFile('none'), {
      code: 'ENOENT',
      message: `ENOENT: no such file or directory, open '${at('volume/none')}'`,
    });
  });

  for (const name of ['', '.', '..', 'a/b', 'a\0b']) {
    it(`refuses ${JSON.stringify(name)} as a name`, async () => {
      await using volume = await openFolder(root, at('volume'));
      assert.throws(() => volume.at(name), /is not a name/);
    });
  }

  it('reads small files of the node through links, and refuses files that are endless, block, or are too large', async () => {
    symlinkSync('../outside/secret', at('volume/link'));
    assert.equal(await readSmallFile(at('volume/link'), 10), 'secret');
    assert.match(await readSmallFile('/proc/self/status', 100_000), /^Name:/);
    execFileSync('mkfifo', [at('fifo')]);
    await assert.rejects(readSmallFile(at('fifo'), 10), /is a FIFO/);
    await assert.rejects(readSmallFile('/dev/zero', 10), /is a device/);
    await assert.rejects(readSmallFile(at('volume/link'), 5), /is larger than 5 bytes/);
  });

  it('allocates memory for the content of a file, not for the limit', async () => {
    // A buffer of this size is larger than the memory of any machine.
    assert.equal(await readSmallFile(at('outside/secret'), 2 ** 50), 'secret');
    writeFileSync(at('large'), 'x'.repeat(100_000));
    assert.equal((await readSmallFile(at('large'), 100_000)).length, 100_000);
    await assert.rejects(readSmallFile(at('large'), 99_999), /is larger than 99999 bytes/);
  });

  it('knows what is below a folder', () => {
    assert.deepEqual(stepsBelow('/a', '/a/b/c'), ['b', 'c']);
    for (const path of ['/a', '/b', '/a/../b', '/ab']) assert.throws(() => stepsBelow('/a', path), /is not below/);
  });
});

describe('removing a folder that a container could write to', () => {
  const mounts = createMounts(execFile);
  let root: string;
  beforeEach(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), 'remove-tree-')));
    mkdirSync(join(root, 'pod/sub'), { recursive: true });
    mkdirSync(join(root, 'data'));
    writeFileSync(join(root, 'data/precious'), 'x');
    writeFileSync(join(root, 'pod/file'), 'x');
  });
  afterEach(async () => {
    await mounts.unmountBelow(root);
    rmSync(root, { recursive: true, force: true });
  });

  it('takes files, links, FIFOs and folders, and leaves the targets of links', async () => {
    symlinkSync('../data', join(root, 'pod/link'));
    symlinkSync('../../data', join(root, 'pod/sub/link'));
    execFileSync('mkfifo', [join(root, 'pod/sub/fifo')]);
    await removeTreeBelow(root, join(root, 'pod'));
    assert.deepEqual(readdirSync(root), ['data']);
    assert.equal(existsSync(join(root, 'data/precious')), true);
    await removeTreeBelow(root, join(root, 'pod'));
  });

  it('does not follow the folder itself when it is a link', async () => {
    symlinkSync('data', join(root, 'link'));
    await removeTreeBelow(root, join(root, 'link'));
    assert.deepEqual(readdirSync(root).sort(), ['data', 'pod']);
    symlinkSync('data', join(root, 'parent'));
    await assert.rejects(removeTreeBelow(root, join(root, 'parent/precious')), /is a symbolic link/);
    assert.equal(existsSync(join(root, 'data/precious')), true);
  });

  for (const [what, target] of [
    ['in it', 'pod/sub'],
    ['that it is itself', 'pod'],
  ] as const) {
    it(`leaves the content of a mount ${what}, also of the same filesystem`, async () => {
      await mounts.bind(join(root, 'data'), join(root, target));
      await assert.rejects(removeTreeBelow(root, join(root, 'pod')), { code: 'EBUSY', message: /is a mount point/ });
      assert.equal(readFileSync(join(root, 'data/precious'), 'utf8'), 'x');
      await mounts.unmountBelow(root);
      await removeTreeBelow(root, join(root, 'pod'));
      assert.deepEqual(readdirSync(root), ['data']);
    });
  }

  it('leaves a file that is a mount point, and removes everything else', async () => {
    await mounts.bind(join(root, 'data/precious'), join(root, 'pod/file'));
    await assert.rejects(removeTreeBelow(root, join(root, 'pod')), { code: 'EBUSY' });
    assert.deepEqual(readdirSync(join(root, 'pod')), ['file']);
  });

  it('holds few folders open for deeply nested folders, and few names in memory for large folders', async () => {
    // The folders are made step by step, because the whole path is longer than the kernel accepts.
    const script = `const fs = require('node:fs');
process.chdir(${JSON.stringify(join(root, 'pod'))});
for (let i = 0; i < 2500; i++) fs.writeFileSync('f' + i, '');
for (let i = 0; i < 1200; i++) { fs.mkdirSync('d'); process.chdir('d'); }`;
    execFileSync(process.execPath, ['-e', script]);
    const held = readdirSync('/proc/self/fd').length;
    let most = 0;
    const look = setInterval(() => {
      most = Math.max(most, readdirSync('/proc/self/fd').length);
    }, 1);
    await removeTreeBelow(root, join(root, 'pod'));
    clearInterval(look);
    assert.ok(most - held < 200, `${most - held} more were open`);
    assert.deepEqual(readdirSync(root), ['data']);
  });

  it('opens nothing but a folder', async () => {
    await assert.rejects(Folder.open(join(root, 'pod/file')), { code: 'ENOTDIR' });
  });
});
