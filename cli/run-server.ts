/** Runs `tinker server`: turns flags into options and signals into an abort. */

import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { dirname, resolve } from 'node:path';
import { embeddedFiles } from '#api/embedded.ts';
import { errorText } from '#api/error-text.ts';
import { mustParseCidr } from '#api/ip.ts';
import { type Descriptions, readDescriptions } from '#api/schema/descriptions.ts';
import { readAdmissionConfiguration } from '#control/apiserver/admission/config/admission-configuration.ts';
import { isPluginEnabled, pluginChoiceProblems } from '#control/apiserver/admission/plugin-names.ts';
import { silentLog } from '#control/apiserver/serving/server-log.ts';
import type { KeyPair } from '#control/pki/certificates.ts';
import { readProxyClientFiles, readSigningFiles } from '#control/pki/signing-files.ts';
import { parseConfiguration, type SchedulerConfiguration } from '#control/scheduler/config/configuration.ts';
import { createProfile } from '#control/scheduler/config/profile.ts';
import { runServer } from '#control/server.ts';
import { auditOptions } from './audit-flags.ts';
import { authenticationOptions } from './authentication-flags.ts';
import { authorizationOptions } from './authorization-flags.ts';
import { checkAddress, checkFolder, firstAddress } from './checks.ts';
import type { ServerFlags } from './cluster-flags.ts';
import { checkLogLevel, runDaemon } from './daemon.ts';
import { encryptionOptions } from './encryption-flags.ts';
import { etcdOptions } from './etcd-flags.ts';
import { leadershipOptions } from './leadership-flags.ts';
import { serviceAccountOptions, serviceAccountWarnings } from './service-account-flags.ts';
import { servingCertificateOf } from './serving-certificate.ts';
import { kubernetesVersion } from './version.ts';

/** Runs the server until it is told to stop. @throws Error when it cannot start */
export async function server(flags: ServerFlags): Promise<void> {
  const advertiseAddress = checkAddress('--advertise-address', flags.advertiseAddress ?? firstAddress('--advertise-address'));
  const bindAddress = checkAddress('--bind-address', flags.bindAddress);
  checkNodeMask(flags);
  checkLogLevel(flags.logLevel);
  const admissionPlugins = { enable: flags.enableAdmissionPlugins, disable: flags.disableAdmissionPlugins };
  const problems = pluginChoiceProblems(admissionPlugins);
  if (problems.length > 0) throw new Error(problems.join('; '));
  const { admissionControlConfigFile: admissionFile } = flags;
  const admissionSettings = admissionFile === undefined ? {} : readAdmissionConfiguration(admissionFile);
  if (isPluginEnabled('ImagePolicyWebhook', admissionPlugins) && admissionSettings.imagePolicy === undefined)
    throw new Error('couldn\'t init admission plugin "ImagePolicyWebhook": no config specified');
  // Read the files first, so that an error is reported before anything is created. Warnings are kept until there is a log.
  const warnings: [fields: Record<string, unknown>, message: string][] = [];
  const tokens = serviceAccountOptions(flags, flags.clusterDomain);
  warnings.push(...serviceAccountWarnings(tokens).map((text): [Record<string, unknown>, string] => [{}, text]));
  const authentication = authenticationOptions(flags, [tokens.issuer, ...(tokens.otherIssuers ?? [])], {
    ...silentLog,
    warn: (...warning) => warnings.push(warning),
  });
  const servingCertificate = servingCertificateOf(flags);
  const authorization = authorizationOptions(flags);
  const audit = auditOptions(flags);
  const encryption = encryptionOptions(flags);
  const etcd = etcdOptions(flags);
  const clusterSigner = signerOf(flags);
  const leadership = leadershipOptions(flags);
  const scheduler = flags.schedulerConfig === undefined ? undefined : schedulerConfiguration(flags.schedulerConfig);
  // This check comes last because it makes the folder: a command with another error must leave nothing behind.
  checkFolder('--data-dir', flags.dataDir);
  if (flags.writeKubeconfig !== undefined) checkFolder('--write-kubeconfig', dirname(resolve(flags.writeKubeconfig)));
  const storeWorker = embeddedFiles['control/store/sqlite-worker.ts'];
  await runDaemon('server', flags.logLevel, flags.dataDir, ({ log, ready, signal, metrics }) => {
    for (const [fields, message] of warnings) log.warn(fields, message);
    return runServer(
      {
        dataDir: flags.dataDir,
        clients: {
          clusterCidr: flags.clusterCidr,
          scheduler,
          nodeCidrMaskSize: flags.nodeCidrMaskSize,
          nodeMonitorPeriodMs: flags.nodeMonitorPeriod,
          nodeMonitorGracePeriodMs: flags.nodeMonitorGracePeriod,
          clusterSigningDurationMs: flags.clusterSigningDuration,
          clusterSigner,
          legacyTokenCleanUpPeriodMs: flags.legacyServiceAccountTokenCleanUpPeriod,
          leadership,
          loadBalancerPool: flags.loadBalancerPool === '' ? [] : flags.loadBalancerPool.split(','),
          horizontal: {
            concurrency: flags.concurrentHorizontalPodAutoscalerSyncs,
            syncPeriodMs: flags.horizontalPodAutoscalerSyncPeriod,
            downscaleStabilizationMs: flags.horizontalPodAutoscalerDownscaleStabilization,
            tolerance: flags.horizontalPodAutoscalerTolerance,
            cpuInitializationPeriodMs: flags.horizontalPodAutoscalerCpuInitializationPeriod,
            initialReadinessDelayMs: flags.horizontalPodAutoscalerInitialReadinessDelay,
          },
        },
        bindAddress,
        advertiseAddress,
        securePort: flags.securePort,
        serviceCidr: flags.serviceClusterIpRange,
        nodePortRange: flags.serviceNodePortRange,
        clusterDomain: flags.clusterDomain,
        metricResolutionMs: flags.metricResolution,
        proxyClient: proxyClientOf(flags),
        tolerationSeconds: {
          notReady: flags.defaultNotReadyTolerationSeconds,
          unreachable: flags.defaultUnreachableTolerationSeconds,
        },
        admissionPlugins,
        admissionSettings,
        authentication,
        tokens,
        authorization,
        audit,
        encryption,
        etcd,
        etcdListen: flags.listenClientUrls,
        compactionIntervalMs: flags.etcdCompactionInterval,
        isFair: flags.enablePriorityAndFairness,
        inflight: { readOnly: flags.maxRequestsInflight, mutating: flags.maxMutatingRequestsInflight },
        servingCertificate,
        extraNames: {
          dns: flags.tlsSan.filter((name) => isIP(name) === 0),
          ips: flags.tlsSan.filter((name) => isIP(name) !== 0),
        },
        writeKubeconfig: flags.writeKubeconfig,
        version: kubernetesVersion,
        descriptions,
        metrics,
        storeWorker: storeWorker === undefined ? undefined : { code: storeWorker },
      },
      log,
      ready,
      signal,
    );
  });
}

