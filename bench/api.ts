/**
 * `npm run bench -- api [--only=<part of a row's name>] [--scale=1] [--protocol=h2] [--tree=<another checkout>] [--prof=<folder>]
 * [--against=<another checkout>]`: measures what client requests over TLS cost a `tinker server` with its defaults (RBAC, all admission
 * plugins, controllers): operations per CPU-second of all its threads, and memory. Wall-clock time would depend more on the machine than on
 * the server.
 *
 * `--only=guarded` and `--only=policies` measure, in turns, a server with its defaults against one with everything on (audit at Metadata,
 * encryption of Secrets, ten webhooks that do not match, five policies that do), or with the policies alone; `--only=widgets` measures custom
 * resources.
 */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { tinkerNodeFlags } from '#lab/program.ts';
import { ServerProcess } from '#test/hostile/server-process.ts';
import { cpuSeconds } from './api/cpu-seconds.ts';
import { addPolicies, addWebhooks, guardFlags, policies } from './api/guards.ts';
import type { Load, LoadResult, LoadTarget } from './api/load.ts';
import { defineWidgets, widget, widgets } from './api/widgets.ts';

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: {
    only: { type: 'string', default: '' },
    /** Factor for the number of requests and objects. */
    scale: { type: 'string', default: '1' },
    protocol: { type: 'string', default: 'h2' },
    tree: { type: 'string' },
    prof: { type: 'string' },
    /** Flags for Node. */
    flag: { type: 'string', multiple: true, default: [] },
    /** Another checkout, or the same one with other flags for Node. Both are measured in turns. */
    against: { type: 'string' },
    'against-flag': { type: 'string', multiple: true, default: [] },
  },
});
const scale = Number(values.scale);
/** The requests of a row are divided into this many parts, which alternate with those of the other server. */
const rounds = 8;
const protocol = values.protocol === 'h2' ? 'h2' : 'http/1.1';

const maps = '/api/v1/namespaces/default/configmaps';
const pods = '/api/v1/namespaces/default/pods';
const formats = {
  JSON: 'application/json',
  Table: 'application/json;as=Table;v=v1;g=meta.k8s.io',
  protobuf: 'application/vnd.kubernetes.protobuf',
};

const configMap = (name: string, text: string): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: `${name}-{i}`, labels: { app: 'bench', 'app.kubernetes.io/name': 'bench' }, annotations: { note: '{i}' } },
    data: Object.fromEntries(Array.from({ length: 8 }, (_, index) => [`key-${index}`, text.repeat(22)])),
  });

/** The pod names a scheduler that does not exist, so that only the API server works on it. */
const pod = JSON.stringify({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'pod-{i}', labels: { app: 'bench', 'pod-template-hash': '5d59d67564' } },
  spec: {
    schedulerName: 'nobody',
    containers: [
      {
        name: 'web',
        image: 'registry.example/web:1.2.3',
        ports: [{ name: 'http', containerPort: 8080 }],
        env: [
          { name: 'MODE', value: 'bench' },
          { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
        ],
        resources: { requests: { cpu: '100m', memory: '64Mi' }, limits: { memory: '128Mi' } },
        readinessProbe: { httpGet: { path: '/ready', port: 'http' } },
      },
    ],
  },
});

/** A server with its clients. */
class Bench {
  readonly server: ServerProcess;
  readonly #clients: Worker;

  private constructor(server: ServerProcess) {
    this.server = server;
    const { ca = '', cert = '', key = '' } = server.kubeconfig;
    const workerData: LoadTarget = { port: server.port, ca, cert, key, protocol };
    this.#clients = new Worker(new URL('./api/load.ts', import.meta.url), { workerData });
  }

