/** What a machine lacks for a lab, on a real file system. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { execFile } from '#agent/host/exec.ts';
import { createMounts } from '#agent/host/mount.ts';
import { checkSpace } from './conflicts.ts';

describe('a disk', () => {
  const mounts = createMounts(execFile);
  let scratch: string;
  before(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'tinker-space-'));
    await mounts.mountTmpfs(scratch, { sizeBytes: 10 << 20 });
  });
  after(async () => {
    await mounts.unmountBelow(scratch);
    rmSync(scratch, { recursive: true });
  });

  it('that is too full for a lab is told before anything is made', () => {
    assert.throws(() => checkSpace(join(scratch, 'not/there/yet')), {
      message:
        /^--data-dir \S+\/not\/there\/yet: only 10 MiB are free there, and a lab needs 200: free some, or name another one\.$/,
    });
  });

  it('with space is none in the way', () => checkSpace(join(import.meta.dirname, 'lab')));
});
