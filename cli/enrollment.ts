/** How `tinker agent` gets its certificates: from files that its flags name, or by requesting them with a bootstrap token. */
import { resolve } from 'node:path';
import type { BootstrapDeps } from '#agent/credentials/bootstrap.ts';
import { bootstrapFromFile, joinCluster, joinedCaFile } from '#agent/credentials/join.ts';
import type { CredentialOptions } from '#agent/credentials/node-credentials.ts';
import { checkFile } from './checks.ts';
import type { AgentFlags } from './cluster-flags.ts';

/** How an agent gets its credentials: from its flags, with a bootstrap kubeconfig, or by a join. */
export interface Enrollment {
  /** What to do before the agent runs. */
  how:
    | { kind: 'given' }
    | { kind: 'bootstrap'; file: string }
    | { kind: 'join'; endpoint: string; token: string; caCertHashes: readonly string[]; timeoutMs: number };
  timeoutMs: number;
  files: {
    kubeconfig: string;
    clientCaFile: string | undefined;
    tlsCertFile: string | undefined;
    tlsKeyFile: string | undefined;
  };
  credentials: CredentialOptions;
}

/** @throws Error that names the flag */
export function enrollmentOf(flags: AgentFlags): Enrollment {
  const certDir = resolve(flags.certDir ?? `${flags.rootDir}/pki`);
  const kubeconfig = resolve(flags.kubeconfig ?? `${flags.rootDir}/kubelet.conf`);
  const how = howOf(flags);
  if (how.kind === 'given') {
    if (flags.kubeconfig === undefined)
      throw new Error(
        "--kubeconfig: give the node's credentials (tinker node-credentials), or --join with --token, or --bootstrap-kubeconfig",
      );
    checkFile('--kubeconfig', flags.kubeconfig);
  }
  if (flags.clientCaFile !== undefined) checkFile('--client-ca-file', flags.clientCaFile);
  const { tlsCertFile, tlsPrivateKeyFile: tlsKeyFile } = flags;
  if (tlsCertFile !== undefined) checkFile('--tls-cert-file', tlsCertFile);
  if (tlsKeyFile !== undefined) checkFile('--tls-private-key-file', tlsKeyFile);
  if ((tlsCertFile === undefined) !== (tlsKeyFile === undefined))
    throw new Error('--tls-cert-file and --tls-private-key-file go together: give both');
  const rotateServing = flags.rotateServerCertificates ?? tlsCertFile === undefined;
  return {
    how,
    timeoutMs: flags.tlsBootstrapTimeout,
    files: {
      kubeconfig,
      clientCaFile: flags.clientCaFile ?? (how.kind === 'join' ? joinedCaFile(certDir) : undefined),
      tlsCertFile,
      tlsKeyFile,
    },
    credentials: {
      certDir,
      bootstrapKubeconfig: how.kind === 'bootstrap' ? how.file : undefined,
      rotateClients: flags.rotateCertificates ?? how.kind !== 'given',
      rotateServing,
    },
  };
}

function howOf(flags: AgentFlags): Enrollment['how'] {
  const { join, token, discoveryTokenCaCertHash: caCertHashes, bootstrapKubeconfig } = flags;
  if (join === undefined) {
    if (token !== undefined || caCertHashes.length > 0)
      throw new Error('--token and --discovery-token-ca-cert-hash go with --join');
    if (bootstrapKubeconfig === undefined) return { kind: 'given' };
    return { kind: 'bootstrap', file: resolve(bootstrapKubeconfig) };
  }
  if (bootstrapKubeconfig !== undefined) throw new Error('--join and --bootstrap-kubeconfig exclude each other: give one');
  if (token === undefined) throw new Error('--join: give a bootstrap token with --token ("tinker token create" makes one)');
  if (caCertHashes.length === 0 && !flags.discoveryTokenUnsafeSkipCaVerification)
    throw new Error(
      '--join: give the hash of the cluster\'s CA with --discovery-token-ca-cert-hash ("tinker token create --print-join-command" prints it)',
    );
  // A URL `https://…` is accepted too and has a default port. A host name alone needs a port.
  const endpoint = join.replace(/^https:\/\//, '').replace(/\/$/, '');
  if (!/:\d+$/.test(endpoint) || !URL.canParse(`https://${endpoint}`))
    throw new Error(`--join ${join}: give the API server's address and port, such as 10.0.0.1:6443`);
  const pins = flags.discoveryTokenUnsafeSkipCaVerification ? [] : caCertHashes;
  return { kind: 'join', endpoint, token, caCertHashes: pins, timeoutMs: flags.discoveryTimeout };
}

/** Requests the missing certificates. @returns true when all exist; false when it was stopped before @throws Error */
export async function enroll(
  { how, timeoutMs, files, credentials }: Enrollment,
  nodeName: string,
  deps: BootstrapDeps,
): Promise<boolean> {
  const options = { nodeName, kubeconfig: files.kubeconfig, certDir: credentials.certDir, timeoutMs };
  try {
    if (how.kind === 'bootstrap') await bootstrapFromFile(how.file, options, deps);
    if (how.kind === 'join') await joinCluster({ ...options, discovery: how }, deps);
  } catch (error) {
    if (!deps.signal.aborted) throw error;
  }
  return !deps.signal.aborted;
}
