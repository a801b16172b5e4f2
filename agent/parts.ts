/**
 * The parts of a node: kubelet, service proxy, pod network, cluster DNS. Each works with a client of its own and watches what its user may
 * see. `agent.ts` runs them in one process; the commands kubelet, kube-proxy, `tinker network` and `tinker dns` run one each.
 */
import type { Logger } from 'pino';
import { execSysctl } from '#agent/host/sysctl.ts';
import type { Client } from '#client/client.ts';
import type { Clock } from '#client/clock.ts';
import { createEventRecorder, type EventRecorder, type FlushingEventRecorder } from '#client/event-recorder.ts';
import { createInformers, type InformerSelections, type Informers } from '#client/informers.ts';
import { createLeftOutReporter, type LeftOutReporter } from '#client/left-out.ts';
import { createDnsServer, type DnsServerOptions } from './dns/dns-server.ts';
import { type PublishDnsOptions, publishDns } from './dns/publish-dns.ts';
import { hasCapability } from './host/capabilities.ts';
import { execFile } from './host/exec.ts';
import { createKernelLog } from './host/kernel-log.ts';
import { machineProcesses } from './host/processes.ts';
import { createKubelet, kubeletSelections } from './kubelet/kubelet.ts';
import type { KubeletDeps } from './kubelet/kubelet-deps.ts';
import type { KubeletOptions } from './kubelet/options.ts';
import { createNodeNetwork, type NodeNetworkOptions } from './network/node-network.ts';
import { networkPolicyMetrics } from './network-policy/metrics.ts';
import { createNetworkPolicies, type NetworkPolicies } from './network-policy/network-policies.ts';
import { createPolicyTable } from './network-policy/nft.ts';
import { createProxy, type ProxyOptions } from './proxy/proxy.ts';
import { createConnection } from './runtime/cri/connection.ts';
import { createCriRuntime } from './runtime/cri/cri-runtime.ts';
import { createOrphanedShims } from './runtime/cri/orphaned-shims.ts';
import { withOomReports } from './runtime/oom-kills.ts';
import type { ContainerRuntime } from './runtime/runtime.ts';

/** The dependencies of one part. */
export interface PartDeps {
  client: Client;
  nodeName: string;
  clock: Clock;
  log: Logger;
}

/** A part that is set up but does nothing until it runs. */
export interface Part {
  /** Told of objects that the part leaves out; for its metric. */
  leftOut: LeftOutReporter;
  /** Runs until `signal` aborts; settles when all of it has ended and its events are sent. */
  run(signal: AbortSignal): Promise<void>;
}

interface PartTools {
  informers: Informers;
  events: FlushingEventRecorder;
  leftOut: LeftOutReporter;
}

/** @param make called at once; what it returns is called when the part begins, and tells what runs besides the informers */
function part(
  deps: PartDeps,
  component: string,
  selections: InformerSelections,
  make: (tools: PartTools) => (signal: AbortSignal) => Promise<void>[],
): Part {
  const tools = partTools(deps, component, selections);
  return partOf(tools, make(tools));
}

function partTools({ client, clock, log, nodeName }: PartDeps, component: string, selections: InformerSelections): PartTools {
  const informers = createInformers({ client, clock, log }, selections);
  const events = createEventRecorder({ client, clock, log, component, host: nodeName });
  return { informers, events, leftOut: createLeftOutReporter({ events, log }) };
}

function partOf({ informers, events, leftOut }: PartTools, runs: (signal: AbortSignal) => Promise<void>[]): Part {
  return {
    leftOut,
    async run(signal) {
      await Promise.all([informers.run(signal), ...runs(signal)]);
      await events.flush();
    },
  };
}

/** The container runtime of a kubelet. */
export interface RuntimeOptions {
  runtime: 'containerd' | 'docker';
  /** URL of the container runtime's socket, for example `unix:///run/containerd/containerd.sock`. */
  runtimeEndpoint: string;
  /** Of the docker runtime, which makes sandboxes itself. */
  sandboxImage: string;
  cniConfDir: string;
  cniBinDir: string;
  rootDir: string;
}

/** The kubelet. */
export function kubeletPart(
  deps: PartDeps & Pick<KubeletDeps, 'runtime' | 'podManifests' | 'networkGate'>,
  options: KubeletOptions,
  { runtime: runtimeName, runtimeEndpoint }: Pick<RuntimeOptions, 'runtime' | 'runtimeEndpoint'>,
): Part {
  const { clock, log, nodeName } = deps;
  return part(deps, 'kubelet', kubeletSelections(nodeName), (tools) => {
    const kubelet = createKubelet({ ...deps, ...tools, random: Math.random, exec: execFile }, options);
    return (signal) => [
      kubelet.run(signal),
      ...(runtimeName === 'containerd'
        ? [killOrphanedShims(runtimeEndpoint, { clock, log, nodeName, events: tools.events }, signal)]
        : []),
    ];
  });
}

