/**
 * `npm run bench -- controllers [--only=<part of a workload's name>] [--share=1] [--tree=<checkout>] [--requests]`: measures how
 * long a whole `tinker server` takes for tasks with much work for its controllers, and their cost in CPU and memory. This process simulates
 * the kubelets; the scheduler does not handle the pods. With `--requests`, it counts the requests to the server, too.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { isPodReady, isPodTerminal } from '#api/pod/conditions.ts';
import type { ResourceId } from '#api/resources.ts';
import type { Pod } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import { systemClock } from '#client/clock.ts';
import { createInformers, type Informers } from '#client/informers.ts';
import { createClient } from '#client/rest-client.ts';
import { tinkerNodeFlags } from '#lab/program.ts';
import { ServerProcess } from '#test/hostile/server-process.ts';

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: {
    only: { type: 'string', default: '' },
    share: { type: 'string', default: '1' },
    tree: { type: 'string' },
    prof: { type: 'string' },
    requests: { type: 'boolean', default: false },
  },
});
const share = Number(values.share);
const scaled = (count: number): number => Math.max(1, Math.round(count * share));
const namespace = 'bench';
const ticksPerSecond = 100;
/** Number of concurrent requests. */
const atOnce = 32;

interface Bench {
  client: Client;
  informers: Informers;
  /** Starts the simulated kubelets, which give every pod this result. */
  play(pods: 'ready' | 'succeeded'): void;
}

interface BenchWorkload {
  name: string;
  /** Prepares the measurement. */
  prepare?(bench: Bench): Promise<void>;
  /** The measured part. */
  run(bench: Bench): Promise<void>;
}

async function each(count: number, work: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

/** The first failure of a simulated kubelet. */
let failure: unknown;

async function until(what: string, check: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 1_800_000;
  while (!(await check())) {
    if (failure !== undefined) throw failure;
    if (performance.now() > endMs) throw new Error(`not within half an hour: ${what}`);
    await delay(20);
  }
}

const template = (labels: Record<string, string>, image = 'web:1', restartPolicy = 'Always') => ({
  metadata: { labels },
  spec: { schedulerName: 'nobody', restartPolicy, containers: [{ name: 'c', image, ports: [{ containerPort: 80 }] }] },
});

/** A pod needs a node to become an endpoint. */
const withNode = (pod: ReturnType<typeof template>, nodeName: string) => ({ ...pod, spec: { ...pod.spec, nodeName } });

const deployment = (name: string, replicas: number, nodeName?: string) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name, namespace },
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    template: nodeName === undefined ? template({ app: name }) : withNode(template({ app: name }), nodeName),
  },
});

const services = scaled(1000);

const workloads: readonly BenchWorkload[] = [
  {
    name: `Deployment of ${scaled(5000)} pods to all created`,
    async run({ client, informers }) {
      await client.resource('deployments.apps').create(deployment('large', scaled(5000)));
      await until('all pods', () => informers.cache('pods').list(namespace).length >= scaled(5000));
    },
  },
  {
    name: `slices of ${services} Services after a rollout`,
    async prepare(bench) {
      bench.play('ready');
      await bench.client.resource('nodes').create({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' }, spec: {} });
      await each(services, async (index) => {
        await bench.client.resource('deployments.apps').create(deployment(`web-${index}`, 1, 'n1'));
        await bench.client.resource('services').create({
          apiVersion: 'v1',
          kind: 'Service',
          metadata: { name: `web-${index}`, namespace },
          spec: { selector: { app: `web-${index}` }, ports: [{ port: 80 }] },
        });
      });
      await until('all slices', () => areServed(bench, 'web:1'));
    },
    async run(bench) {
      const body = { spec: { template: { spec: { containers: [{ name: 'c', image: 'web:2' }] } } } };
      await each(services, (index) =>
        bench.client.resource('deployments.apps').patch({ namespace, name: `web-${index}` }, { type: 'strategic', body }),
      );
      await until('all slices', () => areServed(bench, 'web:2'));
    },
  },
  {
    name: `${scaled(2000)} Jobs of 5 pods`,
    async run(bench) {
      bench.play('succeeded');
      const spec = { completions: 5, parallelism: 5, template: template({}, 'job', 'Never') };
      await each(scaled(2000), (index) =>
        bench.client
          .resource('jobs.batch')
          .create({ apiVersion: 'batch/v1', kind: 'Job', metadata: { name: `job-${index}`, namespace }, spec }),
      );
      const jobs = bench.informers.cache('jobs.batch');
      await until('all complete', () => {
        const all = jobs.list(namespace);
        return all.length >= scaled(2000) && all.every(({ status }) => status?.completionTime !== undefined);
      });
    },
  },
  {
    name: `deletion of a namespace with ${scaled(20_000)} objects`,
    async prepare({ client }) {
      await each(scaled(10_000), (index) =>
        client
          .resource('configmaps')
          .create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `c-${index}`, namespace }, data: { a: 'b' } }),
      );
      await each(scaled(5000), (index) =>
        client
          .resource('secrets')
          .create({ apiVersion: 'v1', kind: 'Secret', metadata: { name: `s-${index}`, namespace }, stringData: { a: 'b' } }),
      );
      await each(scaled(5000), (index) =>
        client.resource('pods').create({
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { name: `p-${index}`, namespace },
          spec: template({}).spec,
        }),
      );
    },
    async run({ client }) {
      await client.resource('namespaces').delete({ name: namespace });
      await until(
        'it is gone',
        async () =>
          (await client.resource('namespaces').list({ fieldSelector: `metadata.name=${namespace}` })).items.length === 0,
      );
    },
  },
];

