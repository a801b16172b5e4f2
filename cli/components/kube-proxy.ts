/**
 * The command kube-proxy: the service proxy as a process of its own.
 *
 * Source: kubernetes `cmd/kube-proxy/app` (server.go, server_linux.go, options.go).
 */
import { hostname } from 'node:os';
import { execFile } from '#agent/host/exec.ts';
import { execSysctl } from '#agent/host/sysctl.ts';
import { proxyPart } from '#agent/parts.ts';
import { backends, type ProxyMode, removeServiceRules } from '#agent/proxy/backends.ts';
import { allProxyMetrics } from '#agent/proxy/metrics.ts';
import type { ProxyOptions } from '#agent/proxy/proxy.ts';
import { errorText } from '#api/error-text.ts';
import { addressBits, familyOf } from '#api/ip.ts';
import { isNotFound } from '#api/status.ts';
import type { Client } from '#client/client.ts';
import { type Clock, sleep, systemClock } from '#client/clock.ts';
import type { LoadedKubeconfig } from '#client/kubeconfig.ts';
import { leftOutMetric } from '#client/left-out.ts';
import { checkAddress, checkNodeName } from '../checks.ts';
import { ComponentClients, clientConfig } from './client-config.ts';
import { type ComponentContext, defineComponent } from './component.ts';
import { Configuration, readConfigurationFile } from './configuration-file.ts';
import { FlagSet, type ParsedFlags } from './flag-set.ts';
import { checkNodePortAddresses, type ProxyFlags, proxySections, proxyWithoutEffect } from './kube-proxy-flags.ts';
import { hostAndPort, servePlain } from './plain-http.ts';

const long =
  'The Kubernetes network proxy runs on each node. It reflects services as defined in the Kubernetes API on the node: packets to the cluster IPs and node ports of a Service are forwarded to its endpoints by rules of the kernel.';

const flags = new FlagSet<ProxyFlags>('kube-proxy', long, proxySections(), proxyWithoutEffect);

const kind = { kind: 'KubeProxyConfiguration', apiVersion: 'kubeproxy.config.k8s.io/v1alpha1' };

interface Settings {
  cleanup: boolean;
  /** Absent: only the rules are removed. */
  config: LoadedKubeconfig | undefined;
  nodeName: string;
  /** `--bind-address`; absent: the Node says it. */
  nodeIp: string | undefined;
  options: Omit<ProxyOptions, 'nodeName' | 'nodeIps'>;
  metrics: { host: string; port: number } | undefined;
  warnings: readonly string[];
}

function settle({ flags: given }: ParsedFlags<ProxyFlags>): Settings {
  const file = given.config === undefined ? undefined : readConfigurationFile('--config', given.config, kind);
  const settings = file === undefined ? fromFlags(given) : fromFile(given, new Configuration(file));
  checkRoot();
  return settings;
}

const modeOf = (text: string | undefined): ProxyMode => {
  const mode = text === undefined || text === '' ? 'iptables' : text;
  if (!Object.hasOwn(backends, mode))
    throw new Error(`--proxy-mode ${mode}: unknown proxy mode: give one of ${Object.keys(backends).join(', ')}`);
  return mode as ProxyMode;
};

/** The name, the address and the connection, which flags say also where there is a file. */
function base(given: ProxyFlags, name: string | undefined, bindAddress: string | undefined, kubeconfig: string | undefined) {
  const nodeName = (given.hostnameOverride ?? name ?? hostname()).trim().toLowerCase();
  checkNodeName('--hostname-override', nodeName);
  const address = bindAddress === undefined || ['', '0.0.0.0', '::'].includes(bindAddress) ? undefined : bindAddress;
  return {
    cleanup: given.cleanup,
    nodeName,
    nodeIp: address === undefined ? undefined : checkAddress('--bind-address', address),
    config: given.cleanup ? undefined : clientConfig('--kubeconfig', kubeconfig ?? given.kubeconfig, given.master),
  };
}

const endpoint = (flag: string, text: string): { host: string; port: number } | undefined =>
  text === '' ? undefined : hostAndPort(flag, text);

function fromFlags(given: ProxyFlags): Settings {
  const { healthzPort = 10_256, metricsPort = 10_249 } = given;
  const healthz = given.healthzBindAddress ?? (healthzPort === 0 ? '' : `0.0.0.0:${healthzPort}`);
  if (healthz !== '') hostAndPort('--healthz-bind-address', healthz);
  const metrics = given.metricsBindAddress ?? (metricsPort === 0 ? '' : `127.0.0.1:${metricsPort}`);
  return {
    ...base(given, undefined, given.bindAddress, undefined),
    metrics: endpoint('--metrics-bind-address', metrics),
    options: withoutAbsent({
      mode: modeOf(given.proxyMode),
      clusterCidr: given.clusterCidr || undefined,
      healthzBindAddress: healthz,
      minSyncPeriodMs: given.iptablesMinSyncPeriod,
      syncPeriodMs: given.iptablesSyncPeriod,
      masqueradeAll: given.masqueradeAll,
      masqueradeBit: given.iptablesMasqueradeBit,
      localhostNodePorts: given.iptablesLocalhostNodeports,
      nodePortAddresses: given.nodeportAddresses,
    }),
    warnings: [],
  };
}

