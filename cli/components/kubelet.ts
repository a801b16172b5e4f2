/**
 * The command kubelet: the kubelet as a process of its own, without service proxy, pod network and DNS. It is the user
 * `system:node:<name>` and asks only for what the Node authorizer allows.
 *
 * Source: kubernetes `cmd/kubelet/app` (server.go, options).
 */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { certificateMetrics } from '#agent/credentials/certificate-metrics.ts';
import { bootstrapFromFile } from '#agent/credentials/join.ts';
import { createNodeCredentials } from '#agent/credentials/node-credentials.ts';
import { nodeResolvConf } from '#agent/dns/resolv-conf.ts';
import type { KubeletOptions } from '#agent/kubelet/options.ts';
import { addMetric } from '#agent/kubelet/server/metrics.ts';
import { kubeletPart, runtimeOf } from '#agent/parts.ts';
import type { JsonObject } from '#api/json.ts';
import type { Taint } from '#api/types.generated.ts';
import { systemClock } from '#client/clock.ts';
import { createHttpTransport } from '#client/http-transport.ts';
import { loadKubeconfig } from '#client/kubeconfig.ts';
import { leftOutMetric } from '#client/left-out.ts';
import { createClient } from '#client/rest-client.ts';
import { checkAddress, checkFile, checkFolder, checkNodeName, firstAddress } from '../checks.ts';
import { checkNodeIps } from '../node-ip.ts';
import { podManifests } from '../pod-manifest.ts';
import { type ComponentContext, defineComponent } from './component.ts';
import { Configuration, merged, readConfigurationFile, readDropIns } from './configuration-file.ts';
import { evictionThresholds } from './eviction-thresholds.ts';
import { FlagSet, type ParsedFlags } from './flag-set.ts';
import { configurationOf, type KubeletFlags, kubeletSections, kubeletWithoutEffect } from './kubelet-flags.ts';
import { servePlain } from './plain-http.ts';

const long =
  'The kubelet is the primary "node agent" that runs on each node. It registers the node with the API server and runs the containers that the PodSpecs of its pods describe; it takes PodSpecs from the API server and from files.';

const flags = new FlagSet<KubeletFlags>('kubelet', long, kubeletSections(), kubeletWithoutEffect);

const kind = { kind: 'KubeletConfiguration', apiVersion: 'kubelet.config.k8s.io/v1beta1' };

interface Settings {
  flags: KubeletFlags;
  kubeconfig: string;
  nodeName: string;
  options: Omit<KubeletOptions, 'serving' | 'nodeName'>;
  serving: {
    address: string | undefined;
    port: number | undefined;
    tlsCertFile: string | undefined;
    tlsKeyFile: string | undefined;
    clientCaFile: string | undefined;
  };
  rotateClients: boolean;
  rotateServing: boolean;
  runtimeEndpoint: string;
  healthz: { host: string; port: number } | undefined;
  warnings: readonly string[];
}

async function settle({ flags: given, given: names }: ParsedFlags<KubeletFlags>): Promise<Settings> {
  let file: JsonObject = given.config === undefined ? {} : readConfigurationFile('--config', given.config, kind);
  if (given.configDir !== undefined)
    for (const dropIn of readDropIns('--config-dir', given.configDir, kind)) file = merged(file, dropIn);
  const configuration = new Configuration(merged(file, configurationOf(given, names)));
  try {
    return await settled(given, configuration);
  } catch (error) {
    if (given.config !== undefined && error instanceof Error && !error.message.startsWith('--'))
      throw new Error(`--config ${given.config}: ${error.message}`, { cause: error });
    throw error;
  }
}

async function settled(given: KubeletFlags, configuration: Configuration): Promise<Settings> {
  const nodeName = (given.hostnameOverride ?? hostname()).trim().toLowerCase();
  checkNodeName('--hostname-override', nodeName);
  if (given.kubeconfig === undefined)
    throw new Error('--kubeconfig: give the kubeconfig of this node; with --bootstrap-kubeconfig it need not be there yet');
  if (given.bootstrapKubeconfig === undefined) checkFile('--kubeconfig', given.kubeconfig);
  const options = await kubeletOptions(given, configuration);
  const serving = servingOf(configuration);
  const rotateServing = configuration.flag('serverTLSBootstrap') ?? false;
  const settings: Settings = {
    flags: given,
    kubeconfig: resolve(given.kubeconfig),
    nodeName,
    options,
    serving,
    rotateClients: configuration.flag('rotateCertificates') ?? false,
    rotateServing: rotateServing && serving.tlsCertFile === undefined,
    runtimeEndpoint: configuration.text('containerRuntimeEndpoint') ?? defaultEndpoints[given.containerRuntime],
    healthz: healthzOf(configuration),
    warnings: [
      ...evictionThresholds(configuration.map('evictionHard') ?? {}).unheeded.map((one) => `evictionHard.${one}`),
      ...configuration.unread(),
    ].map((field) => `the configuration's field ${field} is not heeded by this kubelet`),
  };
  checkRoot();
  checkFolder('--root-dir', given.rootDir);
  return settings;
}

