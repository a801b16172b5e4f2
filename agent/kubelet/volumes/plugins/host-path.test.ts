import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { checkHostPath } from './host-path.ts';

describe('the type of a hostPath', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'host-path-'));
    mkdirSync(join(root, 'folder'));
    writeFileSync(join(root, 'file'), 'x');
    symlinkSync('file', join(root, 'link'));
    symlinkSync('none', join(root, 'dangling'));
    execFileSync('mkfifo', [join(root, 'fifo')]);
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const cases: [path: string, type: string, message: string | undefined][] = [
    ['none', '', undefined],
    ['folder', 'Directory', undefined],
    ['folder', 'DirectoryOrCreate', undefined],
    ['new/deep', 'DirectoryOrCreate', undefined],
    ['file', 'Directory', 'is not a directory'],
    ['none', 'Directory', 'is not a directory'],
    ['file', 'File', undefined],
    ['link', 'File', undefined],
    ['file', 'FileOrCreate', undefined],
    ['new', 'FileOrCreate', undefined],
    ['fifo', 'File', 'is not a file'],
    ['fifo', 'FileOrCreate', 'is not a file'],
    ['dangling', 'FileOrCreate', 'is not a file'],
    ['file/x', 'File', 'is not a file'],
    ['fifo', 'Socket', 'is not a socket file'],
    ['fifo', 'CharDevice', 'is not a character device'],
    ['fifo', 'BlockDevice', 'is not a block device'],
  ];
  for (const [name, type, message] of cases) {
    it(`${JSON.stringify(type)} ${message === undefined ? 'takes' : 'refuses'} ${name}`, async () => {
      const path = join(root, name);
      const checked = checkHostPath(path, type);
      if (message === undefined) await checked;
      else await assert.rejects(checked, { message: `hostPath type check failed: ${path} ${message}` });
      assert.equal(statSync(join(root, 'file')).size, 1);
      assert.equal(existsSync(join(root, 'none')), false);
    });
  }

  it('makes nothing whose type it does not know', () =>
    assert.rejects(checkHostPath('/none', 'X'), /X is an invalid volume type/));
});
