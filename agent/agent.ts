/**
 * A node in one process: kubelet, service proxy, pod network and cluster DNS. Each is a user of its own, with a client, a
 * connection to the API server and informers that see what this user may see. The parts do not import each other: one part sees
 * another's work only in the API and in the kernel.
 */
import { readFileSync } from 'node:fs';
import type { Logger } from 'pino';
import type { Metric } from 'prom-client';
import { agentContext, agentUsers } from '#api/agent-users.ts';
import { type Client } from '#client/client.ts';
import { type Clock, systemClock, within } from '#client/clock.ts';
import { createHttpTransport, type HttpTransport } from '#client/http-transport.ts';
import { KubeconfigError, type LoadedKubeconfig, loadKubeconfig } from '#client/kubeconfig.ts';
import { leftOutMetric } from '#client/left-out.ts';
import { createClient } from '#client/rest-client.ts';
import { untilAborted } from '#client/until-aborted.ts';
import { certificateMetrics } from './credentials/certificate-metrics.ts';
import { type CredentialOptions, createNodeCredentials, type NodeUserName } from './credentials/node-credentials.ts';
import type { KubeletAuthSettings, ServingCertificate } from './kubelet/options.ts';
import { addMetric } from './kubelet/server/metrics.ts';
import type { PodManifests } from './kubelet/static/pod-manifests.ts';
import { dnsPart, kubeletPart, networkPart, networkPolicyPart, type PartDeps, proxyPart, runtimeOf } from './parts.ts';
import type { ProxyMode } from './proxy/backends.ts';
import { allProxyMetrics } from './proxy/metrics.ts';
import type { ContainerRuntime } from './runtime/runtime.ts';

/** What {@link runAgent} needs to know. Flags of `tinker agent` fill it. */
export interface AgentOptions {
  /** Path of the kubeconfig. {@link prepareCredentials} has written or checked it. */
  kubeconfig: string;
  nodeName: string;
  nodeIp: string;
  /** All addresses of the node, `nodeIp` first: at most one of each family. */
  nodeIps: readonly string[];
  rootDir: string;
  podLogsDir: string;
  runtime: 'containerd' | 'docker';
  /** URL of the container runtime's socket, for example `unix:///run/containerd/containerd.sock`. */
  runtimeEndpoint: string;
  sandboxImage: string;
  cgroupRoot: string;
  clusterCidr: string;
  /** What writes the rules of services. */
  proxyMode: ProxyMode;
  clusterDns: string;
  clusterDomain: string;
  resolvConf: string;
  /** Addresses on which the DNS server listens, in addition to `nodeIp`. */
  dnsAddresses: readonly string[];
  cniConfDir: string;
  cniBinDir: string;
  cniStateDir: string;
  /** How pods reach those of other nodes; `none`: the user's own CNI connects pods, and nothing of it is touched. */
  podNetwork: 'auto' | 'vxlan' | 'none';
  /** Whether this agent enforces NetworkPolicies. */
  networkPolicy: boolean;
  /** Serving certificate of the kubelet's API; absent: `rotateServerCertificates`. */
  tlsCertFile: string | undefined;
  tlsKeyFile: string | undefined;
  /** The CA of clients of the kubelet's API; absent: the one of the kubeconfig. */
  clientCaFile: string | undefined;
  credentials: CredentialOptions;
  /** Who may ask the kubelet's API. */
  kubeletAuth: KubeletAuthSettings;
  /** A folder of manifests of static pods, or one such file, and what reads them; absent: there are none. */
  staticPods?: { path: string; checkFrequencyMs: number; manifests: PodManifests } | undefined;
  maxPods: number;
  /** Interval at which each running pod is synced again. */
  syncFrequencyMs: number;
  /** Duration of the node's Lease, in seconds. The kubelet renews the Lease four times in this time. */
  nodeLeaseDurationSeconds: number;
  /** Metrics of this process, shown with the kubelet's own under /metrics. */
  metrics: readonly Metric[];
}

/**
 * Runs every part of the node until `signal` aborts. Containers, rules and routes stay in place after that. @throws the first
 * error that a part could not go on with
 */
export async function runAgent(options: AgentOptions, log: Logger, signal: AbortSignal): Promise<void> {
  const clock = systemClock;
  for (const metric of [...options.metrics, ...certificateMetrics, ...allProxyMetrics]) addMetric(metric);
  const kubeconfig = loadKubeconfig(options.kubeconfig);
  // When a part fails, the other parts are stopped in order. systemd (or the user) then restarts the whole agent.
  const failed = new AbortController();
  const stop = AbortSignal.any([signal, failed.signal]);
  const transports: HttpTransport[] = [];
  const credentials = createNodeCredentials(options, { clock, random: Math.random, log, signal: stop });
  const clientOf = (userAgent: string, config: LoadedKubeconfig, user: NodeUserName): Client => {
    const transport = createHttpTransport({ ...config, clientCertificate: credentials.certificateOf(user) });
    transports.push(transport);
    const client = createClient(transport, { userAgent, clock, signal: stop });
    credentials.used(user, client, transport);
    return client;
  };
  const clients: AgentClients = {
    kubelet: clientOf('kubelet', kubeconfig, 'kubelet'),
    proxy: clientOf('kube-proxy', kubeconfigOf(agentUsers.proxy, options.kubeconfig), 'proxy'),
    network: clientOf('node-network', kubeconfigOf(agentUsers.network, options.kubeconfig), 'network'),
    dns: clientOf('cluster-dns', kubeconfigOf(agentUsers.dns, options.kubeconfig), 'dns'),
    networkPolicy: clientOf('network-policy', kubeconfigOf(agentUsers.networkPolicy, options.kubeconfig), 'networkPolicy'),
  };
  const runtime = await runtimeOf(options, { clock, log });
  try {
    const apiServerHost = new URL(kubeconfig.server).hostname.replace(/^\[(.*)\]$/, '$1');
    const serving = credentials.serving();
    const clientCa = options.clientCaFile === undefined ? (kubeconfig.ca ?? '') : readFileSync(options.clientCaFile, 'utf8');
    const parts = agentParts({ options, apiServerHost, clients, serving, clientCa, runtime, clock, log, signal: stop });
    parts.push(credentials.run(stop));
    await untilEnded(
      parts.map((part) => part.finally(() => failed.abort())),
      clock,
      signal,
      stop,
    );
  } finally {
    await runtime.close();
    for (const transport of transports) transport.close();
  }
}

