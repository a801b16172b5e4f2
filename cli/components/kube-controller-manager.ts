/**
 * The command kube-controller-manager: the controllers as a process of its own.
 *
 * Source: kubernetes `cmd/kube-controller-manager/app` (controllermanager.go, options).
 */
import { errorText } from '#api/error-text.ts';
import { AccountTransports } from '#client/account-transports.ts';
import { DiscoveredCatalog } from '#client/discovered-catalog.ts';
import { createClient } from '#client/rest-client.ts';
import { ServiceAccountTokens } from '#control/apiserver/authentication/service-account-tokens.ts';
import type { ControllerOptions } from '#control/controllers/index.ts';
import { ControllerMonitors } from '#control/controllers/monitors/index.ts';
import { AutoscalerMonitor } from '#control/controllers/podautoscaler/monitor.ts';
import type { LeadershipOptions } from '#control/leadership.ts';
import type { KeyPair } from '#control/pki/certificates.ts';
import { createRequestSigner } from '#control/pki/request-signer.ts';
import { readSigningFiles } from '#control/pki/signing-files.ts';
import { runControllerTerm } from '#control/run-controller-manager.ts';
import { textOf } from '../checks.ts';
import { leadershipOptions } from '../leadership-flags.ts';
import { clientConfig } from './client-config.ts';
import { type ComponentContext, defineComponent } from './component.ts';
import { chosenControllers } from './controller-names.ts';
import { FlagSet, type ParsedFlags } from './flag-set.ts';
import {
  type ControllerManagerFlags,
  concurrencyOf,
  controllerManagerSections,
  controllerManagerWithoutEffect,
  maskSizeOf,
} from './kube-controller-manager-flags.ts';
import { type LedComponent, type LedParts, type LedWork, runLed } from './leading.ts';
import { type SecureServing, secureServing } from './secure-serving.ts';

const long =
  'The Kubernetes controller manager is a daemon that embeds the core control loops shipped with Kubernetes: each watches the shared state of the cluster through the API server and makes changes that move the current state towards the desired one.';

const flags = new FlagSet<ControllerManagerFlags>(
  'kube-controller-manager',
  long,
  controllerManagerSections(),
  controllerManagerWithoutEffect,
);

interface Settings {
  flags: ControllerManagerFlags;
  serving: SecureServing;
  leadership: LeadershipOptions;
  leaseName: string;
  isEnabled: (upstreamName: string) => boolean;
  signer: KeyPair | undefined;
  rootCa: string | undefined;
  /** PEM: the key that signs the tokens of secrets. */
  tokenKey: string | undefined;
  nodeCidrMaskSize: number | undefined;
}

function settle({ flags: given }: ParsedFlags<ControllerManagerFlags>): Settings {
  const isChosen = chosenControllers(given.controllers);
  const isEnabled = (name: string): boolean =>
    isChosen(name) && (given.enableGarbageCollector || name !== 'garbage-collector-controller');
  if (given.allocateNodeCidrs && given.clusterCidr === '')
    throw new Error(
      '--cluster-cidr must be specified when --allocate-node-cidrs is set: the network of the pods, such as 10.244.0.0/16',
    );
  if (!['', 'external'].includes(given.cloudProvider))
    throw new Error(
      `--cloud-provider ${given.cloudProvider}: the clouds that upstream had built in are gone: leave it out, or give external`,
    );
  return {
    flags: given,
    serving: secureServing('kube-controller-manager', given),
    leadership: leadershipOptions(given),
    leaseName: given.leaderElectResourceName,
    isEnabled,
    signer: signerOf(given),
    rootCa: textOf('--root-ca-file', given.rootCaFile),
    tokenKey: textOf('--service-account-private-key-file', given.serviceAccountPrivateKeyFile),
    nodeCidrMaskSize: maskSizeOf(given),
  };
}

/** @throws Error that names the flag */
function signerOf({
  clusterSigningCertFile: certFile,
  clusterSigningKeyFile: keyFile,
}: ControllerManagerFlags): KeyPair | undefined {
  if (certFile === undefined && keyFile === undefined) return undefined;
  if (certFile === undefined || keyFile === undefined)
    throw new Error('--cluster-signing-cert-file and --cluster-signing-key-file go together: give both');
  return readSigningFiles(certFile, keyFile);
}

async function run(settings: Settings, context: ComponentContext): Promise<void> {
  const { flags: given, serving, leadership, leaseName } = settings;
  const component: LedComponent = {
    name: 'kube-controller-manager',
    eventSource: 'kube-controller-manager',
    config: clientConfig('--kubeconfig', given.kubeconfig, given.master),
    serving,
    leadership,
    leaseName,
    configuration: {},
  };
  await runLed(component, context, (parts) => workOf(settings, component, parts));
}