/** Whether the slices of all Services have a ready pod of this image, and no other. */
function areServed({ informers }: Bench, image: string): boolean {
  const pods = new Map(
    informers
      .cache('pods')
      .list(namespace)
      .map((pod) => [pod.metadata.name, pod.spec.containers[0]?.image]),
  );
  const slices = informers.cache('endpointslices.discovery.k8s.io').list(namespace);
  const served = slices.filter(({ endpoints = [] }) => {
    const ready = (endpoints ?? []).filter(({ conditions }) => conditions?.ready === true);
    return ready.length > 0 && ready.every(({ targetRef }) => pods.get(targetRef?.name ?? '') === image);
  });
  return served.length >= services;
}

/** Simulates the kubelets, for every pod as soon as it appears. */
function playKubelets(
  client: Client,
  informers: Informers,
  how: () => 'ready' | 'succeeded' | undefined,
  failed: (error: unknown) => void,
): void {
  const waiting: Pod[] = [];
  let working = 0;
  let address = 1;
  const statusOf = (state: 'ready' | 'succeeded') => {
    const at = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
    if (state === 'succeeded') return { phase: 'Succeeded', startTime: at };
    const ip = `10.${100 + (address >> 16)}.${(address >> 8) & 255}.${address++ & 255}`;
    return {
      phase: 'Running',
      podIP: ip,
      podIPs: [{ ip }],
      startTime: at,
      conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: at }],
    };
  };
  const one = async (pod: Pod, state: 'ready' | 'succeeded'): Promise<void> => {
    const { namespace: of = '', name } = pod.metadata;
    if (pod.metadata.deletionTimestamp !== undefined)
      await client.resource('pods').delete({ namespace: of, name }, { gracePeriodSeconds: 0 });
    else if (!isPodReady(pod) && !isPodTerminal(pod))
      await client
        .resource('pods')
        .patch({ namespace: of, name }, { type: 'strategic', body: { status: statusOf(state) } }, { subresource: 'status' });
  };
  const pump = (): void => {
    const state = how();
    if (state === undefined) {
      waiting.length = 0;
      return;
    }
    while (working < atOnce) {
      const pod = waiting.shift();
      if (pod === undefined) return;
      working++;
      void one(pod, state)
        .catch((error: unknown) => {
          if (!String(error).includes('not found')) failed(error);
        })
        .finally(() => {
          working--;
          pump();
        });
    }
  };
  const take = (pod: Pod): void => {
    if (pod.metadata.namespace !== namespace) return;
    waiting.push(pod);
    pump();
  };
  informers.informer('pods').subscribe({
    added: take,
    updated: (pod, previous) => {
      if (pod.metadata.deletionTimestamp !== undefined && previous.metadata.deletionTimestamp === undefined) take(pod);
    },
  });
}

async function measure({ name, prepare, run }: BenchWorkload): Promise<string> {
  const profiling = values.prof === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.prof}`];
  const server = await ServerProcess.start(
    ['--node-monitor-grace-period=6000s'],
    [...tinkerNodeFlags, ...profiling],
    values.tree,
  );
  const abort = new AbortController();
  failure = undefined;
  try {
    const client = createClient(server.transport, { userAgent: 'bench' });
    const informers = createInformers({ client, clock: systemClock, log: pino({ level: 'silent' }) });
    const watched: ResourceId[] = ['pods', 'jobs.batch', 'endpointslices.discovery.k8s.io'];
    for (const id of watched) informers.informer(id);
    const watching = informers.run(abort.signal);
    let state: 'ready' | 'succeeded' | undefined;
    playKubelets(
      client,
      informers,
      () => state,
      (error) => {
        if (!abort.signal.aborted) failure ??= error;
      },
    );
    await client.resource('namespaces').create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace }, spec: {} });
    await until(
      'the service account',
      async () => (await client.resource('serviceaccounts').list({ namespace })).items.length > 0,
    );
    const bench: Bench = { client, informers, play: (wanted) => void (state = wanted) };
    await prepare?.(bench);
    await server.untilIdle();
    const [startMs, cpu] = [performance.now(), cpuSeconds(server.pid)];
    await run(bench);
    const seconds = (performance.now() - startMs) / 1000;
    const used = cpuSeconds(server.pid) - cpu;
    if (values.requests) await tellRequests(server);
    abort.abort();
    await watching;
    const resident = Math.round(server.residentBytes() / 2 ** 20);
    return `${name.padEnd(52)} ${seconds.toFixed(1).padStart(7)} s ${used.toFixed(1).padStart(7)} s of CPU ${String(resident).padStart(6)} MiB`;
  } finally {
    abort.abort();
    await server.stop();
  }
}

/** The requests of the whole run, most first: what a controller asks for is what it costs. */
async function tellRequests(server: ServerProcess): Promise<void> {
  const counts = new Map<string, number>();
  const { text } = await server.request('GET', '/metrics');
  for (const [, labels = '', value] of text.matchAll(/^apiserver_request_total\{(.*)\} (\d+)$/gm)) {
    const label = (name: string): string => labels.match(new RegExp(`(?:^|,)${name}="([^"]*)"`))?.[1] ?? '';
    const request = [label('verb'), label('resource'), label('subresource'), label('code')].join(' ');
    counts.set(request, (counts.get(request) ?? 0) + Number(value));
  }
  const most = [...counts].sort(([, a], [, b]) => b - a).slice(0, 20);
  for (const [request, count] of most) console.log(`${String(count).padStart(8)} ${request}`);
}

function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

for (const workload of workloads) if (workload.name.includes(values.only)) console.log(await measure(workload));
