/** Folders of node-local volumes, on real files and mounts: this needs root. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { pino } from 'pino';
import { execFile } from '#agent/host/exec.ts';
import { createMounts } from '#agent/host/mount.ts';
import { localPathRemovalsAnnotation, removalsOf } from '#api/storage/local-path.ts';
import type { Node } from '#api/types.generated.ts';
import { FakeApi } from '#client/api.testing.ts';
import { FakeClock } from '#client/clock.ts';
import { createInformers } from '#client/informers.ts';
import { createClient } from '#client/rest-client.ts';
import { kubeletPaths, type Paths } from '../paths.ts';
import { makeLocalPath, runLocalPathRemovals } from './local-path.ts';

const mounts = createMounts(execFile);
const log = pino({ level: 'silent' });

describe('the folders of node-local volumes', () => {
  let folder: string;
  let paths: Paths;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'local-path-'));
    paths = kubeletPaths(join(folder, 'kubelet'), join(folder, 'logs'));
    await mkdir(paths.podsDir, { recursive: true });
    await mkdir(join(folder, 'users-data'));
    await writeFile(join(folder, 'users-data/precious'), 'x');
  });
  afterEach(async () => {
    await mounts.unmountBelow(folder);
    await rm(folder, { recursive: true });
  });
  const isThere = async (path: string): Promise<boolean> => (await stat(path).catch(() => undefined)) !== undefined;
  const precious = (): Promise<string> => readFile(join(folder, 'users-data/precious'), 'utf8');

  /** Asks for removals. @returns what the node answers */
  async function remove(...names: string[]): Promise<Record<string, string>> {
    return answerTo(JSON.stringify(Object.fromEntries(names.map((name) => [name, 'asked']))));
  }
  async function answerTo(text: string): Promise<Record<string, string>> {
    const clock = new FakeClock();
    const client = createClient(new FakeApi().transport, { userAgent: 'test' });
    const informers = createInformers({ client, clock, log, random: () => 0.5 });
    const nodes = informers.informer('nodes');
    const node = {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'n1', annotations: { [localPathRemovalsAnnotation]: text } },
      spec: {},
    };
    await client.resource('nodes').create(node);
    const stop = new AbortController();
    const deps = { client, nodes, nodeName: 'n1', paths, mounts, clock, log };
    const ends = [informers.run(stop.signal), runLocalPathRemovals(deps, stop.signal)];
    const read = async (): Promise<Node> => client.resource('nodes').get({ name: 'n1' });
    for (let time = 0; time < 200 && (await read()).metadata.annotations?.[localPathRemovalsAnnotation] === text; time++) {
      await clock.advance(0);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    stop.abort();
    await Promise.all(ends);
    return JSON.parse((await read()).metadata.annotations?.[localPathRemovalsAnnotation] ?? '{}') as Record<string, string>;
  }

  it('are made for everybody to write, once, and keep what is in them', async () => {
    const path = join(paths.localPathDir, 'pvc-1');
    await makeLocalPath(paths, 'pvc-1', path);
    assert.equal((await stat(path)).mode & 0o7777, 0o777);
    await writeFile(join(path, 'data'), 'x');
    await makeLocalPath(paths, 'pvc-1', path);
    assert.equal(await readFile(join(path, 'data'), 'utf8'), 'x');
  });

  it('are made nowhere else, whatever a volume says', async () => {
    for (const path of [join(folder, 'elsewhere'), join(paths.localPathDir, 'other'), join(paths.localPathDir, '../x'), '/', ''])
      await makeLocalPath(paths, 'pvc-1', path);
    assert.deepEqual([await isThere(join(folder, 'elsewhere')), await isThere(paths.localPathDir)], [false, false]);
  });

  it('go with all that is in them when the node is asked; others stay', async () => {
    for (const name of ['pvc-1', 'pvc-2']) {
      await makeLocalPath(paths, name, join(paths.localPathDir, name));
      await mkdir(join(paths.localPathDir, name, 'deep/er'), { recursive: true });
      await writeFile(join(paths.localPathDir, name, 'deep/er/file'), 'x');
    }
    assert.deepEqual(await remove('pvc-1', 'never-was'), { 'pvc-1': 'done', 'never-was': 'done' });
    assert.deepEqual(
      [await isThere(join(paths.localPathDir, 'pvc-1')), await isThere(join(paths.localPathDir, 'pvc-2/deep/er/file'))],
      [false, true],
    );
  });

  it('go without what links in them lead to', async () => {
    await makeLocalPath(paths, 'pvc-1', join(paths.localPathDir, 'pvc-1'));
    await symlink(join(folder, 'users-data'), join(paths.localPathDir, 'pvc-1/link'));
    await symlink(join(folder, 'users-data'), join(paths.localPathDir, 'pvc-2'));
    assert.deepEqual(await remove('pvc-1', 'pvc-2'), { 'pvc-1': 'done', 'pvc-2': 'done' });
    assert.equal(await precious(), 'x');
  });

  it('stay while something is mounted in them, and while a pod has them', async () => {
    for (const name of ['pvc-1', 'pvc-2']) await makeLocalPath(paths, name, join(paths.localPathDir, name));
    await mkdir(join(paths.localPathDir, 'pvc-1/mnt'));
    await mounts.bind(join(folder, 'users-data'), join(paths.localPathDir, 'pvc-1/mnt'));
    const inPod = paths.volumeDir('uid', 'kubernetes.io/local-volume', 'pvc-2');
    await mkdir(inPod, { recursive: true });
    await mounts.bind(join(paths.localPathDir, 'pvc-2'), inPod);
    const answers = await remove('pvc-1', 'pvc-2');
    assert.match(answers['pvc-1'] ?? '', /^failed: .*mnt is a mount point: what is mounted there is not removed/);
    assert.match(answers['pvc-2'] ?? '', /^failed: a pod still has it: .* is mounted$/);
    assert.equal(await precious(), 'x');
    await mounts.unmountBelow(folder);
    assert.deepEqual(await remove('pvc-1', 'pvc-2'), { 'pvc-1': 'done', 'pvc-2': 'done' });
    assert.equal(await precious(), 'x');
  });

  it('do not lead out where the folder of all of them is a link', async () => {
    await mkdir(join(folder, 'users-data/pvc-1'));
    await symlink(join(folder, 'users-data'), paths.localPathDir);
    assert.match((await remove('pvc-1'))['pvc-1'] ?? '', /^failed: /);
    assert.deepEqual([await isThere(join(folder, 'users-data/pvc-1')), await precious()], [true, 'x']);
  });

  it('names that are no names of volumes, and texts that are no list, are left out', async () => {
    await writeFile(join(folder, 'kubelet/precious'), 'x');
    const names = [
      '..',
      '.',
      '',
      '../precious',
      '/',
      `${folder}/users-data`,
      'a/../../precious',
      'UPPER',
      'x'.repeat(300),
      '__proto__',
    ];
    const entries = Object.fromEntries([...names, 'pvc-1'].map((name) => [name, 'asked']));
    assert.deepEqual(await answerTo(JSON.stringify(entries)), { 'pvc-1': 'done' });
    assert.deepEqual([await precious(), await isThere(join(folder, 'kubelet/precious'))], ['x', true]);
    for (const text of ['', 'nonsense', 'null', '7', '["pvc-1"]', '{"pvc-1":{}}', '{"pvc-1":null}']) {
      const metadata = { name: 'n1', annotations: { [localPathRemovalsAnnotation]: text } };
      assert.deepEqual([...removalsOf({ metadata } as unknown as Node)], [], text);
    }
  });
});
