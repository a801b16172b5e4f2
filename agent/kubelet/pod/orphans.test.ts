import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { pino } from 'pino';
import { kubeletPaths, type Paths } from '../paths.ts';
import { createOrphans, type Orphans, type OrphansDeps } from './orphans.ts';

const pod = { uid: 'uid-1', name: 'web', namespace: 'shop' };

describe('a pod that is no longer in the API', () => {
  let folder: string;
  let paths: Paths;
  let calls: string[];
  let stopped: () => void;
  let orphans: Orphans;
  let refusal: Error | undefined;
  let told: string[];
  let listed: Map<string, typeof pod>;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'orphans-'));
    paths = kubeletPaths(join(folder, 'data'), join(folder, 'logs'));
    await mkdir(paths.podDir(pod.uid), { recursive: true });
    await mkdir(paths.podLogDir(pod), { recursive: true });
    listed = new Map([[pod.uid, pod]]);
    calls = [];
    refusal = undefined;
    told = [];
    const { promise: stop, resolve } = Promise.withResolvers<void>();
    stopped = resolve;
    orphans = createOrphans({
      pleg: { pods: () => listed, relist: async () => undefined } as unknown as OrphansDeps['pleg'],
      observer: { observe: async () => ({ ...pod, sandboxes: [], containers: [] }) },
      runtime: {
        async kill(_pod: unknown, _observed: unknown, { graceSeconds }: { graceSeconds?: number }) {
          calls.push(`kill ${graceSeconds}`);
          await stop;
        },
        remove: async () => void calls.push('remove'),
      } as unknown as OrphansDeps['runtime'],
      volumes: {
        tearDownOrphan: async (uid: string) => {
          calls.push('tear down');
          if (refusal !== undefined) throw refusal;
          await rm(paths.podDir(uid), { recursive: true });
        },
      } as unknown as OrphansDeps['volumes'],
      cgroups: {
        known: async () => [pod.uid],
        removeUnknown: async () => void calls.push('cgroup'),
      } as unknown as OrphansDeps['cgroups'],
      paths,
      log: pino({ level: 'warn' }, { write: (line) => void told.push(line) }),
      isKnown: () => false,
    });
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('is stopped within a second, and nobody waits for it', async () => {
    await orphans.collect();
    await orphans.collect();
    assert.deepEqual(calls, ['kill 1']);
  });

  it('leaves nothing behind once it has stopped', async () => {
    await orphans.collect();
    stopped();
    for (let names = ['']; names.length > 0; names = await readdir(paths.podLogsRoot)) await new Promise(setImmediate);
    assert.deepEqual(calls, ['kill 1', 'remove', 'tear down', 'cgroup']);
    assert.deepEqual(await readdir(paths.podsDir), []);
  });

  it('is told of in each round while its volumes are kept', async () => {
    refusal = new Error(`orphaned pod "${pod.uid}" found, but volumes are not cleaned up: /x is a mount`);
    listed.clear();
    for (const round of [1, 2]) {
      await orphans.collect();
      assert.equal(told.filter((line) => line.includes('volumes are not cleaned up: /x is a mount')).length, round);
      assert.deepEqual(await readdir(paths.podsDir), [pod.uid]);
    }
    refusal = undefined;
    await orphans.collect();
    assert.deepEqual([told.length, await readdir(paths.podsDir)], [2, []]);
  });
});