const defaultEndpoints = { containerd: 'unix:///run/containerd/containerd.sock', docker: 'unix:///run/docker.sock' };

function servingOf(configuration: Configuration): Settings['serving'] {
  const [tlsCertFile, tlsKeyFile] = [configuration.text('tlsCertFile'), configuration.text('tlsPrivateKeyFile')];
  if ((tlsCertFile === undefined) !== (tlsKeyFile === undefined))
    throw new Error('tlsCertFile and tlsPrivateKeyFile (--tls-cert-file, --tls-private-key-file) go together: give both');
  const clientCaFile = configuration.text('authentication.x509.clientCAFile');
  for (const [name, path] of Object.entries({
    '--tls-cert-file': tlsCertFile,
    '--tls-private-key-file': tlsKeyFile,
    '--client-ca-file': clientCaFile,
  }))
    if (path !== undefined) checkFile(name, path);
  return { address: configuration.text('address'), port: configuration.number('port'), tlsCertFile, tlsKeyFile, clientCaFile };
}

function healthzOf(configuration: Configuration): Settings['healthz'] {
  const [host = '127.0.0.1', port = 10_248] = [configuration.text('healthzBindAddress'), configuration.number('healthzPort')];
  return port === 0 ? undefined : { host, port };
}

async function kubeletOptions(given: KubeletFlags, configuration: Configuration): Promise<Settings['options']> {
  const mode = configuration.text('authorization.mode') ?? 'Webhook';
  if (mode !== 'Webhook' && mode !== 'AlwaysAllow') throw new Error(`authorization.mode ${mode}: give AlwaysAllow or Webhook`);
  if ((configuration.number('readOnlyPort') ?? 0) !== 0)
    throw new Error('readOnlyPort (--read-only-port): there is no port without authentication here: leave it 0');
  const driver = configuration.text('cgroupDriver') ?? 'cgroupfs';
  if (driver !== 'cgroupfs')
    throw new Error(
      `cgroupDriver ${driver}: this kubelet makes control groups by itself: give cgroupfs, here and to the runtime`,
    );
  if (configuration.flag('registerNode') === false)
    throw new Error('registerNode (--register-node): this kubelet always registers its node: leave it true');
  return {
    nodeIps: nodeIps(given.nodeIp),
    nodeLabels: given.nodeLabels,
    auth: {
      anonymous: configuration.flag('authentication.anonymous.enabled'),
      tokenWebhook: configuration.flag('authentication.webhook.enabled'),
      tokenCacheMs: configuration.duration('authentication.webhook.cacheTTL'),
      mode,
      authorizedCacheMs: configuration.duration('authorization.webhook.cacheAuthorizedTTL'),
      unauthorizedCacheMs: configuration.duration('authorization.webhook.cacheUnauthorizedTTL'),
    },
    clusterDns: (configuration.texts('clusterDNS') ?? []).map((address) => checkAddress('clusterDNS', address)),
    clusterDomain: configuration.text('clusterDomain'),
    resolvConf: configuration.text('resolvConf') ?? (await nodeResolvConf()),
    dataDir: resolve(given.rootDir),
    podLogsDir: configuration.text('podLogsDir'),
    cgroupRoot: configuration.text('cgroupRoot'),
    maxPods: configuration.number('maxPods'),
    registerWithTaints: configuration.list('registerWithTaints') as unknown as Taint[] | undefined,
    staticPodPath: configuration.text('staticPodPath'),
    fileCheckFrequencyMs: configuration.duration('fileCheckFrequency'),
    staticPodUrl: configuration.text('staticPodURL'),
    staticPodUrlHeaders: headersOf(configuration.map('staticPodURLHeader') ?? {}),
    httpCheckFrequencyMs: configuration.duration('httpCheckFrequency'),
    syncFrequencyMs: configuration.duration('syncFrequency'),
    nodeStatusUpdateFrequencyMs: configuration.duration('nodeStatusUpdateFrequency'),
    nodeStatusReportFrequencyMs: configuration.duration('nodeStatusReportFrequency'),
    nodeLeaseDurationSeconds: configuration.number('nodeLeaseDurationSeconds') || undefined,
    evictionHard: evictionThresholds(configuration.map('evictionHard') ?? {}).thresholds,
    evictionPressureTransitionPeriodMs: configuration.duration('evictionPressureTransitionPeriod'),
    serializeImagePulls: configuration.flag('serializeImagePulls'),
    containerLogMaxBytes: configuration.bytes('containerLogMaxSize') || undefined,
    containerLogMaxFiles: configuration.number('containerLogMaxFiles') || undefined,
  };
}

