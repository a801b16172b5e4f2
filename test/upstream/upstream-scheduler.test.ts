/**
 * Side by side: generated pods are placed by upstream's own kube-scheduler, an unmodified client of our API server, and by ours on the same objects.
 * Wherever upstream's choice is no tie, both choose the same node; where a pod fits nowhere, both say the same.
 *
 * `TINKER_UPSTREAM_SCHEDULER=<path of kube-scheduler 1.36> [TINKER_SEEDS=20] node --test test/upstream/upstream-scheduler.test.ts`
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import type { KubeObject } from '#api/meta.ts';
import type { ResourceId } from '#api/resources.ts';
import type { Pod } from '#api/types.generated.ts';
import { FakeClock, systemClock } from '#client/clock.ts';
import { createLeftOutReporter } from '#client/left-out.ts';
import { startTestServer, type TestServer } from '#control/apiserver/api-server.testing.ts';
import { bootstrapRoles } from '#control/apiserver/authorization/rbac/bootstrap-roles.ts';
import { defaultPolicy } from '#control/apiserver/authorization/rbac/policy/default-policy.ts';
import { listen } from '#control/apiserver/serving/listener.ts';
import { silentLog } from '#control/apiserver/serving/server-log.ts';
import { createAuthority, issueCertificate } from '#control/pki/certificates.ts';
import { FakeCluster } from '#control/scheduler/cluster.testing.ts';
import type { Decision } from '#control/scheduler/decision-log.ts';
import { createScheduler } from '#control/scheduler/scheduler.ts';
import { type GeneratedCluster, generateCluster } from './generated-cluster.testing.ts';

const binary = process.env['TINKER_UPSTREAM_SCHEDULER'] ?? '';
const skip =
  binary === '' &&
  'needs upstream: TINKER_UPSTREAM_SCHEDULER=<path of kube-scheduler 1.36> node --test test/upstream/upstream-scheduler.test.ts';
const firstSeed = Number(process.env['TINKER_FIRST_SEED'] ?? 1);
const seeds = Number(process.env['TINKER_SEEDS'] ?? 5);
const namespaces = ['default', 'other'];
const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** Under which path and id the objects of a kind are. */
const kinds: readonly [id: ResourceId, path: string][] = [
  ['namespaces', '/api/v1/namespaces'],
  ['nodes', '/api/v1/nodes'],
  ['pods', '/api/v1/pods'],
  ['services', '/api/v1/services'],
  ['replicasets.apps', '/apis/apps/v1/replicasets'],
  ['statefulsets.apps', '/apis/apps/v1/statefulsets'],
  ['persistentvolumes', '/api/v1/persistentvolumes'],
  ['persistentvolumeclaims', '/api/v1/persistentvolumeclaims'],
  ['storageclasses.storage.k8s.io', '/apis/storage.k8s.io/v1/storageclasses'],
  ['csinodes.storage.k8s.io', '/apis/storage.k8s.io/v1/csinodes'],
];

