/**
 * The contract of `VolumePlugin`, for every plugin of the index, with real files and mounts: this needs root. A new type gets an
 * example below; without one its test fails.
 */
import assert from 'node:assert/strict';
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { execFile } from '#agent/host/exec.ts';
import { createMounts, type Mounts } from '#agent/host/mount.ts';
import { systemClock } from '#client/clock.ts';
import { kubeletPaths } from '../../paths.ts';
import { aPod } from '../../pods.testing.ts';
import { createPathGate } from '../path-gate.ts';
import { type PluginDeps, type VolumePlace, type VolumePlugin, type VolumeSpec, volumePlace } from '../plugin.ts';
import { createPlugins } from './index.ts';
import { examples } from './plugins.testing.ts';

const real = createMounts(execFile);

/** All of a tree: type, mode, owner, inode and contents of each entry. Two of the same are the same files. */
async function tree(path: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
    const at = join(entry.parentPath, entry.name);
    const { mode, uid, gid, ino } = await lstat(at);
    found.push(`${at} ${mode.toString(8)} ${uid}:${gid} ${ino} ${entry.isFile() ? await readFile(at, 'utf8') : ''}`);
  }
  return found.sort();
}
const exists = async (path: string): Promise<boolean> => (await lstat(path).catch(() => undefined)) !== undefined;

describe('the volume plugin', () => {
  let folder: string;
  /** Of the objects that volumes show. */
  let value: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'volume-plugins-'));
    value = 'old';
    await mkdir(join(folder, 'users-data'));
    await writeFile(join(folder, 'users-data/precious'), 'x');
  });
  afterEach(async () => {
    await real.unmountBelow(folder);
    await rm(folder, { recursive: true });
  });

  const deps = (mounts: Mounts = real): PluginDeps => {
    const metadata = { name: 'o', uid: 'o', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' };
    return {
      paths: kubeletPaths(join(folder, 'data'), join(folder, 'logs')),
      mounts,
      gate: createPathGate(systemClock),
      sources: {
        objects: {
          configMap: async () => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { key: value } }),
          secret: async () => ({ apiVersion: 'v1', kind: 'Secret', metadata, data: { key: btoa(value) } }),
        },
        tokens: { token: async () => value, forget: () => undefined },
      },
    };
  };
  /** As of a kubelet that has just started. */
  const plugins = (mounts?: Mounts): readonly VolumePlugin[] => createPlugins(deps(mounts));

  it('has a name of its own and an example, which no other plugin supports', () => {
    const names = plugins().map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
    assert.deepEqual(new Set(examples.map(({ plugin }) => plugin)), new Set(names));
    for (const { plugin, volume } of examples) {
      const supporting = plugins().filter((one) => one.supports({ name: 'v', ...volume(folder) }));
      assert.deepEqual(
        supporting.map(({ name }) => name),
        [plugin],
      );
    }
  });

  for (const { plugin: name, what, volume: example } of examples) {
    describe(`${name} with ${what}`, () => {
      const fresh = (mounts?: Mounts): VolumePlugin => plugins(mounts).find((plugin) => plugin.name === name) ?? assert.fail();
      const place = (): VolumePlace => volumePlace(deps().paths, 'uid-1', name, 'v');
      const volumeOf = (): VolumeSpec => ({ name: 'v', ...example(join(folder, 'users-data')) });

      async function setUp(plugin: VolumePlugin, isRemount = false): Promise<string> {
        const volume = volumeOf();
        const pod = aPod({ volumes: [volume] });
        pod.metadata.annotations = { value };
        const facts = { nodeName: 'n1', hostIps: [], podIps: [], allocatable: { memory: '64Mi' } };
        return (await plugin.setUp({ pod, volume, facts, place: place(), isRemount })).hostPath;
      }

      it('changes nothing when it sets up again, before and after a restart of the kubelet', async () => {
        const plugin = fresh();
        const path = await setUp(plugin);
        const before = await tree(folder);
        const mounts = await real.below(folder);
        assert.equal(await setUp(plugin, true), path);
        assert.equal(await setUp(fresh()), path);
        assert.deepEqual(await tree(folder), before);
        assert.deepEqual(await real.below(folder), mounts);
      });

      it('holds contents that change only if it asks to be set up again, and renews them then', async () => {
        const plugin = fresh();
        const path = await setUp(plugin);
        const shown = async (): Promise<string> => (path === '' ? '' : (await tree(path)).join('\n'));
        assert.equal((await shown()).includes('old'), plugin.requiresRemount(volumeOf()));
        value = 'new';
        await setUp(plugin, true);
        assert.equal((await shown()).includes('new'), plugin.requiresRemount(volumeOf()));
      });

      it('finds what an earlier process set up, and what it mounted, until it is torn down', async () => {
        assert.equal(await fresh().reconstruct(place()), undefined);
        await setUp(fresh());
        const before = await tree(folder);
        const found = await fresh().reconstruct(place());
        assert.equal(found !== undefined, await exists(place().path));
        const mounts = (await real.below(folder)).map(({ mountPoint }) => mountPoint);
        assert.deepEqual(found?.mountPoints ?? [], mounts);
        assert.deepEqual(await tree(folder), before);
        await fresh().tearDown(place());
        assert.equal(await fresh().reconstruct(place()), undefined);
      });

      it('leaves nothing when it tears down, the second time too, and when nothing was ever there', async () => {
        await fresh().tearDown(place());
        await setUp(fresh());
        for (const _time of ['first', 'second']) {
          await fresh().tearDown(place());
          assert.deepEqual([await exists(place().path), await exists(place().metadataPath)], [false, false]);
          assert.deepEqual(await real.below(folder), []);
        }
        assert.equal(await readFile(join(folder, 'users-data/precious'), 'utf8'), 'x');
      });

      it('never goes into what somebody mounted, whether it sees the mount in time or not', async () => {
        const path = (await setUp(fresh())) || place().path;
        await mkdir(join(path, 'mnt'), { recursive: true });
        await real.bind(join(folder, 'users-data'), join(path, 'mnt'));
        const blind = { ...real, unmountBelow: async () => undefined };
        const mine = (await fresh().reconstruct(place())) !== undefined;
        // What is the plugin's own cannot be removed; what is not, it does not touch.
        if (mine) await assert.rejects(fresh(blind).tearDown(place()), /is a mount point/);
        else await fresh(blind).tearDown(place());
        assert.equal(await readFile(join(folder, 'users-data/precious'), 'utf8'), 'x');
        await fresh().tearDown(place());
        assert.equal(await readFile(join(folder, 'users-data/precious'), 'utf8'), 'x');
        assert.equal(await exists(join(path, 'mnt')), !mine);
      });
    });
  }
});