/**
 * @throws KubeconfigError that says how to make the file again: an old file, written before each part had its own user, has only one
 * context
 */
function kubeconfigOf(user: string, path: string): LoadedKubeconfig {
  try {
    return loadKubeconfig(path, agentContext(user));
  } catch (error) {
    if (!(error instanceof KubeconfigError)) throw error;
    const hint = "each part of an agent is a user of its own: make the node's credentials anew with tinker node-credentials";
    throw new KubeconfigError(`${error.message}; ${hint}`, { cause: error });
  }
}

/**
 * Time that the other parts have to end after one part has failed. It is short because systemd restarts the agent only after
 * that.
 */
const failedEndMs = 2_000;
/**
 * Time that the parts have to end after the agent is told to stop. Without a limit, a container runtime that hangs would keep the
 * parts' calls open for minutes.
 */
const stopEndMs = 10_000;

/**
 * Waits until all parts have ended, or until their time is up. The caller keeps the connections open meanwhile: a part that ends
 * still sends its last requests.
 * @param signal aborts when the agent is told to stop
 * @param stop aborts as `signal` does, and also when a part has ended
 * @throws the error of the first part that failed
 */
async function untilEnded(parts: readonly Promise<void>[], clock: Clock, signal: AbortSignal, stop: AbortSignal): Promise<void> {
  const failures: unknown[] = [];
  const ended = Promise.all(parts.map((part) => part.catch((error: unknown) => failures.push(error))));
  await untilAborted(stop);
  await within(clock, signal.aborted ? stopEndMs : failedEndMs, ended);
  if (failures.length > 0) throw failures[0];
}

interface Context {
  options: AgentOptions;
  /** Host of the API server: an IP address or a DNS name. */
  apiServerHost: string;
  clients: AgentClients;
  serving: ServingCertificate;
  /** PEM. */
  clientCa: string;
  runtime: ContainerRuntime;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
}

/** Each part of the agent is a user of its own, with its own rights. */
interface AgentClients {
  kubelet: Client;
  proxy: Client;
  network: Client;
  dns: Client;
  networkPolicy: Client;
}

function agentParts({
  options,
  apiServerHost,
  clients,
  serving,
  clientCa,
  runtime,
  clock,
  log,
  signal,
}: Context): Promise<void>[] {
  const { nodeName, podNetwork } = options;
  const own = (client: Client): PartDeps => ({ client, nodeName, clock, log });
  const networkPolicies = options.networkPolicy ? networkPolicyPart(own(clients.networkPolicy)) : undefined;
  for (const metric of networkPolicies?.metrics ?? []) addMetric(metric);
  const podManifests = options.staticPods?.manifests;
  const parts = [
    kubeletPart(
      { ...own(clients.kubelet), runtime, podManifests, networkGate: networkPolicies?.gate },
      {
        nodeName,
        staticPodPath: options.staticPods?.path,
        fileCheckFrequencyMs: options.staticPods?.checkFrequencyMs,
        nodeIps: [...options.nodeIps],
        serving: { certificate: serving, clientCa },
        auth: options.kubeletAuth,
        clusterDns: [options.clusterDns],
        clusterDomain: options.clusterDomain,
        resolvConf: options.resolvConf,
        dataDir: options.rootDir,
        podLogsDir: options.podLogsDir,
        cgroupRoot: options.cgroupRoot,
        maxPods: options.maxPods,
        syncFrequencyMs: options.syncFrequencyMs,
        nodeLeaseDurationSeconds: options.nodeLeaseDurationSeconds,
      },
      options,
    ),
    proxyPart(own(clients.proxy), {
      mode: options.proxyMode,
      nodeName,
      nodeIps: [...options.nodeIps],
      clusterCidr: options.clusterCidr,
    }),
    ...(podNetwork === 'none'
      ? []
      : [
          networkPart(own(clients.network), {
            ...options,
            podNetwork,
            hostAddresses: [...options.nodeIps, apiServerHost, ...options.dnsAddresses],
          }),
        ]),
    ...(networkPolicies === undefined ? [] : [networkPolicies]),
    dnsPart(
      own(clients.dns),
      {
        clusterDomain: options.clusterDomain,
        addresses: [options.nodeIp, ...options.dnsAddresses],
        serverIps: [options.clusterDns],
        upstream: { resolvConf: options.resolvConf },
      },
      { nodeName, nodeIp: options.nodeIp, clusterIp: options.clusterDns },
    ),
  ];
  addMetric(leftOutMetric(parts.map(({ leftOut }) => leftOut)));
  return parts.map((part) => part.run(signal));
}
