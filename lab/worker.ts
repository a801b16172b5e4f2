/** One worker of a lab: its container runtime and its agent. Both run in the worker's network namespace. */
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { namesOnlyStub, resolvedStub } from '#agent/dns/resolv-conf.ts';
import { hasCapability } from '#agent/host/capabilities.ts';
import { type DaemonSpec, startDaemon } from '#agent/host/daemon.ts';
import { containerdConfig } from '#agent/runtime/cri/containerd-config.ts';
import { agentContext, agentUsers } from '#api/agent-users.ts';
import { nodeCredentials } from '#control/pki/node-credentials.ts';
import { startAndAwait } from './await-daemon.ts';
import type { Lab, Worker } from './config.ts';
import { pauseImage } from './images/lab-images.ts';
import { labMark } from './lab-processes.ts';
import { nsenter } from './network.ts';
import { agentArgv } from './program.ts';

/** The folder of Debian's CNI plugins. */
export const cniBinDir = '/usr/lib/cni';

/** The path of the runtime's socket. */
export function runtimeSocket(lab: Lab, worker: Worker): string {
  return join(worker.stateDir, lab.runtime === 'docker' ? 'docker.sock' : 'containerd.sock');
}

/** The daemon of the worker's container runtime. */
export function runtimeDaemon(lab: Lab, worker: Worker): DaemonSpec {
  const argv =
    lab.runtime === 'docker' ? dockerdArgv(lab, worker) : ['containerd', '--config', join(worker.dataDir, 'containerd.toml')];
  return {
    name: `${worker.name}'s ${lab.runtime}`,
    argv: [...nsenter(worker), ...argv],
    pidFile: join(worker.stateDir, 'runtime.pid'),
    logFile: join(lab.logDir, `${worker.name}-${lab.runtime}.log`),
    // containerd's CNI library stores results in TMPDIR. Without it all workers would share /var/lib/cni.
    env: { ...labMark(lab), TMPDIR: worker.stateDir },
  };
}

/** The daemon of the worker's `tinker agent`. */
export function agentDaemon(lab: Lab, worker: Worker): DaemonSpec {
  const pki = join(worker.dataDir, 'pki');
  return {
    name: `${worker.name}'s agent`,
    argv: [
      ...nsenter(worker),
      ...agentArgv(),
      `--kubeconfig=${join(pki, 'kubelet.conf')}`,
      `--hostname-override=${worker.name}`,
      `--node-ip=${worker.ip}`,
      `--root-dir=${join(worker.dataDir, 'kubelet')}`,
      `--pod-logs-dir=${join(worker.dataDir, 'pods')}`,
      `--container-runtime=${lab.runtime}`,
      `--container-runtime-endpoint=unix://${runtimeSocket(lab, worker)}`,
      // Docker uses a mirror only for Docker Hub's images, so the sandbox's image must name the lab's registry.
      ...(lab.runtime === 'docker' ? [`--pod-infra-container-image=${new URL(lab.registry).host}/pause:3.10.1`] : []),
      `--cgroup-root=${worker.cgroup}`,
      `--cluster-cidr=${lab.clusterCidr}`,
      `--cluster-dns=${lab.clusterDns}`,
      ...stubAddresses().map((address) => `--dns-address=${address}`),
      `--cni-conf-dir=${join(worker.dataDir, 'cni/net.d')}`,
      `--cni-bin-dir=${cniBinDir}`,
      `--cni-state-dir=${join(worker.dataDir, 'cni/state')}`,
      `--client-ca-file=${join(pki, 'ca.crt')}`,
      `--tls-cert-file=${join(pki, 'kubelet.crt')}`,
      `--tls-private-key-file=${join(pki, 'kubelet.key')}`,
      ...(lab.proxyMode === undefined ? [] : [`--proxy-mode=${lab.proxyMode}`]),
      ...(lab.agentArgs ?? []),
    ],
    pidFile: join(worker.stateDir, 'agent.pid'),
    logFile: join(lab.logDir, `${worker.name}-agent.log`),
    env: labMark(lab),
  };
}

