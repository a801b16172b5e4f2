/** Volumes on a real file system, across restarts of the kubelet. Mounts need root and are left to the e2e tests. */
import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { createMounts, type Mounts } from '#agent/host/mount.ts';
import type { Pod, PodSpec, Secret } from '#api/types.generated.ts';
import { aContainer, aPod } from '../fixtures.ts';
import { kubeletPaths } from '../paths.ts';
import { createVolumes, type Volumes } from './volumes.ts';

const facts = { nodeName: 'n1', hostIps: [], podIps: [], allocatable: {} };
const aSecret: Secret = {
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 's', uid: 's', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
  data: { k: 'dg==' },
};
const group = process.getgid?.() ?? 0;

describe('volumes', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'volumes-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** As a kubelet has them that has just started. */
  function fresh(mounted = false, more: Partial<Mounts> = {}): Volumes {
    const mounts = {
      ...createMounts(() => Promise.reject(new Error('nothing is mounted here'))),
      isMountPoint: async () => mounted,
      ...more,
    };
    const sources = {
      objects: {
        configMap: () => Promise.reject(new Error('no')),
        secret: async () => aSecret,
      },
      tokens: { token: async () => 'token', forget: () => undefined },
    };
    return createVolumes({ paths: kubeletPaths(join(folder, 'data'), join(folder, 'logs')), mounts, sources });
  }
  const setUp = async (volumes: Volumes, pod: Pod): Promise<string> =>
    (await volumes.setUp(pod, facts)).get('v')?.hostPath ?? assert.fail('no volume');
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
});
