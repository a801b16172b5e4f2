/** Tests the checks of a machine before a lab starts, on a real file system. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { execFile } from '#agent/host/exec.ts';
import { createMounts } from '#agent/host/mount.ts';
import { checkRoutes, checkSpace } from './conflicts.ts';

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

  it('that is too full for a lab is reported before anything is made', () => {
    assert.throws(() => checkSpace(join(scratch, 'not/there/yet')), {
      message:
        /^--data-dir \S+\/not\/there\/yet: only 10 MiB are free there, and a lab needs 200: free some, or name another one\.$/,
    });
  });

  it('with enough space is accepted', () => checkSpace(join(import.meta.dirname, 'lab')));
});

describe('the networks of a lab', () => {
  const lab = {
    subnet: '10.200.0.0/24',
    clusterCidr: '10.244.0.0/16',
    networks: [{ bridge: 'tinker0', gateway: '', prefixLength: 24 }],
  };
  const cases: [what: string, routes: object[], error: RegExp | undefined][] = [
    ['no other route', [{ dst: 'default', dev: 'eth0', gateway: '192.0.2.1' }], undefined],
    [
      "the lab's own",
      [
        { dst: '10.200.0.0/24', dev: 'tinker0' },
        { dst: '10.244.1.0/24', dev: 'tinker0', gateway: '10.200.0.12' },
      ],
      undefined,
    ],
    ['a wider one through a gateway', [{ dst: '10.0.0.0/8', dev: 'tun0', gateway: '192.0.2.1' }], undefined],
    ['another lab with the same subnet', [{ dst: '10.200.0.0/24', dev: 'other0' }], /^--subnet 10\.200\.0\.0\/24 is in use/],
    [
      'another lab with the same pods',
      [{ dst: '10.244.1.0/24', dev: 'other0', gateway: '10.201.0.12' }],
      /^--cluster-cidr 10\.244\.0\.0\/16 is in use on this machine \(10\.244\.1\.0\/24 is reached through other0\): choose another/,
    ],
    ['a cluster on this machine', [{ dst: '10.244.0.0/16', dev: 'cni0' }], /^--cluster-cidr 10\.244\.0\.0\/16 is in use/],
  ];
  for (const [what, routes, error] of cases)
    it(`beside ${what}: ${error === undefined ? 'fit' : 'are refused'}`, async () => {
      const checked = checkRoutes(lab, async () => ({ stdout: JSON.stringify(routes), stderr: '', exitCode: 0 }));
      if (error === undefined) await checked;
      else await assert.rejects(checked, { name: 'UsageError', message: error });
    });
});
