/** Volumes whose pod has ended, and orphans, on real mounts: this needs root. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { mountDead, noDeadMounts } from '#agent/host/dead-mount.testing.ts';
import { execFile } from '#agent/host/exec.ts';
import { createMounts, type Mounts } from '#agent/host/mount.ts';
import type { Volume } from '#api/types.generated.ts';
import { kubeletPaths } from '../paths.ts';
import { aPod } from '../pods.testing.ts';
import type { VolumePlugin } from './plugin.ts';
import { createPlugins } from './plugins/index.ts';
import { depsIn, facts, setUp, volumesIn } from './volumes.testing.ts';
import type { Volumes } from './volumes.ts';

const real = createMounts(execFile);

describe('volumes that are torn down with a mount in an emptyDir', () => {
  let folder: string;
  let data: string;
  let path: string;
  const pod = aPod({ volumes: [{ name: 'v', emptyDir: {} }] });
  const fresh = (mounts: Mounts = real): Volumes => volumesIn(folder, mounts);
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tear-down-'));
    data = join(folder, 'users-data');
    await mkdir(data);
    await writeFile(join(data, 'precious'), 'x');
    path = await setUp(fresh(), pod);
    await mkdir(join(path, 'mnt'));
    await writeFile(join(path, 'file'), 'x');
    await real.bind(data, join(path, 'mnt'));
  });
  afterEach(async () => {
    await real.unmountBelow(folder);
    await rm(folder, { recursive: true });
  });

  it('unmount it and leave what is behind it', async () => {
    await fresh().tearDown(pod.metadata.uid);
    assert.equal(await readFile(join(data, 'precious'), 'utf8'), 'x');
    await assert.rejects(stat(path), { code: 'ENOENT' });
  });
  it('keep it, and tell, where only the folder tells of the pod; what is clean goes', async () => {
    const more: Volume[] = [
      { name: 'clean', emptyDir: {} },
      { name: 'memory', emptyDir: { medium: 'Memory' } },
      { name: 'token', secret: { secretName: 's' } },
    ];
    const others = aPod({ volumes: more });
    const mounted = await fresh().setUp(others, facts);
    await assert.rejects(fresh().tearDownOrphan(pod.metadata.uid), {
      message:
        `orphaned pod "${pod.metadata.uid}" found, but volumes are not cleaned up: ` +
        `${path}/mnt is a mount that no volume of the pod made; unmount it`,
    });
    assert.equal(await readFile(join(path, 'mnt/precious'), 'utf8'), 'x');
    assert.deepEqual((await readdir(path)).sort(), ['file', 'mnt']);
    for (const { hostPath } of mounted.values()) await assert.rejects(stat(hostPath), { code: 'ENOENT' });
    const left = (await real.below(folder)).map(({ mountPoint }) => mountPoint);
    assert.deepEqual(left, [join(path, 'mnt')]);

    await real.unmountBelow(join(path, 'mnt'));
    await fresh().tearDownOrphan(pod.metadata.uid);
    assert.equal(await readFile(join(data, 'precious'), 'utf8'), 'x');
    assert.deepEqual(await readdir(join(folder, 'data/pods')), []);
    // And again, as the next round of the kubelet does.
    await fresh().tearDownOrphan(pod.metadata.uid);
  });
  it('keep what is mounted over a volume, in a subPath and beside all volumes of an orphan', async () => {
    await real.unmountBelow(path);
    const paths = kubeletPaths(join(folder, 'data'), join(folder, 'logs'));
    const { uid } = pod.metadata;
    const [subPath, beside] = [join(paths.subPathsDir(uid), 'v/c/0'), join(paths.podDir(uid), 'beside')];
    for (const at of [join(subPath, 'mnt'), beside]) await mkdir(at, { recursive: true });
    // The pod's own: it goes once nothing is in the way.
    await real.bind(path, subPath);
    for (const at of [path, join(subPath, 'mnt'), beside]) {
      await mkdir(at, { recursive: true });
      await real.bind(data, at);
      await assert.rejects(fresh().tearDownOrphan(uid), { message: new RegExp(`cleaned up: ${at} is a mount`) });
      assert.equal(await readFile(join(at, 'precious'), 'utf8'), 'x');
      await real.unmountBelow(at);
    }
    await fresh().tearDownOrphan(uid);
    assert.deepEqual([await readdir(paths.podsDir), await readdir(data)], [[], ['precious']]);
  });
  it('do not wait for a filesystem that does not answer', { skip: noDeadMounts }, async () => {
    await real.unmountBelow(path);
    mountDead(path);
    await assert.rejects(fresh().tearDownOrphan(pod.metadata.uid), /cleaned up: .* is a mount that no volume of the pod made/);
    assert.equal(await real.isMountPoint(path), true);
    await fresh().tearDown(pod.metadata.uid);
    assert.deepEqual(await readdir(join(folder, 'data/pods')), []);
  });
  it('keep a volume whose type an orphan does not say', async () => {
    await real.unmountBelow(path);
    const strange = join(path, '../../kubernetes.io~strange/data');
    await mkdir(strange, { recursive: true });
    await assert.rejects(fresh().tearDownOrphan(pod.metadata.uid), /strange\/data belongs to no volume plugin/);
    assert.deepEqual(await readdir(strange), []);
    await assert.rejects(stat(path), { code: 'ENOENT' });
    // Of a pod that ended here, it was this kubelet's.
    await fresh().tearDown(pod.metadata.uid);
    await assert.rejects(stat(strange), { code: 'ENOENT' });
  });
  it('go no further where it came after the mounts were looked for', async () => {
    const late = fresh({ ...real, unmountBelow: async () => undefined });
    await assert.rejects(late.tearDown(pod.metadata.uid), /mnt is a mount point: what is mounted there is not removed/);
    assert.equal(await readFile(join(data, 'precious'), 'utf8'), 'x');
    assert.deepEqual(await readdir(path), ['mnt']);
  });

  it('keep the folder of a pod while one of them cannot be torn down; the others go', async () => {
    let isBusy = true;
    /** Of a type whose other side does not let go at first. */
    const stubborn: VolumePlugin = {
      name: 'example.com/stubborn',
      supports: ({ nfs }) => nfs !== undefined,
      requiresRemount: () => false,
      async setUp({ place }) {
        await mkdir(place.path, { recursive: true });
        return { hostPath: place.path, readOnly: false };
      },
      async tearDown(place) {
        if (isBusy) throw new Error('device is busy');
        await rm(place.path, { recursive: true });
      },
      reconstruct: async () => ({ mountPoints: [] }),
    };
    const plugins = [...createPlugins(depsIn(folder, real)), stubborn];
    const more = aPod({ volumes: [{ name: 'a', nfs: { server: 'x', path: '/' } }] });
    const held = (await volumesIn(folder, real, plugins).setUp(more, facts)).get('a')?.hostPath ?? assert.fail();
    for (const way of ['tearDown', 'tearDownOrphan'] as const) {
      await real.unmountBelow(path);
      await assert.rejects(volumesIn(folder, real, plugins)[way](pod.metadata.uid), {
        message: 'UnmountVolume.TearDown failed for volume "a" : device is busy',
      });
      await assert.rejects(stat(path), { code: 'ENOENT' });
      assert.deepEqual(await readdir(held), []);
    }
    isBusy = false;
    await volumesIn(folder, real, plugins).tearDown(pod.metadata.uid);
    await assert.rejects(stat(held), { code: 'ENOENT' });
  });
});