  static async start(tree: string | undefined, flags: readonly string[], serverFlags: readonly string[] = []): Promise<Bench> {
    const profiling = values.prof === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.prof}`];
    const server = await ServerProcess.start(serverFlags, [...tinkerNodeFlags, ...flags, ...profiling], tree);
    const account = '/api/v1/namespaces/default/serviceaccounts/default';
    while ((await server.request('GET', account)).status !== 200) await delay(100);
    return new Bench(server);
  }

  async send(load: Load): Promise<void> {
    this.#clients.postMessage(load);
    const [result] = (await once(this.#clients, 'message')) as [LoadResult];
    if ('failure' in result) throw new Error(result.failure);
  }

  async stop(): Promise<void> {
    await this.#clients.terminate();
    await this.server.stop();
  }
}

/** The servers to measure. With `--against` these are two, measured in turns, so that other load on the machine affects both. */
class Benches {
  readonly #all: readonly Bench[];

  constructor(all: readonly Bench[]) {
    this.#all = all;
  }

  async prepare(prepare: (server: ServerProcess) => Promise<void>): Promise<void> {
    for (const { server } of this.#all) await prepare(server);
  }

  async send(load: Load): Promise<void> {
    for (const bench of this.#all) await bench.send(load);
  }

  /** Reports the number of requests per CPU-second. @returns microseconds of each, by server */
  async row(name: string, load: Load): Promise<number[]> {
    const parts = Math.min(rounds, load.count);
    const spent = this.#all.map(() => ({ cpu: 0, seconds: 0 }));
    for (let part = 0; part < parts; part++) {
      const [from, to] = [part, part + 1].map((at) => Math.floor((load.count * at) / parts)) as [number, number];
      for (const [index, bench] of this.#all.entries()) {
        const [before, beforeMs] = [cpuSeconds(bench.server.pid), performance.now()];
        await bench.send({ ...load, from, count: to - from });
        const sum = spent[index] ?? { cpu: 0, seconds: 0 };
        sum.cpu += cpuSeconds(bench.server.pid) - before;
        sum.seconds += (performance.now() - beforeMs) / 1_000;
      }
    }
    const texts = spent.map(({ cpu, seconds }) => {
      const perCpu = load.count / cpu;
      const micros = ((cpu / load.count) * 1e6).toFixed(0);
      return `${perCpu.toFixed(perCpu < 100 ? 1 : 0).padStart(7)} per CPU-second (${micros} µs each, ${(load.count / seconds).toFixed(1)} a second)`;
    });
    const micros = spent.map(({ cpu }) => (cpu / load.count) * 1e6);
    const [first = 0, second] = micros;
    const change = second === undefined ? '' : ` (${((first / second - 1) * 100).toFixed(0)} %)`;
    console.log(`${name}: ${texts.join('  against ')}${change}`);
    return micros;
  }

  memory(what: string): void {
    const texts = this.#all.map(({ server }) => `${(server.residentBytes() / (1 << 20)).toFixed(0)} MiB`);
    console.log(`${what}: ${texts.join('  against ')}`);
  }

  async stop(): Promise<void> {
    for (const bench of this.#all) await bench.stop();
  }
}

async function withServers(work: (benches: Benches) => Promise<void>): Promise<void> {
  const isCompared = values.against !== undefined || values['against-flag'].length > 0;
  const all: Bench[] = [];
  const benches = new Benches(all);
  try {
    all.push(await Bench.start(values.tree, values.flag));
    if (isCompared) all.push(await Bench.start(values.against ?? values.tree, values['against-flag']));
    await work(benches);
  } finally {
    await benches.stop();
  }
}

/** A server with its defaults against one that `prepare` has made something of. */
async function comparedWith(
  flags: readonly string[],
  prepare: (server: ServerProcess) => Promise<void>,
  work: (benches: Benches) => Promise<void>,
): Promise<void> {
  const all: Bench[] = [];
  const benches = new Benches(all);
  try {
    all.push(await Bench.start(values.tree, values.flag));
    const other = await Bench.start(values.tree, values.flag, flags);
    all.push(other);
    await prepare(other.server);
    await work(benches);
  } finally {
    await benches.stop();
  }
}

/** Creates, updates, reads and deletes of ConfigMaps. @returns microseconds of a create by 64 clients, by server */
async function single(benches: Benches): Promise<number[]> {
  const [create, body] = [{ method: 'POST', path: maps }, configMap];
  const put = (name: string, text: string): Omit<Load, 'count' | 'clients'> => ({
    method: 'PUT',
    path: `${maps}/${name}-{i}`,
    body: configMap(name, text),
  });
  const get = { method: 'GET', path: `${maps}/many-{i}` };
  // Warm up, so that V8's compilation is not measured.
  await benches.send({ ...create, body: body('warm', '0123456789'), count: scaled(3_000), clients: 64 });
  await benches.send({ ...put('warm', '9876543210'), count: scaled(2_000), clients: 64 });
  const [one, many] = [scaled(2_000), scaled(6_000)];
  const micros = await benches.row('create, 64 clients', {
    ...create,
    body: body('many', '0123456789'),
    count: many,
    clients: 64,
  });
  await benches.row('create, 1 client', { ...create, body: body('one', '0123456789'), count: one, clients: 1 });
  await benches.row('PUT, 64 clients', { ...put('many', '9876543210'), count: many, clients: 64 });
  await benches.row('PUT, 1 client', { ...put('one', '9876543210'), count: one, clients: 1 });
  await benches.send({ ...get, count: Math.min(2_000, many), clients: 64 });
  await benches.row('GET, 64 clients', { ...get, count: many, clients: 64 });
  await benches.row('GET, 1 client', { ...get, count: one, clients: 1 });
  await benches.row('delete, 64 clients', { method: 'DELETE', path: `${maps}/many-{i}`, count: many, clients: 64 });
  return micros;
}

const scaled = (count: number): number => Math.max(64, Math.round(count * scale));

const parts: Record<string, () => Promise<void>> = {
  /** Single objects of 2 KB. */
  writes: () => withServers(async (benches) => void (await single(benches))),
  lists: () =>
    withServers(async (benches) => {
      const count = scaled(5_300);
      const tenth = configMap('some', '0123456789').replace('"bench"', '"tenth"');
      await benches.send({ method: 'POST', path: maps, body: configMap('map', '0123456789'), count: count * 0.9, clients: 64 });
      await benches.send({ method: 'POST', path: maps, body: tenth, count: count * 0.1, clients: 64 });
      const list = { method: 'GET', path: maps, clients: 4 };
      for (const [name, accept] of Object.entries(formats)) {
        await benches.send({ ...list, accept, count: 8 });
        await benches.row(`list of ${count} ConfigMaps as ${name}`, { ...list, accept, count: 40 });
      }
      await benches.row(`list of a tenth by label`, { ...list, path: `${maps}?labelSelector=app%3Dtenth`, count: 100 });
      await benches.row('deletecollection of them all', { method: 'DELETE', path: maps, count: 1, clients: 1 });
    }),
  /** Everything on that looks at requests. */
  guarded: async () => {
    const { flags, remove } = guardFlags();
    const prepare = async (server: ServerProcess): Promise<void> => {
      await addWebhooks(server);
      await addPolicies(server);
    };
    try {
      await comparedWith(flags, prepare, async (benches) => {
        await single(benches);
        const secret = JSON.stringify({
          apiVersion: 'v1',
          kind: 'Secret',
          metadata: { name: 's-{i}' },
          stringData: { a: 'x'.repeat(1_500) },
        });
        const secrets = { method: 'POST', path: '/api/v1/namespaces/default/secrets', body: secret };
        await benches.row('create of Secrets, 64 clients', { ...secrets, count: scaled(4_000), clients: 64 });
      });
    } finally {
      remove();
    }
  },
  policies: () =>
    comparedWith([], addPolicies, async (benches) => {
      const [without = 0, withThem = 0] = await single(benches);
      console.log(`a policy: ${((withThem - without) / policies).toFixed(1)} µs of a create by 64 clients`);
    }),
  widgets: () =>
    withServers(async (benches) => {
      await benches.prepare(defineWidgets);
      const count = scaled(10_000);
      const create = { method: 'POST', path: widgets, body: widget('0123456789'), clients: 64 };
      await benches.row('create of custom resources, 64 clients', { ...create, count });
      const put = { method: 'PUT', path: `${widgets}/widget-{i}`, body: widget('9876543210') };
      await benches.row('PUT of custom resources, 64 clients', { ...put, count, clients: 64 });
      await benches.row(`list of ${count} custom resources`, { method: 'GET', path: widgets, count: 20, clients: 4 });
      const watch = `${widgets}?watch=1&resourceVersion=0&timeoutSeconds=2`;
      await benches.row(`watch of ${count} custom resources from their beginning`, {
        method: 'GET',
        path: watch,
        count: 16,
        clients: 4,
      });
    }),
  pods: () =>
    withServers(async (benches) => {
      await delay(10_000);
      benches.memory('idle');
      for (const [count, from] of [
        [scaled(10_000), 0],
        [scaled(50_000), scaled(10_000)],
      ] as const) {
        const body = pod.replace('pod-{i}', `pod-${from}-{i}`);
        await benches.row(`create of pods, 64 clients`, { method: 'POST', path: pods, body, count: count - from, clients: 64 });
        benches.memory(`${count} pods, at the load's end`);
        const list = { method: 'GET', path: pods, clients: 2 };
        for (const [name, accept] of Object.entries(formats)) {
          await benches.send({ ...list, accept, count: 2 });
          await benches.row(`list of ${count} pods as ${name}`, { ...list, accept, count: from === 0 ? 20 : 4 });
        }
        benches.memory(`${count} pods, after lists`);
        await delay(120_000);
        benches.memory(`${count} pods, 120 s later`);
      }
      await benches.row('deletecollection of the pods', {
        method: 'DELETE',
        path: `${pods}?gracePeriodSeconds=0`,
        count: 1,
        clients: 1,
      });
      await delay(120_000);
      benches.memory('120 s after all were deleted');
    }),
};

for (const [name, part] of Object.entries(parts)) if (name.includes(values.only)) await part();
