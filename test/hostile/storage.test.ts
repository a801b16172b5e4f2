/** Volumes and claims in numbers and of sizes that nobody needs, at a real server with its controllers; and who may touch them. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { PersistentVolume, PersistentVolumeClaim } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import { createClient } from '#client/rest-client.ts';
import { ServerProcess } from './server-process.ts';

const namespace = 'default';
/** Of each. TINKER_STORAGE_COUNT makes it more, for measurements. */
const count = Number(process.env['TINKER_STORAGE_COUNT'] ?? 800);
const atOnce = 50;

describe('volumes and claims', { timeout: 600_000 }, () => {
  let server: ServerProcess;
  let client: Client;
  before(async () => {
    server = await ServerProcess.start(['--max-mutating-requests-inflight=500']);
    client = createClient(server.transport, { userAgent: 'hostile' });
  });
  after(() => server.stop());
  /** User and system time of the whole process; the kernel counts in hundredths of a second. */
  const cpuMs = (): number => {
    const stat = readFileSync(`/proc/${server.pid}/stat`, 'utf8');
    const [user, system] = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .slice(11, 13)
      .map(Number);
    return ((user ?? 0) + (system ?? 0)) * 10;
  };
  const volumes = () => client.resource('persistentvolumes');
  const claims = () => client.resource('persistentvolumeclaims');
  const makeVolume = (name: string, storage: string, more: object = {}): Promise<PersistentVolume> =>
    volumes().create({
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name },
      spec: { accessModes: ['ReadWriteOnce'], capacity: { storage }, hostPath: { path: '/tmp/x' }, ...more },
    });
  const makeClaim = (name: string, storage: string, more: object = {}): Promise<PersistentVolumeClaim> =>
    claims().create({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name, namespace },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } }, ...more },
    });
  async function many(make: (at: number) => Promise<unknown>): Promise<void> {
    let next = 0;
    const work = async (): Promise<void> => {
      while (next < count) await make(next++);
    };
    await Promise.all(Array.from({ length: atOnce }, work));
  }
  async function until<T>(what: string, seconds: number, check: () => Promise<T | undefined>): Promise<T> {
    for (const endMs = Date.now() + seconds * 1000; Date.now() < endMs; await delay(200)) {
      const found = await check();
      if (found !== undefined) return found;
      server.assertAlive();
    }
    throw new Error(`not within ${seconds} s: ${what}`);
  }
  const boundOf = async (storageClassName: string): Promise<PersistentVolumeClaim[]> =>
    (await claims().list({ namespace })).items.filter(
      ({ spec, status }) => spec.storageClassName === storageClassName && status?.phase === 'Bound',
    );

  it('in thousands are bound one to one, and others are served meanwhile', async () => {
    const [crowd, startMs] = [{ storageClassName: 'crowd' }, Date.now()];
    await many((at) => makeVolume(`crowd-${at}`, `${1 + (at % 100)}Gi`, crowd));
    await many((at) => makeClaim(`crowd-${at}`, `${1 + (at % 100)}Gi`, crowd));
    const madeMs = Date.now();
    let slowestMs = 0;
    const bound = await until('all are bound', 400, async () => {
      const askedMs = Date.now();
      await client.resource('namespaces').get({ name: namespace });
      slowestMs = Math.max(slowestMs, Date.now() - askedMs);
      const found = await boundOf('crowd');
      return found.length === count ? found : undefined;
    });
    assert.equal(new Set(bound.map(({ spec }) => spec.volumeName)).size, count);
    // Each got one of its very size: the smallest that is large enough.
    for (const { spec, status } of bound) assert.equal(status?.capacity?.['storage'], spec.resources?.requests?.['storage']);
    assert.ok(slowestMs < 3_000, `${slowestMs} ms`);
    if (process.env['TINKER_STORAGE_COUNT'] !== undefined)
      console.log({
        madeMs: madeMs - startMs,
        boundMs: Date.now() - madeMs,
        slowestMs,
        residentMiB: server.residentBytes() / 2 ** 20,
      });
  });

  it('without volumes, in thousands, wait, and cost little', async () => {
    await many((at) => makeClaim(`vain-${at}`, '1Gi', { storageClassName: 'vain' }));
    const told = async (): Promise<true | undefined> => {
      const { items } = await client.resource('events').list({ namespace, fieldSelector: 'reason=ProvisioningFailed' });
      return items.length >= Math.min(count, 1_000) || undefined;
    };
    await until('they are told', 120, told);
    await server.untilIdle();
    const cpu = cpuMs();
    // Each is looked at again every 15 s.
    await delay(20_000);
    const spentMs = cpuMs() - cpu;
    if (process.env['TINKER_STORAGE_COUNT'] !== undefined) console.log({ spentMs });
    assert.ok(spentMs < 3_000, `${spentMs} ms of CPU in 20 s`);
    server.assertAlive();
  });

  it('of 2^62 bytes, and of more than all numbers hold', async () => {
    const sizes = [`${2n ** 62n}`, `${2n ** 63n - 1n}`, '1e30', '8E'];
    for (const [at, size] of sizes.entries()) {
      const only = { storageClassName: `vast-${at}` };
      await makeVolume(`vast-${at}`, size, only);
      await makeClaim(`vast-${at}`, size, only);
      const claim = await until(size, 30, async () => (await boundOf(only.storageClassName))[0]);
      assert.equal(claim.status?.capacity?.['storage'], claim.spec.resources?.requests?.['storage']);
    }
  });

  it('with an absurd node affinity are volumes like others', async () => {
    const values = Array.from({ length: 200 }, (_, at) => `v${at}`);
    const term = (at: number): object => ({
      matchExpressions: [
        { key: `example.com/k${at}`, operator: 'In', values },
        { key: 'a', operator: 'Gt', values: ['9223372036854775807'] },
        { key: 'constructor', operator: 'DoesNotExist' },
      ],
    });
    const nodeSelectorTerms = Array.from({ length: 100 }, (_, at) => term(at));
    const only = { storageClassName: 'absurd' };
    await makeVolume('absurd', '1Gi', { ...only, nodeAffinity: { required: { nodeSelectorTerms } } });
    await makeClaim('absurd', '1Gi', only);
    await until('it is bound', 30, async () => (await boundOf('absurd'))[0]);
  });

  it('are nothing for an account without rights, and the provisioner has its own and no more', async () => {
    const volume = { apiVersion: 'v1', kind: 'PersistentVolume', metadata: { name: 'x' }, spec: {} };
    const annotated = { metadata: { annotations: { 'tinkernetes.io/local-path-removals': '{"crowd-1":"asked"}' } } };
    const asks: [verb: string, path: string, body?: object][] = [
      ['GET', '/api/v1/persistentvolumes'],
      ['GET', '/api/v1/persistentvolumes/crowd-1'],
      ['POST', '/api/v1/persistentvolumes', volume],
      ['PATCH', '/api/v1/persistentvolumes/crowd-1', { spec: { claimRef: { uid: 'mine' } } }],
      ['DELETE', '/api/v1/persistentvolumes/crowd-1'],
      ['GET', '/api/v1/namespaces/default/persistentvolumeclaims'],
      ['PATCH', '/api/v1/namespaces/default/persistentvolumeclaims/crowd-1/status', { status: { phase: 'Lost' } }],
      ['PATCH', '/api/v1/nodes/n1', annotated],
      ['GET', '/apis/storage.k8s.io/v1/storageclasses'],
      ['POST', '/apis/storage.k8s.io/v1/storageclasses', {}],
    ];
    const status = async (account: string, [method, path, body]: (typeof asks)[number]): Promise<number> => {
      const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
      const headers = { 'impersonate-user': `system:serviceaccount:${account}`, 'content-type': type };
      const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
      const response = await server.transport({ method, path, headers, body: bytes });
      for await (const _ of response.body);
      return response.status;
    };
    for (const ask of asks) assert.equal(await status('default:nobody', ask), 403, `${ask[0]} ${ask[1]}`);
    const foreign: typeof asks = [
      ['GET', '/api/v1/secrets'],
      ['GET', '/api/v1/pods'],
      ['POST', '/api/v1/namespaces/default/pods', {}],
      ['PATCH', '/api/v1/nodes/n1/status', {}],
      ['DELETE', '/api/v1/nodes/n1'],
      ['DELETE', '/api/v1/namespaces/default/persistentvolumeclaims/crowd-1'],
      ['POST', '/apis/storage.k8s.io/v1/storageclasses', {}],
    ];
    for (const ask of foreign) assert.equal(await status('kube-system:local-path-provisioner', ask), 403, `${ask[0]} ${ask[1]}`);
    assert.equal(await status('kube-system:local-path-provisioner', ['GET', '/api/v1/persistentvolumes/crowd-1']), 200);
  });

  it('leave no error in the log', () => assert.deepEqual(server.problems(), []));
});
