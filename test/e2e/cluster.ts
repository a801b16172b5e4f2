/** The lab of the e2e tests. Its names, addresses and folders differ from those of `up`, so that both can run at once. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ExecError, type ExecResult, execFile } from '#agent/host/exec.ts';
import type { Pod } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import { defaultLab, type Lab, type LabRuntime, planLab } from '#lab/config.ts';
import { adminClient } from '#lab/control-plane.ts';
import { stopLab } from '#lab/down.ts';
import { type KubectlVersion, kubectlPath } from '#lab/kubectl.ts';
import { nsenter } from '#lab/network.ts';
import { until } from '#lab/until.ts';
import { startLab } from '#lab/up.ts';

/** A running cluster for tests. */
export interface Cluster {
  lab: Lab;
  client: Client;
  /** An empty folder that is removed with the cluster. */
  scratch: string;
  /** The folder of manifests of static pods, of both workers. */
  manifests: string;
  /** Runs kubectl. Resolves to standard output. @throws ExecError with kubectl's message */
  kubectl(args: readonly string[], options?: { stdin?: string; version?: KubectlVersion; timeoutMs?: number }): Promise<string>;
  /** Runs a kubectl command that must fail. Resolves to its standard error. */
  kubectlFails(args: readonly string[], options?: { stdin?: string }): Promise<string>;
  apply(...manifests: unknown[]): Promise<void>;
  /** Runs a program on a worker, in its network namespace. */
  onWorker(index: number, argv: readonly string[]): Promise<string>;
  /** Runs a program in a pod's first container. Resolves to standard output. @throws ExecError with its standard error */
  exec(namespace: string, pod: string, argv: readonly string[]): Promise<string>;
  /** Waits until exactly `count` pods match, all of them Ready and not terminating. They are sorted by name. */
  untilReadyPods(namespace: string, labelSelector: string, count: number, timeoutMs?: number): Promise<Pod[]>;
  untilPod(namespace: string, name: string, what: string, wanted: (pod: Pod) => boolean, timeoutMs?: number): Promise<Pod>;
  untilEvent(namespace: string, reason: string, objectName: string, message: RegExp): Promise<string>;
  /** Makes a namespace for a test. It is deleted at the end, without waiting. */
  namespace(name: string): Promise<string>;
  stop(): Promise<void>;
}

/** Short times, so that a node failure takes only seconds. */
const serverArgs = [
  '--node-monitor-period=1s',
  '--node-monitor-grace-period=16s',
  '--default-not-ready-toleration-seconds=3',
  '--default-unreachable-toleration-seconds=3',
];
/** A heartbeat every 2 s: many within the grace period, also on a busy machine. Changed ConfigMaps reach their pods within seconds. */
const agentArgs = ['--node-lease-duration-seconds=8', '--sync-frequency=5s', '--file-check-frequency=5s'];

/** Starts a new lab, also when a killed test run has left one. TINKER_TEST_LAB=1…9 gives parallel runs different labs. */
export async function startCluster(runtime: LabRuntime = 'containerd'): Promise<Cluster> {
  const slot = Number(process.env['TINKER_TEST_LAB'] ?? 0) + (runtime === 'docker' ? 10 : 0);
  const manifests = mkdtempSync(join(tmpdir(), 'tinker-manifests-'));
  const lab = planLab({
    ...defaultLab,
    name: `tktest${slot}`,
    subnet: `10.204.${slot}.0/24`,
    clusterCidr: `10.${100 + slot}.0.0/16`,
    serviceCidr: `10.${130 + slot}.0.0/16`,
    dataDir: `/var/lib/tinkernetes/test-lab-${slot}`,
    runtime,
    serverArgs,
    agentArgs: [...agentArgs, `--pod-manifest-path=${manifests}`],
  });
  await stopLab(lab, execFile);
  try {
    await startLab(lab, execFile);
  } catch (error) {
    await stopLab(lab, execFile);
    rmSync(manifests, { recursive: true, force: true });
    throw error;
  }
  return clusterOf(lab, manifests);
}

