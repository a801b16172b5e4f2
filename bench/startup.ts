/**
 * Measures how long the lab takes as users see it, with all images present: from `up` to Ready nodes, from a pod to Running, from
 * twenty pods to Ready, from an endpoint to its rule on every node. It also measures the memory of idle processes.
 *
 * Run as root: `npm run bench -- startup`. It builds its own lab, and removes it at the end.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { daemonPid, stopDaemon } from '#agent/host/daemon.ts';
import { execFile } from '#agent/host/exec.ts';
import type { New } from '#api/meta.ts';
import type { Pod } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import { defaultLab, planLab } from '#lab/config.ts';
import { adminClient, serverDaemon, startControlPlane } from '#lab/control-plane.ts';
import { stopLab } from '#lab/down.ts';
import { nsenter } from '#lab/network.ts';
import { until } from '#lab/until.ts';
import { startLab, untilNodesReady } from '#lab/up.ts';
import { agentDaemon, startAgent } from '#lab/worker.ts';

const lab = planLab({
  ...defaultLab,
  name: 'tkbench',
  subnet: '10.202.0.0/24',
  clusterCidr: '10.246.0.0/16',
  serviceCidr: '10.98.0.0/16',
  dataDir: '/var/lib/tinkernetes/bench-lab',
});
const rows: [what: string, value: string][] = [];
const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void stopLab(lab, execFile).finally(() => process.exit(130)));

try {
  await stopLab(lab, execFile);
  await startLab(lab, execFile);
  await warmUp();
  await measureStart();
  const { client, close } = adminClient(lab);
  try {
    await measureMemory('idle');
    await measureOnePod(client);
    await measureRule(client);
    await measureManyPods(client);
    await measureMemory('with 20 pods');
  } finally {
    close();
  }
} finally {
  await stopLab(lab, execFile);
}
const width = Math.max(...rows.map(([what]) => what.length));
for (const [what, value] of rows) console.log(`${what.padEnd(width)}  ${value}`);

/** Pulls all images onto the nodes before anything is measured. */
async function warmUp(): Promise<void> {
  const { client, close } = adminClient(lab);
  for (const { name } of lab.hosts) await client.resource('pods').create(podOn(name, `warm-${name}`));
  for (const { name } of lab.hosts) await untilReady(client, `warm-${name}`);
  await client.resource('pods').deleteCollection({ namespace: 'default' });
  await until(
    'warm-up pods are gone',
    async () => (await client.resource('pods').list({ namespace: 'default' })).items.length === 0,
    { timeoutMs: 60_000 },
  );
  close();
}

/**
 * Measures two starts. First a new cluster on machines that are already booted: without store, keys and credentials, but with
 * running container runtimes and images. Then a whole `up` of a new lab, with its network, image builds and registry.
 */
async function measureStart(): Promise<void> {
  await Promise.all(lab.hosts.map((worker) => stopDaemon(agentDaemon(lab, worker).pidFile)));
  await stopDaemon(serverDaemon(lab).pidFile);
  rmSync(join(lab.dataDir, 'server'), { recursive: true });
  for (const worker of lab.hosts) rmSync(join(worker.dataDir, 'pki'), { recursive: true });
  const startMs = performance.now();
  await startControlPlane(lab);
  rows.push(['control plane ready', seconds(performance.now() - startMs)]);
  await Promise.all(lab.hosts.map((worker) => startAgent(lab, worker)));
  await untilNodesReady(lab);
  rows.push([`control plane and ${lab.hosts.length} agents to Ready nodes`, seconds(performance.now() - startMs)]);
  await stopLab(lab, execFile);
  const freshMs = performance.now();
  await startLab(lab, execFile);
  rows.push([`"up" of a new lab to ${lab.hosts.length} Ready nodes`, seconds(performance.now() - freshMs)]);
  await warmUp();
}