/** As upstream: of the flags only --hostname-override, --kubeconfig and --master count where there is a file. */
function fromFile(given: ProxyFlags, file: Configuration): Settings {
  const mode = modeOf(file.text('mode'));
  const of = mode === 'iptables' ? 'iptables' : 'nftables';
  const healthz = file.text('healthzBindAddress') ?? '0.0.0.0:10256';
  const detect = file.text('detectLocalMode');
  if (detect !== undefined && detect !== 'ClusterCIDR')
    throw new Error(
      `--config ${given.config ?? ''}: detectLocalMode ${detect}: traffic of pods is known by clusterCIDR here: give ClusterCIDR, or leave it out`,
    );
  const settings: Settings = {
    ...base(given, file.text('hostnameOverride'), file.text('bindAddress'), file.text('clientConnection.kubeconfig')),
    metrics: endpoint('metricsBindAddress', withPort(file.text('metricsBindAddress') ?? '127.0.0.1:10249', 10_249)),
    options: withoutAbsent({
      mode,
      clusterCidr: file.text('clusterCIDR'),
      healthzBindAddress: withPort(healthz, 10_256),
      minSyncPeriodMs: file.duration(`${of}.minSyncPeriod`),
      syncPeriodMs: file.duration(`${of}.syncPeriod`),
      masqueradeAll: file.flag(`${of}.masqueradeAll`),
      masqueradeBit: file.number(`${of}.masqueradeBit`),
      localhostNodePorts: file.flag('iptables.localhostNodePorts'),
      nodePortAddresses: nodePortAddressesOf(file),
    }),
    warnings: [],
  };
  return {
    ...settings,
    warnings: file.unread().map((field) => `the configuration's field ${field} is not heeded by this kube-proxy`),
  };
}

function nodePortAddressesOf(file: Configuration): string[] | undefined {
  const given = file.texts('nodePortAddresses');
  try {
    return given === undefined ? undefined : checkNodePortAddresses(given);
  } catch (error) {
    throw new Error(`nodePortAddresses: ${errorText(error)}`, { cause: error });
  }
}

/** Upstream takes an address without a port, too. */
const withPort = (text: string, port: number): string =>
  /:\d+$/.test(text) && !/^[\da-f:]*::[\da-f:]*$/i.test(text) ? text : `${text.includes(':') ? `[${text}]` : text}:${port}`;

type Absent<T> = { [Name in keyof T]: T[Name] | undefined };

/** The fields that are there. */
const withoutAbsent = (options: Absent<Settings['options']>): Settings['options'] =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Settings['options'];

function checkRoot(): void {
  if (process.geteuid?.() !== 0)
    throw new Error('kube-proxy needs root, for rules of the kernel: run it with sudo, or as a system service');
}

async function run(settings: Settings, { log, registry, signal, ready }: ComponentContext): Promise<void> {
  const clock = systemClock;
  if (settings.cleanup || settings.config === undefined) {
    const warn = (message: string): void => log.warn(message);
    await removeServiceRules({ exec: execFile, sysctl: execSysctl(execFile), clock, warn });
    return;
  }
  for (const warning of settings.warnings) log.warn(warning);
  const { nodeName, options, metrics } = settings;
  const clients = new ComponentClients();
  try {
    const client = clients.client(settings.config, 'kube-proxy', signal);
    const nodeIps =
      settings.nodeIp === undefined ? await addressesOf(client, nodeName, { clock, log }, signal) : [settings.nodeIp];
    if (signal.aborted) return;
    // Upstream's `primary`.
    const own = nodeIps.map((ip) => `${ip}/${addressBits[familyOf(ip)]}`);
    const nodePortAddresses = options.nodePortAddresses?.[0] === 'primary' ? own : (options.nodePortAddresses ?? []);
    const proxy = proxyPart({ client, nodeName, clock, log }, { ...options, nodeName, nodeIps, nodePortAddresses });
    for (const metric of [leftOutMetric([proxy.leftOut]), ...allProxyMetrics]) registry.registerMetric(metric);
    const pages = {
      '/metrics': async () => ({ text: await registry.metrics(), type: registry.contentType }),
      '/healthz': async () => ({ text: 'ok' }),
      '/proxyMode': async () => ({ text: options.mode ?? 'iptables' }),
    };
    ready();
    await Promise.all([
      proxy.run(signal),
      ...(metrics === undefined ? [] : [servePlain('metrics server', metrics, pages, { clock, log }, signal)]),
    ]);
  } finally {
    clients.close();
  }
}

const lookMs = 1_000;

/** The node's addresses, one of each family, once its Node has some. Empty only when `signal` aborts. */
async function addressesOf(
  client: Client,
  nodeName: string,
  { clock, log }: Pick<ComponentContext, 'log'> & { clock: Clock },
  signal: AbortSignal,
): Promise<string[]> {
  let isTold = false;
  while (!signal.aborted) {
    try {
      const { status } = await client.resource('nodes').get({ name: nodeName });
      const internal = (status?.addresses ?? []).filter(({ type }) => type === 'InternalIP').map(({ address }) => address);
      const found = (['IPv4', 'IPv6'] as const).flatMap((family) => internal.find((one) => familyOf(one) === family) ?? []);
      // The first address of the Node is of the family that it prefers.
      if (found.length > 0) return found.sort((a, b) => internal.indexOf(a) - internal.indexOf(b));
      if (!isTold) log.warn({ node: nodeName }, 'the Node has no address yet; waiting for it');
    } catch (error) {
      if (signal.aborted) break;
      if (!isTold)
        log.warn(
          { err: error, node: nodeName },
          isNotFound(error) ? 'there is no such Node yet; waiting for it' : 'the Node could not be read; trying again',
        );
    }
    isTold = true;
    await sleep(clock, lookMs, signal);
  }
  return [];
}

/** The service proxy as a process of its own. */
export const kubeProxy = defineComponent({ name: 'kube-proxy', flags, settle, run });
