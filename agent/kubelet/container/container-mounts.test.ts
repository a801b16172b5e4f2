import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { execFile } from '#agent/host/exec.ts';
import { createMounts } from '#agent/host/mount.ts';
import type { Mount } from '#agent/runtime/runtime.ts';
import type { VolumeMount } from '#api/types.generated.ts';
import { systemClock } from '#client/clock.ts';
import { kubeletPaths, type Paths } from '../paths.ts';
import { aContainer, aPod } from '../pods.testing.ts';
import { createPathGate } from '../volumes/path-gate.ts';
import { containerMounts, type MountInputs, prepareLog, subPathOf } from './container-mounts.ts';

describe('the path of a mount within its volume', () => {
  const env = new Map([
    ['NAME', 'web'],
    ['EMPTY', ''],
    ['UP', '..'],
    ['ROOT', '/etc'],
    ['DEEP', 'a/../../b'],
    ['LONG', 'x'.repeat(1000)],
  ]);
  const of = (mount: Partial<VolumeMount>): string => subPathOf({ name: 'v', mountPath: '/v', ...mount }, env);
  for (const [mount, path] of [
    [{}, ''],
    [{ subPath: 'a/$(NAME)' }, 'a/$(NAME)'],
    [{ subPathExpr: 'a/$(NAME)' }, 'a/web'],
    [{ subPathExpr: '$$(EMPTY)/$(NAME)' }, '$(EMPTY)/web'],
  ] as const) {
    it(`is ${JSON.stringify(path)} for ${JSON.stringify(mount)}`, () => assert.equal(of(mount), path));
  }
  for (const [expression, message] of [
    ['$(EMPTY)/$(NAME)', 'missing value for EMPTY'],
    ['$(NONE)/$(EMPTY)/$(NONE)', 'missing value for EMPTY, NONE'],
    ['$(ROOT)', 'error SubPath `/etc` must not be an absolute path'],
    ['$(UP)', "unable to provision SubPath `..`: must not contain '..'"],
    ['$(DEEP)', "unable to provision SubPath `a/../../b`: must not contain '..'"],
    ['$(LONG)'.repeat(5), 'subPathExpr: a path of 5000 characters is too long'],
  ] as const) {
    it(`is refused for ${expression}`, () => assert.throws(() => of({ subPathExpr: expression }), { message }));
  }
});

describe('what a container has mounted', () => {
  const mounts = createMounts(execFile);
  let root: string;
  let paths: Paths;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'container-mounts-'));
    paths = kubeletPaths(join(root, 'data'), join(root, 'logs'));
    mkdirSync(join(root, 'outside'));
    mkdirSync(join(root, 'volume'));
  });
  afterEach(async () => {
    await mounts.unmountBelow(root);
    rmSync(root, { recursive: true, force: true });
  });
  const of = (more: Partial<MountInputs>): Promise<Mount[]> =>
    containerMounts({
      pod: aPod(),
      container: aContainer('c'),
      restartCount: 0,
      volumes: new Map([['v', { hostPath: join(root, 'volume'), readOnly: false }]]),
      images: new Map(),
      env: new Map(),
      hostsFile: '/hosts',
      paths,
      mounts,
      gate: createPathGate(systemClock),
      ...more,
    });

  it('is its image volumes by their IDs, of which the runtime makes files', async () => {
    const image = { image: 'sha256:1', userSpecifiedImage: 'data:1' };
    const volumeMounts = [{ name: 'i', mountPath: 'data', subPath: 'dir' }];
    const [mount] = await of({
      container: aContainer('c', { volumeMounts }),
      volumes: new Map([['i', { hostPath: '', readOnly: true }]]),
      images: new Map([['i', image]]),
    });
    assert.deepEqual(mount, {
      containerPath: '/data',
      readonly: true,
      propagation: 'PROPAGATION_PRIVATE',
      hostPath: '',
      image,
      imageSubPath: 'dir',
    });
  });

  it('says nothing of the node where a path leads out of its volume', async () => {
    symlinkSync('../outside', join(root, 'volume/out'));
    symlinkSync('nowhere', join(root, 'volume/dangling'));
    const refused = (subPath: string, message: string): Promise<void> =>
      assert.rejects(of({ container: aContainer('c', { volumeMounts: [{ name: 'v', mountPath: '/v', subPath }] }) }), {
        message,
      });
    await refused('out', 'failed to prepare subPath for volumeMount "v" of container "c"');
    await refused('dangling', 'failed to create subPath directory for volumeMount "v" of container "c"');
    assert.deepEqual(readdirSync(join(root, 'outside')), []);
  });

  it('is an empty file for its last words, whatever was planted there', async () => {
    const container = aContainer('c', { terminationMessagePath: '/dev/termination-log' });
    const path = paths.terminationLog('uid-1', 'c', 0);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(join(root, 'precious'), 'x');
    for (const plant of [
      () => symlinkSync(join(root, 'precious'), path),
      () => execFileSync('mkfifo', [path]),
      () => mkdirSync(join(path, 'full'), { recursive: true }),
    ]) {
      plant();
      await of({ container });
      assert.deepEqual([statSync(path).isFile(), statSync(path).size, statSync(path).mode & 0o777], [true, 0, 0o666]);
      rmSync(path);
    }
    assert.equal(statSync(join(root, 'precious')).size, 1);
  });

  it('has its log where nothing is planted, and its old log where one is', async () => {
    const log = join(paths.podLogDir({ namespace: 'shop', name: 'web', uid: 'uid-1' }), 'c/0.log');
    const prepare = (): Promise<void> => prepareLog(paths, aPod(), aContainer('c'), 0);
    await prepare();
    writeFileSync(log, 'kept');
    await prepare();
    assert.equal(statSync(log).size, 4);
    for (const plant of [() => symlinkSync('../../../outside/log', log), () => execFileSync('mkfifo', [log])]) {
      rmSync(log);
      plant();
      await prepare();
      assert.equal(existsSync(log), false);
      writeFileSync(log, '');
    }
    rmSync(join(log, '..'), { recursive: true });
    symlinkSync(join(root, 'outside'), join(log, '..'));
    await assert.rejects(prepare(), /is a symbolic link, not a folder/);
    assert.deepEqual(readdirSync(join(root, 'outside')), []);
  });
});