function clusterOf(lab: Lab, manifests: string): Cluster {
  const { client, close } = adminClient(lab);
  const scratch = mkdtempSync(join(tmpdir(), 'tinker-e2e-'));
  const run = (
    args: readonly string[],
    options: { stdin?: string; version?: KubectlVersion; timeoutMs?: number } = {},
  ): Promise<ExecResult> =>
    execFile([kubectlPath(options.version), `--kubeconfig=${lab.kubeconfig}`, `--cache-dir=${join(scratch, 'cache')}`, ...args], {
      timeoutMs: options.timeoutMs ?? 150_000,
      stdin: options.stdin,
    });
  return {
    lab,
    client,
    scratch,
    manifests,
    kubectl: async (args, options) => (await run(args, options)).stdout,
    async kubectlFails(args, options) {
      try {
        const { stdout } = await run(args, options);
        throw new Error(`kubectl ${args.join(' ')} did not fail: ${stdout}`);
      } catch (error) {
        if (error instanceof ExecError) return error.result.stderr;
        throw error;
      }
    },
    async apply(...manifests) {
      await run(['apply', '-f', '-'], { stdin: manifests.map((manifest) => JSON.stringify(manifest)).join('\n---\n') });
    },
    async onWorker(index, argv) {
      const worker = lab.hosts[index];
      if (worker === undefined) throw new Error(`no worker ${index}`);
      return (await execFile([...nsenter(worker), ...argv])).stdout;
    },
    exec: async (namespace, pod, argv) => (await run(['-n', namespace, 'exec', pod, '--', ...argv])).stdout,
    async untilReadyPods(namespace, labelSelector, count, timeoutMs = 120_000) {
      let pods: Pod[] = [];
      return until(
        `${count} ready pods ${labelSelector} in ${namespace}`,
        async () => {
          pods = (await client.resource('pods').list({ namespace, labelSelector })).items;
          const ready = pods.filter((pod) => isReady(pod) && pod.metadata.deletionTimestamp === undefined);
          return pods.length === count && ready.length === count
            ? pods.sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
            : undefined;
        },
        {
          timeoutMs,
          everyMs: 100,
          onTimeout: () => pods.map(({ metadata, status }) => `${metadata.name}: ${JSON.stringify(status)}`).join('\n'),
        },
      );
    },
    async untilPod(namespace, name, what, wanted, timeoutMs = 120_000) {
      let last: Pod | undefined;
      return until(
        `pod ${namespace}/${name} is ${what}`,
        async () => {
          last = await client.resource('pods').get({ namespace, name });
          return wanted(last) ? last : undefined;
        },
        { timeoutMs, everyMs: 100, onTimeout: () => JSON.stringify(last?.status) },
      );
    },
    async untilEvent(namespace, reason, objectName, message) {
      let seen: string[] = [];
      return until(
        `event ${reason} about ${objectName} that matches ${message}`,
        async () => {
          const { items } = await client
            .resource('events')
            .list({ namespace, fieldSelector: `involvedObject.name=${objectName}` });
          seen = items.map((event) => `${event.reason}: ${event.message}`);
          return items.find((event) => event.reason === reason && message.test(event.message ?? ''))?.message;
        },
        { timeoutMs: 120_000, everyMs: 100, onTimeout: () => seen.join('\n') },
      );
    },
    async namespace(name) {
      await client.resource('namespaces').create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name }, spec: {} });
      await until(
        'its default service account',
        () => client.resource('serviceaccounts').get({ namespace: name, name: 'default' }),
        { timeoutMs: 60_000 },
      );
      return name;
    },
    async stop() {
      close();
      rmSync(scratch, { recursive: true, force: true });
      if (process.env['TINKER_KEEP_LAB'] !== undefined) return;
      await stopLab(lab, execFile);
      rmSync(manifests, { recursive: true, force: true });
    },
  };
}

/** Whether the pod's Ready condition is true. */
export const isReady = ({ status }: Pod): boolean =>
  status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') === true;

/** A pod with one busybox container. */
export function busybox(
  namespace: string,
  name: string,
  command: string,
  more: Record<string, unknown> = {},
  container: Record<string, unknown> = {},
): Record<string, unknown> {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { app: name } },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [
        { name: 'main', image: 'busybox', imagePullPolicy: 'IfNotPresent', command: ['sh', '-c', command], ...container },
      ],
      ...more,
    },
  };
}

/** Starts a program in the background, such as `kubectl port-forward`. `stop` ends it. */
export function background(argv: readonly string[]): { output(): string; stop(): Promise<void> } {
  const [command, ...args] = argv;
  const child = spawn(command as string, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
  return {
    output: () => text,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
