/**
 * `npm run bench -- scheduler [--nodes=100,1000,5000] [--only=<part of a workload's name>] [--server] [--share=1]`: pods bound per second,
 * and per second of CPU, for the workloads of upstream's scheduler_perf. By default it runs the scheduler alone on an in-memory cluster;
 * with `--server` a whole `tinker server` (API server, store, controllers, scheduler) over HTTPS. Resident memory is that of the process at
 * the end. `--share` reduces the number of pods.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { systemClock } from '#client/clock.ts';
import { createLeftOutReporter } from '#client/left-out.ts';
import { createScheduler } from '#control/scheduler/scheduler.ts';
import { tinkerNodeFlags } from '#lab/program.ts';
import { ServerProcess } from '#test/hostile/server-process.ts';
import { HollowCluster } from './scheduler/hollow-cluster.ts';
import { hollowNode, hollowPod, type PodTemplate, type Workload, workloads } from './scheduler/workloads.ts';

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: {
    nodes: { type: 'string', default: '100,1000,5000' },
    only: { type: 'string', default: '' },
    share: { type: 'string', default: '1' },
    server: { type: 'boolean', default: false },
    prof: { type: 'string' },
    tree: { type: 'string' },
  },
});
const share = Number(values.share);
const ticksPerSecond = 100;

interface Measured {
  pods: number;
  seconds: number;
  cpuSeconds: number;
  residentBytes: number;
}

async function untilTrue(what: string, check: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 1_800_000;
  while (!(await check())) {
    if (performance.now() > endMs) throw new Error(`not within half an hour: ${what}`);
    await delay(5);
  }
}

/** The scheduler alone. */
async function alone(workload: Workload, nodes: number): Promise<Measured> {
  const cluster = new HollowCluster();
  const log = pino({ level: 'silent' });
  const events = { event: () => void cluster.events++ };
  const scheduler = createScheduler({
    client: cluster.client,
    informers: cluster.informers,
    clock: systemClock,
    random: Math.random,
    log,
    events,
    leftOut: createLeftOutReporter({ events, log }),
  });
  const abort = new AbortController();
  for (const name of ['sched-0', 'sched-1'])
    cluster.add('namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } } as never);
  for (let index = 0; index < nodes; index++) cluster.add('nodes', hollowNode(index, workload.zones));
  const running = scheduler.run(abort.signal);
  let made = 0;
  const place = async (count: number, template: PodTemplate): Promise<void> => {
    const target = cluster.bound + count;
    for (let index = 0; index < count; index++) {
      cluster.add('pods', hollowPod(`pod-${made++}`, template));
      if (index % 100 === 99) await delay(0);
    }
    await untilTrue('all pods are bound', () => cluster.bound >= target);
  };
  await place(Math.round(nodes * workload.initialPerNode), workload.initial);
  const pods = Math.max(1, Math.round(nodes * workload.measuredPerNode * share));
  const [startMs, cpu] = [performance.now(), process.cpuUsage()];
  await place(pods, workload.measured);
  const { user, system } = process.cpuUsage(cpu);
  const seconds = (performance.now() - startMs) / 1000;
  abort.abort();
  await running;
  return { pods, seconds, cpuSeconds: (user + system) / 1e6, residentBytes: process.memoryUsage.rss() };
}

/** A whole server. */
async function whole(workload: Workload, nodes: number): Promise<Measured> {
  const profiling = values.prof === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.prof}`];
  const server = await ServerProcess.start(
    ['--node-monitor-grace-period=6000s', '--cluster-cidr=100.64.0.0/10', '--node-cidr-mask-size=24'],
    [...tinkerNodeFlags, ...profiling],
    values.tree,
  );
  try {
    const post = async (path: string, body: unknown): Promise<void> => {
      const answer = await server.request('POST', path, body);
      if (answer.status >= 300) throw new Error(answer.text);
    };
    const each = async (count: number, work: (index: number) => Promise<void>): Promise<void> => {
      let next = 0;
      const worker = async (): Promise<void> => {
        while (next < count) await work(next++);
      };
      await Promise.all(Array.from({ length: 32 }, worker));
    };
    for (const name of ['sched-0', 'sched-1'])
      await post('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    // Pods are refused before their service account exists.
    await untilTrue('service accounts', async () => {
      const answers = await Promise.all(
        ['sched-0', 'sched-1'].map((name) => server.request('GET', `/api/v1/namespaces/${name}/serviceaccounts/default`)),
      );
      return answers.every(({ status }) => status === 200);
    });
    await each(nodes, (index) => post('/api/v1/nodes', hollowNode(index, workload.zones)));
    let made = 0;
    const allBound = async (namespace: string): Promise<boolean> => {
      const answer = await server.request('GET', `/api/v1/namespaces/${namespace}/pods?fieldSelector=spec.nodeName%3D&limit=1`);
      return (JSON.parse(answer.text) as { items: unknown[] }).items.length === 0;
    };
    const place = async (count: number, prefix: string, template: PodTemplate): Promise<void> => {
      await each(count, async () => {
        const { status: _, ...pod } = hollowPod(`${prefix}${made++}`, template);
        await post(`/api/v1/namespaces/${template.namespace}/pods`, pod);
      });
      let waitMs = 50;
      await untilTrue('all pods are bound', async () => {
        if (await allBound(template.namespace)) return true;
        await delay((waitMs = Math.min(1_000, waitMs * 1.5)));
        return false;
      });
    };
    await place(Math.round(nodes * workload.initialPerNode), 'init-', workload.initial);
    const pods = Math.max(1, Math.round(nodes * workload.measuredPerNode * share));
    const [startMs, cpu] = [performance.now(), cpuSeconds(server.pid)];
    await place(pods, 'measured-', workload.measured);
    return {
      pods,
      seconds: (performance.now() - startMs) / 1000,
      cpuSeconds: cpuSeconds(server.pid) - cpu,
      residentBytes: server.residentBytes(),
    };
  } finally {
    await server.stop();
  }
}

/** User and system time of all threads (proc_pid_stat(5): fields 14 and 15). */
function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

for (const size of values.nodes.split(',').map(Number)) {
  for (const [name, workload] of Object.entries(workloads)) {
    if (!name.includes(values.only)) continue;
    const { pods, seconds, cpuSeconds: cpu, residentBytes } = await (values.server ? whole : alone)(workload, size);
    console.log(
      `${String(size).padStart(5)} nodes, ${name.padEnd(15)} ${String(pods).padStart(6)} pods: ${(pods / cpu).toFixed(0).padStart(6)} per CPU-second, ` +
        `${(pods / seconds).toFixed(0).padStart(6)} per second, ${(residentBytes / (1 << 20)).toFixed(0)} MiB resident`,
    );
  }
}
