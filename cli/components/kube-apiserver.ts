/**
 * The command kube-apiserver: the API server as a process of its own. Its keys and certificates are given by flags; it signs none.
 *
 * Source: kubernetes `cmd/kube-apiserver/app` (server.go, options).
 */

import { generateKeyPairSync } from 'node:crypto';
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { addressBytes } from '#agent/credentials/request-certificate.ts';
import { makeFolder } from '#agent/host/make-folder.ts';
import { embeddedFiles } from '#api/embedded.ts';
import { createSelfSigned } from '#api/x509/self-signed.ts';
import { CertificateFiles } from '#client/certificate-files.ts';
import { readAdmissionConfiguration } from '#control/apiserver/admission/config/admission-configuration.ts';
import { pluginChoiceProblems } from '#control/apiserver/admission/plugin-names.ts';
import { silentLog } from '#control/apiserver/serving/server-log.ts';
import { tlsLimits } from '#control/apiserver/serving/tls-flags.ts';
import { readKubeletClientFiles } from '#control/pki/signing-files.ts';
import { runServer } from '#control/server.ts';
import type { GivenKeys, ServerOptions } from '#control/server-options.ts';
import { auditOptions } from '../audit-flags.ts';
import { authenticationOptions } from '../authentication-flags.ts';
import { authorizationOptions } from '../authorization-flags.ts';
import { checkAddress, checkFolder, firstAddress, textOf } from '../checks.ts';
import { encryptionOptions } from '../encryption-flags.ts';
import { etcdOptions } from '../etcd-flags.ts';
import { descriptions, proxyClientOf } from '../run-server.ts';
import { serviceAccountOptions, serviceAccountWarnings } from '../service-account-flags.ts';
import { servingCertificateOf } from '../serving-certificate.ts';
import { kubernetesVersion } from '../version.ts';
import { type ComponentContext, defineComponent } from './component.ts';
import { FlagSet, type ParsedFlags } from './flag-set.ts';
import { type ApiServerFlags, apiServerSections, apiServerWithoutEffect } from './kube-apiserver-flags.ts';

const long =
  "The Kubernetes API server validates and configures data for the api objects, which include pods, services, replicationcontrollers and others. It serves REST operations and is the frontend to the cluster's shared state, through which all other components interact.";

const flags = new FlagSet<ApiServerFlags>('kube-apiserver', long, apiServerSections(), apiServerWithoutEffect);

interface Settings {
  options: Omit<ServerOptions, 'metrics'>;
  warnings: readonly [fields: Record<string, unknown>, message: string][];
}