/** The service proxy. */
export const proxyPart = (deps: PartDeps, options: ProxyOptions): Part =>
  part(deps, 'kube-proxy', {}, ({ informers, events, leftOut }) => {
    const proxy = createProxy(
      {
        services: informers.informer('services'),
        endpointSlices: informers.informer('endpointslices.discovery.k8s.io'),
        nodes: informers.informer('nodes'),
        exec: execFile,
        sysctl: execSysctl(execFile),
        clock: deps.clock,
        log: deps.log,
        events,
        leftOut,
      },
      options,
    );
    return (signal) => [proxy.run(signal)];
  });

/** The pod network. */
export const networkPart = (deps: PartDeps, options: NodeNetworkOptions): Part =>
  part(deps, 'node-network', {}, ({ informers, leftOut }) => {
    const network = createNodeNetwork({ ...deps, nodes: informers.informer('nodes'), exec: execFile, leftOut }, options);
    return (signal) => [network.run(signal)];
  });

/** What enforces NetworkPolicies. */
export interface NetworkPolicyPart extends Part {
  /** For the kubelet of this process: it starts a pod's containers once the pod's rules stand. */
  gate: NetworkPolicies;
  metrics: typeof networkPolicyMetrics;
}

/** Enforces NetworkPolicies with rules of the kernel. */
export function networkPolicyPart(deps: PartDeps): NetworkPolicyPart {
  const { client, clock, log, nodeName } = deps;
  const tools = partTools(deps, 'network-policy', {});
  const { informers, events, leftOut } = tools;
  const gate = createNetworkPolicies(
    {
      clock,
      log,
      events,
      leftOut,
      policies: informers.informer('networkpolicies.networking.k8s.io'),
      namespaces: informers.informer('namespaces'),
      pods: informers.informer('pods'),
      client: client.resource('networkpolicies.networking.k8s.io'),
      table: createPolicyTable(execFile),
    },
    nodeName,
  );
  return { ...partOf(tools, (signal) => [gate.run(signal)]), gate, metrics: networkPolicyMetrics };
}

/** Cluster DNS. @param publish how pods find it; undefined: somebody else has made a Service and its endpoints */
export const dnsPart = (deps: PartDeps, options: DnsServerOptions, publish: PublishDnsOptions | undefined): Part =>
  part(deps, 'cluster-dns', { nodes: kubeletSelections(deps.nodeName).nodes ?? {} }, ({ informers, leftOut }) => {
    const services = informers.informer('services');
    const endpointSlices = informers.informer('endpointslices.discovery.k8s.io');
    const namespaces = informers.informer('namespaces');
    const dns = createDnsServer({ ...deps, services, endpointSlices, namespaces, leftOut }, options);
    return (signal) => [
      dns.run(signal),
      ...(publish === undefined
        ? []
        : [publishDns({ ...deps, nodes: informers.informer('nodes'), services, endpointSlices }, publish, signal)]),
    ];
  });

function killOrphanedShims(
  endpoint: string,
  { nodeName, clock, log, events }: Pick<PartDeps, 'nodeName' | 'clock' | 'log'> & { events: EventRecorder },
  signal: AbortSignal,
): Promise<void> {
  const connection = createConnection({ endpoint, log, clock });
  const report = (message: string): void =>
    events.event({ kind: 'Node', name: nodeName, uid: nodeName }, 'Warning', 'OrphanedShim', message);
  const shims = createOrphanedShims({ connection, endpoint, processes: machineProcesses, exec: execFile, clock, log, report });
  return shims.run(signal).finally(() => connection.close());
}

/** Docker's client is imported only when it is used, because it takes several megabytes of memory. */
export async function runtimeOf(
  options: RuntimeOptions,
  { clock, log }: Pick<PartDeps, 'clock' | 'log'>,
): Promise<ContainerRuntime> {
  const kernelLog = createKernelLog();
  if (options.runtime === 'containerd')
    return withOomReports(createCriRuntime({ endpoint: options.runtimeEndpoint, log, clock }), { kernelLog, log });
  const { createDockerRuntime } = await import('./runtime/docker/docker-runtime.ts');
  const docker = createDockerRuntime({
    socketPath: options.runtimeEndpoint.replace(/^unix:\/\//, ''),
    cni: { confDir: options.cniConfDir, binDir: options.cniBinDir },
    dataDir: `${options.rootDir}/docker-runtime`,
    sandboxImage: options.sandboxImage,
    ...(hasCapability('CAP_SYS_RESOURCE') ? {} : { minOomScoreAdj: 0 }),
    log,
    clock,
  });
  return withOomReports(docker, { kernelLog, log });
}