/** Several values of one header are one, with commas between them. Source: RFC 9110, 5.3. */
const headersOf = (map: Readonly<Record<string, string>>): Record<string, string[]> =>
  Object.fromEntries(Object.entries(map).map(([name, values]) => [name, [values]]));

/** `--node-ip`: one, or one of each family; upstream's `0.0.0.0` and `::` mean the machine's own. @throws Error that names the flag */
function nodeIps(text: string): string[] {
  const given = text
    .split(',')
    .map((one) => one.trim())
    .filter((one) => !['', '0.0.0.0', '::'].includes(one));
  return given.length === 0 ? [firstAddress('--node-ip')] : checkNodeIps(given.join(','));
}

function checkRoot(): void {
  if (process.geteuid?.() !== 0)
    throw new Error('the kubelet needs root, for mounts and namespaces: run it with sudo, or as a system service');
}

async function run(settings: Settings, { log, signal, ready, metrics }: ComponentContext): Promise<void> {
  const clock = systemClock;
  for (const warning of settings.warnings) log.warn(warning);
  const { flags: given, nodeName, kubeconfig, serving } = settings;
  const certDir = resolve(given.certDir);
  if (given.bootstrapKubeconfig !== undefined) {
    const wanted = { nodeName, kubeconfig, certDir, timeoutMs: given.tlsBootstrapTimeout, isKubeletAlone: true };
    try {
      await bootstrapFromFile(resolve(given.bootstrapKubeconfig), wanted, { clock, log, signal });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    if (signal.aborted) return;
  }
  const config = loadKubeconfig(kubeconfig);
  for (const metric of [...metrics, ...certificateMetrics]) addMetric(metric);
  // A part that fails ends the others in order.
  const failed = new AbortController();
  const stop = AbortSignal.any([signal, failed.signal]);
  const credentials = createNodeCredentials(
    {
      nodeName,
      nodeIp: settings.options.nodeIps[0] ?? '',
      kubeconfig,
      tlsCertFile: serving.tlsCertFile,
      tlsKeyFile: serving.tlsKeyFile,
      isKubeletAlone: true,
      credentials: {
        certDir,
        bootstrapKubeconfig: given.bootstrapKubeconfig,
        // Whoever shows a token has no certificate to renew.
        rotateClients: settings.rotateClients && config.cert !== undefined,
        rotateServing: settings.rotateServing,
      },
    },
    { clock, random: Math.random, log, signal: stop },
  );
  const transport = createHttpTransport({ ...config, clientCertificate: credentials.certificateOf('kubelet') });
  const client = createClient(transport, { userAgent: 'kubelet', clock, signal: stop });
  credentials.used('kubelet', client, transport);
  const { runtimeEndpoint } = settings;
  const runtimeOptions = {
    ...given,
    runtime: given.containerRuntime,
    runtimeEndpoint,
    sandboxImage: given.podInfraContainerImage,
  };
  const runtime = await runtimeOf(runtimeOptions, { clock, log });
  const clientCa = serving.clientCaFile === undefined ? '' : readFileSync(serving.clientCaFile, 'utf8');
  try {
    const kubelet = kubeletPart(
      { client, nodeName, clock, log, runtime, podManifests },
      {
        ...settings.options,
        nodeName,
        serving: { address: serving.address, port: serving.port, certificate: credentials.serving(), clientCa },
      },
      runtimeOptions,
    );
    addMetric(leftOutMetric([kubelet.leftOut]));
    const healthz = { '/healthz': async () => ({ text: 'ok' }) };
    const parts = [
      kubelet.run(stop),
      credentials.run(stop),
      ...(settings.healthz === undefined ? [] : [servePlain('healthz server', settings.healthz, healthz, { clock, log }, stop)]),
    ];
    ready();
    await Promise.all(parts.map((part) => part.finally(() => failed.abort())));
  } finally {
    failed.abort();
    await runtime.close();
    transport.close();
  }
}

/** The kubelet as a process of its own. */
export const kubelet = defineComponent({ name: 'kubelet', flags, settle, folder: ({ flags: { rootDir } }) => rootDir, run });
