import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import type { KubeObject } from '#api/meta.ts';
import { systemClock } from '#client/clock.ts';
import { createLeftOutReporter } from '#client/left-out.ts';
import { createAuthority, issueCertificate } from '#control/pki/certificates.ts';
import { FakeCluster } from './cluster.testing.ts';
import { parseConfiguration } from './config/configuration.ts';
import { createProfile } from './config/profile.ts';
import { node, pod } from './objects.testing.ts';
import { createScheduler } from './scheduler.ts';

type Body = Readonly<Record<string, unknown>>;
/** This answer does not come. */
const never = Symbol('never');
/** Answers by verb; a number is a status. */
type Answers = Readonly<Record<string, (body: Body) => unknown>>;

const answering =
  (answers: Answers, asked: string[]): RequestListener =>
  (request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString()));
    request.on('end', () => {
      const verb = (request.url ?? '').slice('/scheduler/'.length);
      asked.push(verb);
      const answer = answers[verb]?.(JSON.parse(text) as Body) ?? 404;
      if (answer === never) return;
      response.writeHead(typeof answer === 'number' ? answer : 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer));
    });
  };

interface World {
  cluster: FakeCluster;
  asked: string[];
  /** The pod's node, or the last message about it. */
  result(name: string): Promise<string>;
}