async function workOf(settings: Settings, { config }: LedComponent, parts: LedParts): Promise<LedWork> {
  const { clock, log, registry, client, informers, leftOut, clients, ending } = parts;
  const { flags: given } = settings;
  const catalog = new DiscoveredCatalog();
  await catalog.fill(client, { clock, log }, ending);
  const definitionsChange = (): void => catalog.changed();
  informers
    .informer('customresourcedefinitions.apiextensions.k8s.io')
    .subscribe({ added: definitionsChange, updated: definitionsChange, deleted: definitionsChange });
  const options = await controllerOptions(settings, parts);
  // Its certificate would count before any token.
  const connection = clients.transport({ ...config, cert: undefined, key: undefined, token: undefined, tokenFile: undefined });
  const accounts = new AccountTransports({ client, connection, clock, log });
  const accountClient = (account: string, term: AbortSignal) =>
    createClient(accounts.as(account, term), { userAgent: `kube-controller-manager/${account}`, clock, signal: term });
  for (const metric of [...(options.monitors?.metrics ?? []), ...(options.horizontal?.monitor?.metrics ?? [])])
    registry.registerMetric(metric);
  return {
    term: (term) =>
      runControllerTerm(
        {
          client,
          informers,
          catalog: catalog.resources,
          clock,
          log,
          leftOut,
          accountClient: given.useServiceAccountCredentials ? accountClient : undefined,
        },
        options,
        term,
      ),
    alongside: [catalog.run(client, { clock, log }, ending)],
  };
}

async function controllerOptions(settings: Settings, { clock }: LedParts): Promise<ControllerOptions> {
  const { flags: given, rootCa, signer, isEnabled, nodeCidrMaskSize, tokenKey } = settings;
  return {
    isEnabled,
    concurrency: concurrencyOf(given),
    monitors: new ControllerMonitors(given.clusterCidr === '' ? [] : given.clusterCidr.split(',')),
    clusterCidr: given.allocateNodeCidrs ? given.clusterCidr : undefined,
    serviceCidr: given.serviceClusterIpRange === '' ? undefined : given.serviceClusterIpRange,
    nodeCidrMaskSize,
    nodeMonitorPeriodMs: given.nodeMonitorPeriod,
    nodeMonitorGracePeriodMs: given.nodeMonitorGracePeriod,
    nodeStartupGracePeriodMs: given.nodeStartupGracePeriod,
    nodeEvictionRate: given.nodeEvictionRate,
    secondaryNodeEvictionRate: given.secondaryNodeEvictionRate,
    largeClusterSizeThreshold: given.largeClusterSizeThreshold,
    unhealthyZoneThreshold: given.unhealthyZoneThreshold,
    terminatedPodGcThreshold: given.terminatedPodGcThreshold,
    rootCaPem: rootCa,
    legacyTokenCleanUpPeriodMs: given.legacyServiceAccountTokenCleanUpPeriod,
    issueServiceAccountToken: tokenKey === undefined ? undefined : tokenIssuer(tokenKey, clock),
    certificateSigner: signer === undefined ? undefined : await createRequestSigner(signer),
    clusterSigningDurationMs: given.clusterSigningDuration,
    loadBalancerPool: given.loadBalancerPool === '' ? [] : given.loadBalancerPool.split(','),
    horizontal: {
      concurrency: given.concurrentHorizontalPodAutoscalerSyncs,
      syncPeriodMs: given.horizontalPodAutoscalerSyncPeriod,
      downscaleStabilizationMs: given.horizontalPodAutoscalerDownscaleStabilization,
      tolerance: given.horizontalPodAutoscalerTolerance,
      cpuInitializationPeriodMs: given.horizontalPodAutoscalerCpuInitializationPeriod,
      initialReadinessDelayMs: given.horizontalPodAutoscalerInitialReadinessDelay,
      monitor: new AutoscalerMonitor(),
    },
  };
}

/** Signs what stands in secrets. @throws Error for what is no key */
function tokenIssuer(privateKey: string, clock: LedParts['clock']): ControllerOptions['issueServiceAccountToken'] {
  try {
    const keys = { privateKey, publicKey: privateKey, issuer: '', audiences: [] };
    const tokens = new ServiceAccountTokens(keys, clock, () => Promise.resolve(undefined));
    return (account, secret) => tokens.issueForSecret(account.metadata, secret.metadata);
  } catch (error) {
    throw new Error(`--service-account-private-key-file: ${errorText(error)}`, { cause: error });
  }
}

/** The controllers as a process of their own. */
export const kubeControllerManager = defineComponent({ name: 'kube-controller-manager', flags, settle, run });