/** Reads the scheduler's configuration file and checks that its plugins exist. @throws Error that names the flag */
function schedulerConfiguration(path: string): SchedulerConfiguration {
  try {
    const configuration = parseConfiguration(readFileSync(path, 'utf8'));
    configuration.profiles.forEach(createProfile);
    return configuration;
  } catch (error) {
    throw new Error(`--scheduler-config ${path}: ${errorText(error)}`, { cause: error });
  }
}

/** @throws Error that names the flag */
function signerOf({ clusterSigningCertFile: certFile, clusterSigningKeyFile: keyFile }: ServerFlags): KeyPair | undefined {
  if (certFile === undefined && keyFile === undefined) return undefined;
  if (certFile === undefined || keyFile === undefined)
    throw new Error('--cluster-signing-cert-file and --cluster-signing-key-file go together: give both');
  return readSigningFiles(certFile, keyFile);
}

/** As whom aggregated servers know us. @throws Error that names the flag */
export function proxyClientOf({
  proxyClientCertFile: certFile,
  proxyClientKeyFile: keyFile,
}: Pick<ServerFlags, 'proxyClientCertFile' | 'proxyClientKeyFile'>): KeyPair | undefined {
  if (certFile === undefined && keyFile === undefined) return undefined;
  if (certFile === undefined || keyFile === undefined)
    throw new Error('--proxy-client-cert-file and --proxy-client-key-file go together: give both');
  return readProxyClientFiles(certFile, keyFile);
}

/**
 * Checks the mask of node CIDRs. @throws Error when the cluster CIDR cannot be divided so, or into more than 65536 parts
 * (upstream's limit)
 */
function checkNodeMask({ clusterCidr, nodeCidrMaskSize }: ServerFlags): void {
  const [cidr = ''] = clusterCidr.split(',');
  const { family, prefixLength: length } = mustParseCidr(cidr);
  const longest = Math.min(length + 16, family === 'IPv6' ? 128 : 30);
  if (nodeCidrMaskSize < length || nodeCidrMaskSize > longest) {
    throw new Error(
      `--node-cidr-mask-size ${nodeCidrMaskSize}: give ${length} to ${longest}, for a node's part of --cluster-cidr ${cidr}`,
    );
  }
}

/** The descriptions for `kubectl explain`: embedded in the bundle, or read from the npm package. */
export function descriptions(): Descriptions {
  const embedded = embeddedFiles['descriptions.json'];
  if (embedded !== undefined) return JSON.parse(embedded) as Descriptions;
  return readDescriptions(new URL('../node_modules/@kubernetes/client-node/dist/gen/models', import.meta.url).pathname);
}