async function withExtender(
  answers: Answers,
  config: object,
  script: (world: World) => Promise<void>,
  tls?: { cert: string; key: string },
): Promise<void> {
  const asked: string[] = [];
  const listener = answering(answers, asked);
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const { profiles, extenders } = parseConfiguration(
    JSON.stringify({
      apiVersion: 'kubescheduler.config.k8s.io/v1',
      kind: 'KubeSchedulerConfiguration',
      extenders: [{ urlPrefix: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}/scheduler/`, ...config }],
    }),
  );
  const cluster = new FakeCluster();
  const log = pino({ level: 'silent' });
  const scheduler = createScheduler(
    {
      client: cluster.client,
      informers: cluster.informers,
      clock: systemClock,
      random: () => 0,
      log,
      events: cluster.recorder,
      leftOut: createLeftOutReporter({ events: cluster.recorder, log }),
    },
    { profiles: profiles.map(createProfile), extenders },
  );
  const abort = new AbortController();
  const running = scheduler.run(abort.signal);
  const result = async (name: string): Promise<string> => {
    for (let tries = 0; tries < 1_000; tries++) {
      const found = cluster.pod(name);
      const condition = found?.status?.conditions?.find(({ type }) => type === 'PodScheduled');
      const said = found?.spec.nodeName ?? condition?.message;
      if (said !== undefined) return said;
      await delay(10);
    }
    throw new Error(`nothing was decided about ${name}`);
  };
  try {
    await script({ cluster, asked, result });
  } finally {
    abort.abort();
    await running;
    server.close();
    server.closeAllConnections();
  }
}

const nodesOf = ({ Nodes }: Body): KubeObject[] => (Nodes as { items: KubeObject[] }).items;
const onlyNodeB: Answers = {
  filter: (body) => ({
    Nodes: { items: nodesOf(body).filter(({ metadata }) => metadata.name === 'b') },
    FailedNodes: { a: 'too loud' },
  }),
};

describe('an extender', () => {
  it('rejects nodes that the filters have left', () =>
    withExtender(onlyNodeB, { filterVerb: 'filter' }, async ({ cluster, result }) => {
      cluster.put('nodes', node('a'), node('b', { labels: { kind: 'b' } }));
      cluster.put('pods', pod('p'));
      assert.equal(await result('p'), 'b');
      cluster.put('pods', pod('q', { hostPort: 80 }));
      assert.equal(await result('q'), 'b');
      cluster.put('pods', pod('r', { hostPort: 80 }));
      const message = await result('r');
      assert.match(message, /^0\/2 nodes are available: 1 node\(s\) didn't have free ports .*, 1 too loud\./);
    }));

  it('is told names when it knows the nodes itself, and its fields are read in any case', () =>
    withExtender(
      { filter: ({ NodeNames, Nodes }) => ({ nodenames: Nodes === null ? [(NodeNames as string[])[1]] : [] }) },
      { filterVerb: 'filter', nodeCacheCapable: true },
      async ({ cluster, result }) => {
        cluster.put('nodes', node('a'), node('b'));
        cluster.put('pods', pod('p'));
        assert.equal(await result('p'), 'b');
      },
    ));

  it('adds its scores, ten times and weighted', () =>
    withExtender(
      {
        prioritize: () => [
          { Host: 'b', Score: 10 },
          { Host: 'a', Score: 1 },
        ],
      },
      { prioritizeVerb: 'prioritize', weight: 20, nodeCacheCapable: true },
      async ({ cluster, result }) => {
        cluster.put('nodes', node('a'), node('b', { allocatable: { cpu: '1' } }));
        cluster.put('pods', pod('p', { cpu: '500m' }));
        assert.equal(await result('p'), 'b');
      },
    ));

  it('whose scores cannot be had is left out', () =>
    withExtender({ prioritize: () => 500 }, { prioritizeVerb: 'prioritize', weight: 1 }, async ({ cluster, result }) => {
      cluster.put('nodes', node('a'), node('b'));
      cluster.put('pods', pod('p'));
      assert.equal(await result('p'), 'a');
    }));

  it('that fails to filter is an error, unless it may be ignored', async () => {
    for (const ignorable of [false, true])
      await withExtender(
        { filter: () => ({ Error: 'no idea' }) },
        { filterVerb: 'filter', ignorable },
        async ({ cluster, result }) => {
          cluster.put('nodes', node('a'));
          cluster.put('pods', pod('p'));
          assert.equal(await result('p'), ignorable ? 'a' : 'no idea');
        },
      );
  });

  it('that does not answer in its time is an error', () =>
    withExtender({ filter: () => never }, { filterVerb: 'filter', httpTimeout: '100ms' }, async ({ cluster, result }) => {
      cluster.put('nodes', node('a'));
      cluster.put('pods', pod('p'));
      assert.match(await result('p'), /did not answer in time/);
    }));

  it('is asked about pods with its resources only, which NodeResourcesFit may leave to it', () =>
    withExtender(
      onlyNodeB,
      { filterVerb: 'filter', managedResources: [{ name: 'example.com/noise', ignoredByScheduler: true }] },
      async ({ cluster, asked, result }) => {
        cluster.put('nodes', node('a'), node('b'));
        cluster.put('pods', pod('p'));
        assert.deepEqual([await result('p'), asked], ['a', []]);
        const wanting = pod('q');
        const [container] = wanting.spec.containers;
        const resources = { requests: { 'example.com/noise': '1' }, limits: { 'example.com/noise': '1' } };
        cluster.put('pods', { ...wanting, spec: { ...wanting.spec, containers: [{ ...container, resources }] } } as KubeObject);
        assert.deepEqual([await result('q'), asked], ['b', ['filter']]);
      },
    ));

  it('binds in place of the scheduler', () =>
    withExtender(
      { bind: ({ PodName, Node }) => ({ Error: `no ${PodName} on ${Node}` }) },
      { bindVerb: 'bind' },
      async ({ cluster, result }) => {
        cluster.put('nodes', node('a'));
        cluster.put('pods', pod('p'));
        assert.equal(await result('p'), 'no p on a');
      },
    ));

  it('chooses among the victims of preemption', () =>
    withExtender(
      {
        preempt: ({ NodeNameToMetaVictims }) => ({
          NodeNameToMetaVictims: { b: (NodeNameToMetaVictims as Record<string, unknown>)['b'] },
        }),
      },
      { preemptVerb: 'preempt', nodeCacheCapable: true },
      async ({ cluster, result }) => {
        cluster.put('nodes', node('a'), node('b'));
        cluster.put(
          'pods',
          pod('on-a', { cpu: '4', nodeName: 'a' }),
          pod('on-b', { cpu: '4', nodeName: 'b', priority: 5 }),
          pod('p', { cpu: '4', priority: 10 }),
        );
        await result('p');
        assert.deepEqual(
          ['on-a', 'on-b'].map((name) => cluster.pod(name)?.metadata.deletionTimestamp !== undefined),
          [false, true],
        );
      },
    ));

  it('is asked over TLS, and known by its authority', async () => {
    const now = Date.now();
    const [ca, other] = [await createAuthority(now), await createAuthority(now)];
    const { certificate, key } = await issueCertificate(
      ca,
      { commonName: 'extender', usage: 'server', ipAddresses: ['127.0.0.1'] },
      now,
    );
    for (const { authority, reason } of [
      { authority: ca, reason: undefined },
      { authority: other, reason: /certificate/ },
    ]) {
      const tlsConfig = { caData: Buffer.from(authority.certificate).toString('base64') };
      await withExtender(
        onlyNodeB,
        { filterVerb: 'filter', enableHTTPS: true, tlsConfig },
        async ({ cluster, result }) => {
          cluster.put('nodes', node('a'), node('b'));
          cluster.put('pods', pod('p'));
          const said = await result('p');
          if (reason === undefined) assert.equal(said, 'b');
          else assert.match(said, reason);
        },
        { cert: certificate, key },
      );
    }
  });
});