/**
 * The worker's programs read the host's resolv.conf. If that names systemd-resolved's stub, nothing listens at this address in
 * the worker's network namespace. The agent then listens there itself; otherwise the runtime could not resolve the names of
 * registries.
 */
function stubAddresses(resolvConf = '/etc/resolv.conf'): string[] {
  return existsSync(resolvConf) && namesOnlyStub(readFileSync(resolvConf, 'utf8')) ? [resolvedStub] : [];
}

/** Starts the container runtime and waits until it serves. @throws Error with the last lines of its log */
export async function startRuntime(lab: Lab, worker: Worker): Promise<void> {
  await Promise.all(
    [worker.stateDir, worker.dataDir, join(worker.dataDir, 'cni/net.d')].map((folder) => mkdir(folder, { recursive: true })),
  );
  if (lab.runtime === 'containerd') await writeContainerdConfig(lab, worker);
  await startAndAwait(runtimeDaemon(lab, worker), async () => existsSync(runtimeSocket(lab, worker)), 30_000);
}

/** Starts the agent and waits until it serves. @throws Error with the last lines of its log */
export async function startAgent(lab: Lab, worker: Worker): Promise<void> {
  const out = join(worker.dataDir, 'pki');
  if (!hasCredentials(join(out, 'kubelet.conf'))) {
    await nodeCredentials({
      pkiFolder: join(lab.dataDir, 'server/pki'),
      out,
      nodeName: worker.name,
      nodeIp: worker.ip,
      server: lab.apiServer,
      nowMs: Date.now(),
    });
  }
  await startDaemon(agentDaemon(lab, worker));
}

/** Whether the file exists and has a context for each part of the agent. An earlier version wrote only that of the kubelet. */
function hasCredentials(kubeconfig: string): boolean {
  if (!existsSync(kubeconfig)) return false;
  const text = readFileSync(kubeconfig, 'utf8');
  return Object.values(agentUsers).every((user) => text.includes(agentContext(user)));
}

async function writeContainerdConfig(lab: Lab, worker: Worker): Promise<void> {
  const registryConfigDir = join(worker.dataDir, 'certs.d');
  await mkdir(join(registryConfigDir, '_default'), { recursive: true });
  await writeFile(
    join(registryConfigDir, '_default/hosts.toml'),
    `[host."${lab.registry}"]\n  capabilities = ["pull", "resolve"]\n  skip_verify = true\n`,
  );
  await writeFile(
    join(worker.dataDir, 'containerd.toml'),
    containerdConfig({
      root: join(worker.dataDir, 'containerd'),
      state: join(worker.stateDir, 'containerd'),
      runcRoot: join(worker.stateDir, 'runc'),
      socket: runtimeSocket(lab, worker),
      sandboxImage: pauseImage,
      cniConfDir: join(worker.dataDir, 'cni/net.d'),
      cniBinDir,
      registryConfigDir,
      restrictOomScoreAdj: !hasCapability('CAP_SYS_RESOURCE'),
      logLevel: 'warn',
    }),
  );
}

function dockerdArgv(lab: Lab, worker: Worker): string[] {
  return [
    'dockerd',
    `--host=unix://${runtimeSocket(lab, worker)}`,
    `--data-root=${join(worker.dataDir, 'docker')}`,
    `--exec-root=${join(worker.stateDir, 'docker')}`,
    `--pidfile=${join(worker.stateDir, 'dockerd.pid')}`,
    `--cgroup-parent=${worker.cgroup}`,
    `--registry-mirror=${lab.registry}`,
    `--insecure-registry=${new URL(lab.registry).host}`,
    '--exec-opt=native.cgroupdriver=cgroupfs',
    '--bridge=none',
    '--iptables=false',
    '--ip6tables=false',
    '--ip-forward=false',
    '--live-restore',
    '--log-level=warn',
  ];
}
