/** The Leases of a real server: who writes into them, and what its end and its crash leave of them. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { until as untilWithin } from '#lab/until.ts';
import { ServerProcess } from './server-process.ts';

const lease = (name: string): string => `/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/${name}`;
const names = ['kube-controller-manager', 'kube-scheduler'] as const;

describe('leadership of a server', () => {
  let server: ServerProcess;
  before(async () => {
    server = await ServerProcess.start([
      '--leader-elect-lease-duration=4s',
      '--leader-elect-renew-deadline=3s',
      '--leader-elect-retry-period=500ms',
    ]);
  });
  after(() => server.stop());

  const holder = async (name: string): Promise<string | undefined> => {
    const { text } = await server.request('GET', lease(name));
    return (JSON.parse(text) as { spec?: { holderIdentity?: string } }).spec?.holderIdentity;
  };
  const masters = async (): Promise<string[]> => {
    const { text } = await server.request('GET', '/metrics');
    return [...text.matchAll(/^leader_election_master_status\{name="([\w-]+)"\} 1$/gm)].map(([, name = '']) => name).sort();
  };
  const until = (what: string, check: () => Promise<boolean>): Promise<true> =>
    untilWithin(what, check, { timeoutMs: 30_000, everyMs: 100 });
  /** Somebody who may write Leases puts this into one; the leader writes it every half second, too. */
  const overwrite = (name: string, spec: object): Promise<true> =>
    until(`${name} is overwritten`, async () => {
      const held = JSON.parse((await server.request('GET', lease(name))).text) as { spec: object };
      return (await server.request('PUT', lease(name), { ...held, spec })).status === 200;
    });
  const leads = (): Promise<boolean> => masters().then((found) => found.length === names.length);
  /** Whether the namespace gets what a controller makes in it. */
  const works = async (namespace: string): Promise<boolean> => {
    await server.request('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
    return (await server.request('GET', `/api/v1/namespaces/${namespace}/serviceaccounts/default`)).status === 200;
  };

  it('leads, and does so again at once after a crash', async () => {
    await until('it leads', leads);
    const [identity] = await Promise.all(names.map(holder));
    assert.match(identity ?? '', /^.+_[0-9a-f-]{36}$/);
    await server.restart('SIGKILL');
    await until('it leads again', leads);
    assert.deepEqual(await Promise.all(names.map(holder)), [identity, identity]);
    const { text } = await server.request('GET', lease(names[0]));
    assert.equal((JSON.parse(text) as { spec: { leaseTransitions: number } }).spec.leaseTransitions, 0, 'nobody else has led');
    await until('controllers work', () => works('after-crash'));
  });

  it('serves the metrics of its controllers under upstream names', async () => {
    const { text } = await server.request('GET', '/metrics');
    for (const line of [
      /^workqueue_adds_total\{name="replicaset"\} \d+$/m,
      /^running_managed_controllers\{name="job-controller",manager="kube-controller-manager"\} 1$/m,
      /^root_ca_cert_publisher_sync_total\{code="200"\} \d+$/m,
      /^# TYPE job_controller_jobs_finished_total counter$/m,
      /^# TYPE node_collector_zone_size gauge$/m,
      /^# TYPE resourceclaim_controller_creates_total counter$/m,
      /^endpoint_slice_controller_num_endpoint_slices \d+$/m,
      /^# TYPE scheduler_schedule_attempts_total counter$/m,
    ])
      assert.match(text, line);
  });

  it('has given the leases up after an orderly end', async () => {
    await server.restart('SIGTERM');
    await until('it leads again', leads);
    const { text } = await server.request('GET', lease(names[0]));
    // From nobody to itself.
    assert.equal((JSON.parse(text) as { spec: { leaseTransitions: number } }).spec.leaseTransitions, 1);
  });

  it('stops its controllers when somebody takes the lease, goes on serving, and takes it back when it has run out', async () => {
    for (const name of names) await overwrite(name, { holderIdentity: 'thief', leaseDurationSeconds: 6 });
    await until('it has stopped', async () => (await masters()).length === 0);
    assert.equal(await works('thieves'), false);
    await until('it leads again', leads);
    await until('controllers work', () => works('thieves'));
    server.assertAlive();
    assert.deepEqual(
      server.problems().filter((line) => !line.includes('lost the lease')),
      [],
    );
  });

  it('survives leases that are deleted or filled with nonsense', async () => {
    for (const name of names) await overwrite(name, {});
    await until('it leads', leads);
    for (const name of names) assert.equal((await server.request('DELETE', lease(name))).status, 200);
    await until('the leases are there again', async () =>
      (await Promise.all(names.map(holder))).every((one) => one?.includes('_') === true),
    );
    await until('controllers work', () => works('after-nonsense'));
    server.assertAlive();
  });
});