async function measureOnePod(client: Client): Promise<void> {
  const times: number[] = [];
  for (let round = 0; round < 5; round++) {
    const name = `one-${round}`;
    const startMs = performance.now();
    const running = untilRunning(client, name);
    await client.resource('pods').create(podOn(undefined, name));
    await running;
    times.push(performance.now() - startMs);
  }
  rows.push(['create of one pod to Running (median of 5)', seconds(median(times))]);
}

async function measureManyPods(client: Client): Promise<void> {
  const [worker] = lab.hosts;
  const names = Array.from({ length: 20 }, (_, index) => `many-${index}`);
  const startMs = performance.now();
  await Promise.all(names.map((name) => client.resource('pods').create(podOn(worker?.name, name))));
  await Promise.all(names.map((name) => untilReady(client, name)));
  rows.push(['20 pods on one node to all Ready', seconds(performance.now() - startMs)]);
}

async function measureRule(client: Client): Promise<void> {
  const labels = { app: 'rule' };
  await client.resource('services').create({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'rule', namespace: 'default' },
    spec: { selector: labels, ports: [{ port: 80, targetPort: 8080 }] },
  });
  const pod = podOn(lab.hosts[0]?.name, 'rule');
  const ready = untilReady(client, 'rule');
  await client.resource('pods').create({ ...pod, metadata: { ...pod.metadata, labels } });
  const { status } = await ready;
  const startMs = performance.now();
  const inPlace = lab.hosts.map((worker) =>
    until(
      'the rule is in place',
      async () => (await execFile([...nsenter(worker), 'iptables-save', '-t', 'nat'])).stdout.includes(`${status?.podIP}:8080`),
      {
        timeoutMs: 20_000,
        everyMs: 2,
      },
    ),
  );
  await Promise.all(inPlace);
  rows.push(['endpoint Ready to its rule on every node', seconds(performance.now() - startMs)]);
}

async function measureMemory(when: string): Promise<void> {
  await delay(when === 'idle' ? 20_000 : 2_000);
  rows.push([`resident memory of the control plane, ${when}`, residentOf(serverDaemon(lab).pidFile)]);
  for (const worker of lab.hosts)
    rows.push([`resident memory of ${worker.name}'s agent, ${when}`, residentOf(agentDaemon(lab, worker).pidFile)]);
}

/** Resident memory of a process, and the private part of it. The rest is Node's code, which all Node processes share. */
function residentOf(pidFile: string): string {
  const rollup = readFileSync(`/proc/${daemonPid(pidFile)}/smaps_rollup`, 'utf8');
  const mebibytes = (name: string): string =>
    (Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(rollup)?.[1]) / 1024).toFixed(0);
  return `${mebibytes('Rss')} MiB, ${mebibytes('Anonymous')} MiB of it its own`;
}

function podOn(nodeName: string | undefined, name: string): New<Pod> {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: {
      ...(nodeName === undefined ? {} : { nodeSelector: { 'kubernetes.io/hostname': nodeName } }),
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'main', image: 'busybox', imagePullPolicy: 'IfNotPresent', command: ['sleep', '3600'] }],
    },
  };
}

function isReady({ status }: Pod): boolean {
  return status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') === true;
}

function untilReady(client: Client, name: string): Promise<Pod> {
  return untilPod(client, name, isReady);
}

function untilRunning(client: Client, name: string): Promise<Pod> {
  return untilPod(client, name, ({ status }) => status?.phase === 'Running');
}

/** Watches a pod until it is as wanted. The watch begins before the pod is created. */
async function untilPod(client: Client, name: string, wanted: (pod: Pod) => boolean): Promise<Pod> {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), 60_000);
  try {
    for await (const event of client
      .resource('pods')
      .watch({ namespace: 'default', fieldSelector: `metadata.name=${name}` }, stop.signal)) {
      if (event.type !== 'DELETED' && event.type !== 'BOOKMARK' && wanted(event.object)) return event.object;
    }
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
  throw new Error(`pod ${name} did not get there within 60 s`);
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] as number;
}