function settle({ flags: given }: ParsedFlags<ApiServerFlags>): Settings {
  const advertiseAddress = checkAddress('--advertise-address', given.advertiseAddress ?? firstAddress('--advertise-address'));
  const admissionPlugins = { enable: given.enableAdmissionPlugins, disable: given.disableAdmissionPlugins };
  const problems = pluginChoiceProblems(admissionPlugins);
  if (problems.length > 0) throw new Error(problems.join('; '));
  const { serviceAccountIssuer: issuers, serviceAccountSigningKeyFile: signing, serviceAccountKeyFile: keys } = given;
  if (issuers.length === 0)
    throw new Error(
      'service-account-issuer is a required flag: give the issuer of tokens, such as https://kubernetes.default.svc.cluster.local',
    );
  if (signing === undefined || keys.length === 0)
    throw new Error('service-account-signing-key-file is a required flag: give it and --service-account-key-file');
  const warnings: [Record<string, unknown>, string][] = [];
  const { privateKey = '', publicKey = '', ...tokens } = serviceAccountOptions(given, 'cluster.local');
  warnings.push(...serviceAccountWarnings(tokens).map((text): [Record<string, unknown>, string] => [{}, text]));
  const authentication = authenticationOptions(given, [tokens.issuer, ...(tokens.otherIssuers ?? [])], {
    ...silentLog,
    warn: (...warning) => warnings.push(warning),
  });
  // Upstream's default, which nobody uses.
  if (given.authorizationMode === undefined && given.authorizationConfig === undefined) {
    given.authorizationMode = ['AlwaysAllow'];
    warnings.push([{}, 'authorization-mode is not given: everything is allowed to everybody who is known']);
  }
  const { admissionControlConfigFile: admissionFile } = given;
  const storeWorker = embeddedFiles['control/store/sqlite-worker.ts'];
  const options: Settings['options'] = {
    given: { ...givenKeys(given), tokens: { privateKey, publicKey } },
    kubeletAddressTypes: given.kubeletPreferredAddressTypes,
    requestTimeoutMs: given.requestTimeout,
    tls: tlsLimits(given.tlsMinVersion, given.tlsCipherSuites),
    dataDir: given.dataDir,
    bindAddress: checkAddress('--bind-address', given.bindAddress),
    advertiseAddress,
    securePort: given.securePort,
    serviceCidr: given.serviceClusterIpRange,
    nodePortRange: given.serviceNodePortRange,
    clusterDomain: 'cluster.local',
    tolerationSeconds: {
      notReady: given.defaultNotReadyTolerationSeconds,
      unreachable: given.defaultUnreachableTolerationSeconds,
    },
    inflight: { readOnly: given.maxRequestsInflight, mutating: given.maxMutatingRequestsInflight },
    isFair: given.enablePriorityAndFairness,
    metricResolutionMs: given.metricResolution,
    proxyClient: proxyClientOf(given),
    admissionPlugins,
    admissionSettings: admissionFile === undefined ? {} : readAdmissionConfiguration(admissionFile),
    authentication,
    tokens,
    authorization: authorizationOptions(given),
    encryption: encryptionOptions(given),
    etcd: etcdOptions(given),
    etcdListen: given.listenClientUrls,
    compactionIntervalMs: given.etcdCompactionInterval,
    audit: auditOptions(given),
    servingCertificate: servingCertificateOf(given) ?? selfSigned(given.certDir, advertiseAddress),
    extraNames: { dns: [], ips: [] },
    writeKubeconfig: undefined,
    version: kubernetesVersion,
    descriptions,
    storeWorker: storeWorker === undefined ? undefined : { code: storeWorker },
  };
  // The embedded store, and what outlives the process.
  checkFolder('--data-dir', given.dataDir);
  return { options, warnings };
}

/** @throws Error that names the flag */
function givenKeys(given: ApiServerFlags): Omit<GivenKeys, 'tokens'> {
  const { kubeletClientCertificate: certFile, kubeletClientKey: keyFile } = given;
  if ((certFile === undefined) !== (keyFile === undefined))
    throw new Error('--kubelet-client-certificate and --kubelet-client-key go together: give both');
  return {
    clientCa: textOf('--client-ca-file', given.clientCaFile),
    kubeletClient: certFile === undefined || keyFile === undefined ? undefined : readKubeletClientFiles(certFile, keyFile),
    kubeletCa: textOf('--kubelet-certificate-authority', given.kubeletCertificateAuthority),
  };
}

/** As upstream: made once, in `--cert-dir`. @throws Error of the filesystem */
function selfSigned(certDir: string, address: string): CertificateFiles {
  const [certFile, keyFile] = [join(certDir, 'apiserver.crt'), join(certDir, 'apiserver.key')];
  if (!existsSync(certFile) || !existsSync(keyFile)) {
    makeFolder(certDir);
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const ipAddresses = [address, '127.0.0.1'].map(addressBytes);
    const nowMs = Date.now();
    const names = {
      dnsNames: [hostname(), 'kubernetes.default.svc', 'kubernetes.default', 'kubernetes', 'localhost'],
      ipAddresses,
    };
    const commonName = `${address}@${Math.floor(nowMs / 1000)}`;
    writeWhole(keyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, 0o600);
    writeWhole(certFile, createSelfSigned({ commonName, names, nowMs }, privateKey), 0o644);
  }
  return new CertificateFiles(certFile, keyFile);
}

function writeWhole(path: string, text: string, mode: number): void {
  writeFileSync(`${path}.new`, text, { mode });
  renameSync(`${path}.new`, path);
}

async function run({ options, warnings }: Settings, { log, ready, signal, metrics }: ComponentContext): Promise<void> {
  for (const [fields, message] of warnings) log.warn(fields, message);
  await runServer({ ...options, metrics }, log, ready, signal);
}

/** The API server as a process of its own. */
export const kubeApiserver = defineComponent({
  name: 'kube-apiserver',
  flags,
  settle,
  folder: ({ options }) => options.dataDir,
  run,
});