describe("upstream's scheduler and ours", { skip, timeout: 1_800_000 }, () => {
  let api: TestServer;
  let folder = '';
  const stop = new AbortController();
  let serving: Promise<void>;
  let upstream: ChildProcess | undefined;
  const said: string[] = [];

  before(async () => {
    api = await startTestServer({
      modes: ['RBAC'],
      namespaces: [...namespaces, 'kube-system', 'kube-public'],
      // Nobody makes service accounts here, and no kubelet takes the taint of a new node away.
      admissionPlugins: { enable: [], disable: ['ServiceAccount', 'TaintNodesByCondition'] },
    });
    await bootstrapRoles(api.client, defaultPolicy(), systemClock, silentLog, stop.signal);
    const now = Date.now();
    const ca = await createAuthority(now);
    const server = await issueCertificate(ca, { commonName: 'kube-apiserver', usage: 'server', ipAddresses: ['127.0.0.1'] }, now);
    const user = await issueCertificate(ca, { commonName: 'system:kube-scheduler', usage: 'client' }, now);
    const options = { host: '127.0.0.1', port: 0, certificate: server.certificate, key: server.key, clientCa: ca.certificate };
    const listener = await listen(api.server, { ...options, graceMs: 1000 }, silentLog);
    serving = listener.run(stop.signal);
    folder = await mkdtemp(join(tmpdir(), 'upstream-scheduler-'));
    const kubeconfig = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'x',
      contexts: [{ name: 'x', context: { cluster: 'x', user: 'x' } }],
      clusters: [
        {
          name: 'x',
          cluster: { server: `https://127.0.0.1:${listener.port}`, 'certificate-authority-data': base64(ca.certificate) },
        },
      ],
      users: [{ name: 'x', user: { 'client-certificate-data': base64(user.certificate), 'client-key-data': base64(user.key) } }],
    };
    await writeFile(join(folder, 'config'), JSON.stringify(kubeconfig));
    const flags = ['--secure-port=0', '--leader-elect=true', '--kube-api-qps=1000', '--kube-api-burst=1000'];
    upstream = spawn(binary, [`--kubeconfig=${join(folder, 'config')}`, ...flags], { stdio: ['ignore', 'ignore', 'pipe'] });
    upstream.stderr?.on('data', (chunk: Buffer) => said.push(chunk.toString()));
  });

  after(async () => {
    if (upstream !== undefined) {
      const ended = once(upstream, 'exit');
      upstream.kill();
      await ended;
    }
    stop.abort();
    await serving;
    await api.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const create = async (path: string, object: object): Promise<void> => {
    const { status, text } = await api.request('POST', path, object);
    assert.equal(status, 201, `${text}\n${JSON.stringify(object)}`);
  };

  async function removeAll(): Promise<void> {
    for (const [id, path] of kinds) {
      if (id === 'namespaces') continue;
      const { json } = await api.request('GET', path);
      for (const { metadata } of json.items) {
        const at = metadata.namespace === undefined ? path : path.replace(/\/(\w+)$/, `/namespaces/${metadata.namespace}/$1`);
        await api.request('DELETE', `${at}/${metadata.name}`, { gracePeriodSeconds: 0, propagationPolicy: 'Background' });
        // Nobody here takes the finalizers of volumes and claims away.
        await api.request(
          'PATCH',
          `${at}/${metadata.name}`,
          { metadata: { finalizers: null } },
          { 'content-type': 'application/merge-patch+json' },
        );
      }
    }
  }

  async function build({ nodes, placed, others }: GeneratedCluster): Promise<void> {
    for (const [path, object] of others) await create(path, object);
    for (const node of nodes) await create('/api/v1/nodes', node);
    for (const pod of placed) await create(`/api/v1/namespaces/${pod.metadata.namespace}/pods`, pod);
    // All of it has to be in the scheduler's caches.
    await delay(700);
  }

  /** What upstream says of the pod: the pod with its node, or with its condition. */
  async function placedByUpstream({ metadata }: Pod): Promise<Pod> {
    for (let tries = 0; tries < 3_000; tries++) {
      const { json } = await api.request('GET', `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}`);
      const pod = json as unknown as Pod;
      const condition = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
      if (pod.spec.nodeName !== undefined || condition?.status === 'False') return pod;
      await delay(10);
    }
    throw new Error(`upstream's scheduler did not decide: ${said.slice(-20).join('')}`);
  }

  /** Our decision on the same objects. */
  async function decidedByUs(pod: Pod): Promise<Decision> {
    const cluster = new FakeCluster();
    for (const [id, path] of kinds) {
      const { json } = await api.request('GET', path);
      const items = (json.items as unknown as KubeObject[]).filter(({ metadata }) => metadata.uid !== pod.metadata.uid);
      const { apiVersion, kind } = json;
      cluster.put(id, ...items.map((item) => ({ ...item, apiVersion, kind: kind.replace(/List$/, '') })));
    }
    const clock = new FakeClock();
    const log = pino({ level: 'silent' });
    const scheduler = createScheduler({
      client: cluster.client,
      informers: cluster.informers,
      clock,
      random: () => 0,
      log,
      events: cluster.recorder,
      leftOut: createLeftOutReporter({ events: cluster.recorder, log }),
    });
    const abort = new AbortController();
    const running = scheduler.run(abort.signal);
    await clock.advance(0);
    cluster.put('pods', pod);
    await clock.advance(0);
    abort.abort();
    await running;
    const [decision] = scheduler.decisions(`${pod.metadata.namespace}/${pod.metadata.name}`);
    assert.ok(decision !== undefined, 'ours did not decide');
    return decision;
  }

  function compare(byUpstream: Pod, ours: Decision): void {
    const { nodeName } = byUpstream.spec;
    const told = (): string =>
      JSON.stringify(
        { upstream: nodeName ?? byUpstream.status?.conditions, ours, pod: byUpstream.spec, labels: byUpstream.metadata.labels },
        null,
        1,
      );
    if (nodeName === undefined) {
      const message = byUpstream.status?.conditions?.find(({ type }) => type === 'PodScheduled')?.message;
      assert.ok(ours.outcome.kind !== 'scheduled', told());
      assert.equal(ours.outcome.message, message, told());
      return;
    }
    assert.equal(ours.outcome.kind, 'scheduled', told());
    const highest = Math.max(...ours.nodes.map(({ total }) => total ?? Number.NEGATIVE_INFINITY));
    const best = ours.nodes.filter(({ total, rejection }) => rejection === undefined && (total ?? highest) === highest);
    assert.ok(
      best.some(({ node }) => node === nodeName),
      told(),
    );
  }

  for (let seed = firstSeed; seed < firstSeed + seeds; seed++)
    it(`agree on seed ${seed}`, async () => {
      const generated = generateCluster(seed);
      await removeAll();
      await build(generated);
      for (const pending of generated.pending) {
        const { namespace } = pending.metadata;
        await create(`/api/v1/namespaces/${namespace}/pods`, pending);
        const byUpstream = await placedByUpstream(pending);
        const { nodeName: _, ...spec } = byUpstream.spec;
        compare(byUpstream, await decidedByUs({ ...byUpstream, spec, status: { phase: 'Pending' } } as Pod));
        // A pod that waits may be placed later, when others are being compared.
        if (byUpstream.spec.nodeName === undefined)
          await api.request('DELETE', `/api/v1/namespaces/${namespace}/pods/${pending.metadata.name}`, { gracePeriodSeconds: 0 });
      }
    });

  it('and upstream’s has nothing to complain about', () => {
    const complaints = said
      .join('')
      .split('\n')
      .filter((line) => /^E\d/.test(line) && !expected.some((pattern) => pattern.test(line)));
    assert.deepEqual(complaints, []);
  });
});

/** What upstream logs as an error by design. */
const expected: readonly RegExp[] = [
  /The manifest file is empty, ignoring/,
  // A plugin refused all nodes before DynamicResources was prepared.
  /Status after running PostFilter plugins for pod.*status="not found"/,
];
