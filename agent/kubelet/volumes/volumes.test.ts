/** Volumes on a real file system, across restarts of the kubelet. Files are given to groups, and mounted: this needs root. */
import assert from 'node:assert/strict';
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { execFile } from '#agent/host/exec.ts';
import type { Mounts } from '#agent/host/mount.ts';
import type { PodSpec, Volume } from '#api/types.generated.ts';
import { aContainer, aPod } from '../pods.testing.ts';
import { facts, noMounts, setUp, volumesIn } from './volumes.testing.ts';
import type { Volumes } from './volumes.ts';

const group = process.getgid?.() ?? 0;

describe('volumes', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'volumes-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const fresh = (mounted = false, more: Partial<Mounts> = {}): Volumes =>
    volumesIn(folder, { ...noMounts, isMountPoint: async () => mounted, ...more });
  const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o7777;

  for (const [name, spec, mode] of [
    ['', {}, 0o777],
    [' of an fsGroup', { securityContext: { fsGroup: group } }, 0o2777],
  ] as const) {
    it(`leave an emptyDir${name} to its containers when the kubelet restarts`, async () => {
      const pod = aPod({ ...spec, volumes: [{ name: 'v', emptyDir: {} }] });
      const path = await setUp(fresh(), pod);
      assert.equal(await modeOf(path), mode);
      // As a database does with its data.
      await chmod(path, 0o700);
      await writeFile(join(path, 'file'), 'x', { mode: 0o600 });
      assert.equal(await setUp(fresh(), pod), path);
      assert.deepEqual([await modeOf(path), await modeOf(join(path, 'file'))], [0o700, 0o600]);
      await fresh().tearDown(pod.metadata.uid);
      await assert.rejects(stat(path));
    });
  }

  const sized: [string, Partial<PodSpec>, number][] = [
    ['the node', {}, 2 ** 30],
    ["the pod's limit", { containers: [aContainer('c', { resources: { limits: { memory: '64Mi' } } })] }, 2 ** 26],
    ['its own limit', { volumes: [{ name: 'v', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } }] }, 2 ** 20],
    [
      'the node, which is less than its own limit',
      { volumes: [{ name: 'v', emptyDir: { medium: 'Memory', sizeLimit: '2Gi' } }] },
      2 ** 30,
    ],
  ];
  for (const [what, spec, sizeBytes] of sized) {
    it(`in memory are as large as ${what} allows`, async () => {
      const sizes: (number | undefined)[] = [];
      const volumes = fresh(false, { mountTmpfs: async (_path, options) => void sizes.push(options.sizeBytes) });
      const pod = aPod({ volumes: [{ name: 'v', emptyDir: { medium: 'Memory' } }], ...spec });
      await volumes.setUp(pod, { ...facts, allocatable: { memory: '1Gi' } });
      assert.deepEqual(sizes, [sizeBytes]);
    });
  }

  it('write a secret of an fsGroup once, and not again with every look', async () => {
    const pod = aPod({
      securityContext: { fsGroup: group },
      volumes: [{ name: 'v', secret: { secretName: 's', defaultMode: 0o400 } }],
    });
    const volumes = fresh(true);
    const path = await setUp(volumes, pod);
    const { mode, ino } = await stat(join(path, 'k'));
    assert.equal(mode & 0o777, 0o440);
    await setUp(volumes, pod);
    assert.equal((await stat(join(path, 'k'))).ino, ino);
  });

  const fileVolumes: [string, Omit<Volume, 'name'>, number, number][] = [
    ['secret', { secret: { secretName: 's' } }, 0o644, 0o644],
    ['secret of mode 0400', { secret: { secretName: 's', defaultMode: 0o400 } }, 0o400, 0o440],
    ['configMap', { configMap: { name: 's', items: [{ key: 'k', path: 'k', mode: 0o4 }] } }, 0o4, 0o444],
    ['downwardAPI', { downwardAPI: { items: [{ path: 'k', fieldRef: { fieldPath: 'metadata.name' } }] } }, 0o644, 0o644],
    ['projected', { projected: { defaultMode: 0o600, sources: [{ secret: { name: 's' } }] } }, 0o600, 0o640],
  ];
  for (const [what, volume, alone, shared] of fileVolumes) {
    for (const fsGroup of [undefined, 1234]) {
      it(`give a ${what} volume, its own folder too, to ${fsGroup === undefined ? 'root' : 'the fsGroup'}`, async () => {
        const pod = aPod({
          ...(fsGroup === undefined ? {} : { securityContext: { fsGroup } }),
          volumes: [{ name: 'v', ...volume }],
        });
        const look = async (): Promise<(number | string)[]> => {
          const path = await setUp(fresh(true), pod);
          const found = await Promise.all([path, join(path, '..data'), join(path, 'k')].map((one) => stat(one)));
          const link = await lstat(join(path, 'k'));
          return [...found.map(({ mode, gid }) => `${(mode & 0o7777).toString(8)} ${gid}`), link.gid];
        };
        const wanted =
          fsGroup === undefined
            ? ['777 0', '755 0', `${alone.toString(8)} 0`, 0]
            : ['2777 1234', '2755 1234', `${shared.toString(8)} 1234`, 1234];
        assert.deepEqual(await look(), wanted);
        // A kubelet that has restarted leaves it so.
        assert.deepEqual(await look(), wanted);
      });
    }
  }

  it('check a hostPath once, and again after a restart of the kubelet', async () => {
    const path = join(folder, 'node');
    const pod = aPod({ volumes: [{ name: 'v', hostPath: { path, type: 'Directory' } }] });
    await mkdir(path);
    const volumes = fresh();
    await setUp(volumes, pod);
    await rm(path, { recursive: true });
    await setUp(volumes, pod);
    await assert.rejects(setUp(fresh(), pod), {
      message: `MountVolume.SetUp failed for volume "v" : hostPath type check failed: ${path} is not a directory`,
    });
  });

  it("tell why they cannot be set up in Go's words, as events show it", async () => {
    await writeFile(join(folder, 'data'), '');
    await assert.rejects(setUp(fresh(), aPod({ volumes: [{ name: 'v', emptyDir: {} }] })), {
      message: `MountVolume.SetUp failed for volume "v" : mkdir ${folder}/data/pods: not a directory`,
    });
  });

  it('of a type that no plugin supports are told so', () =>
    assert.rejects(setUp(fresh(), aPod({ volumes: [{ name: 'v' }] })), {
      message: 'MountVolume.SetUp failed for volume "v" : no volume plugin matched',
    }));

  const planted: [string, (path: string) => Promise<unknown>][] = [
    ['a FIFO for a file', (path) => swap(path, 'k', (file) => execFile(['mkfifo', file]))],
    ['a link to an endless device for a file', (path) => swap(path, 'k', (file) => symlink('/dev/zero', file))],
    ['a folder for a file', (path) => swap(path, 'k', (file) => mkdir(file))],
    ['a file that was not there', (path) => writeFile(join(path, '..data/planted'), '')],
    ['a link out for the data', (path) => swap(path, '', (data) => symlink(folder, data))],
    [
      'a FIFO for the link to the data',
      async (path) => {
        await rm(join(path, '..data'));
        await execFile(['mkfifo', join(path, '..data')]);
      },
    ],
    [
      'a folder for the link to the data',
      async (path) => {
        await rm(join(path, '..data'));
        await mkdir(join(path, '..data/full'), { recursive: true });
      },
    ],
    ['a link out under a name of the writer', (path) => symlink(folder, join(path, '..data_tmp'))],
    ['a folder under a name of the writer', (path) => mkdir(join(path, '..data_tmp/full'), { recursive: true })],
  ];
  /** Puts something else in the place of a file of the data folder, or of that folder itself. */
  async function swap(path: string, name: string, plant: (file: string) => Promise<unknown>): Promise<void> {
    const file = join(path, await readlink(join(path, '..data')), name);
    await rm(file, { recursive: true });
    await plant(file.replace(/\/$/, ''));
  }
  for (const [what, plant] of planted) {
    it(`write a secret in which somebody put ${what} anew, and touch nothing else`, async () => {
      await writeFile(join(folder, 'precious'), 'x');
      const volumes = fresh(true);
      const pod = aPod({ volumes: [{ name: 'v', secret: { secretName: 's' } }] });
      const path = await setUp(volumes, pod);
      await plant(path);
      await setUp(volumes, pod);
      assert.equal(await readFile(join(path, 'k'), 'utf8'), 'v');
      assert.equal(await readFile(join(folder, 'precious'), 'utf8'), 'x');
      await volumes.tearDown(pod.metadata.uid);
      assert.deepEqual((await readdir(folder)).sort(), ['data', 'precious']);
    });
  }
});
