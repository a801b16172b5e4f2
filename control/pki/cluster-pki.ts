/**
 * The cluster's keys and certificates on disk, below `<data-dir>/pki`, under the file names that kubeadm uses.
 * What is there and still serves is kept; what is missing, about to expire or lacks a name is made anew.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type CertificateRequest,
  createAuthority,
  createTokenKey,
  issueCertificate,
  type KeyPair,
  stillServes,
} from './certificates.ts';

export interface ClusterPki {
  ca: KeyPair;
  /** Serves HTTPS of the API server. */
  apiserver: KeyPair;
  /** The API server as a client of kubelets. */
  kubeletClient: KeyPair;
  /** Service-account token key, PEM. */
  tokens: { privateKey: string; publicKey: string };
}

export interface PkiOptions {
  folder: string;
  nowMs: number;
  /** Names and addresses under which clients reach the API server. */
  dnsNames: readonly string[];
  ipAddresses: readonly string[];
}

/** Loads or makes the control plane's PKI. @throws when a file is there but unreadable: it is never overwritten blindly */
export async function loadClusterPki({ folder, nowMs, dnsNames, ipAddresses }: PkiOptions): Promise<ClusterPki> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const ca = await loadAuthority(folder, nowMs);
  const pair = (name: string, request: CertificateRequest): Promise<KeyPair> => loadPair(folder, name, ca, request, nowMs);
  return {
    ca,
    apiserver: await pair('apiserver', { commonName: 'kube-apiserver', usage: 'server', dnsNames, ipAddresses }),
    kubeletClient: await pair('apiserver-kubelet-client', {
      commonName: 'kube-apiserver-kubelet-client',
      organizations: ['kubeadm:cluster-admins'],
      usage: 'client',
    }),
    tokens: await loadTokenKey(folder),
  };
}

/** The cluster's CA; made if this is the first start. */
export async function loadAuthority(folder: string, nowMs: number): Promise<KeyPair> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const found = readPair(folder, 'ca');
  if (found !== undefined) return found;
  const made = await createAuthority(nowMs);
  writePair(folder, 'ca', made);
  return made;
}

async function loadPair(folder: string, name: string, ca: KeyPair, request: CertificateRequest, nowMs: number): Promise<KeyPair> {
  const found = readPair(folder, name);
  if (found !== undefined && (await stillServes(ca, found, request, nowMs))) return found;
  const made = await issueCertificate(ca, request, nowMs);
  writePair(folder, name, made);
  return made;
}

async function loadTokenKey(folder: string): Promise<ClusterPki['tokens']> {
  const privateKey = readIfThere(join(folder, 'sa.key'));
  const publicKey = readIfThere(join(folder, 'sa.pub'));
  if (privateKey !== undefined && publicKey !== undefined) return { privateKey, publicKey };
  const made = await createTokenKey();
  writeSafely(join(folder, 'sa.key'), made.privateKey);
  writeSafely(join(folder, 'sa.pub'), made.publicKey);
  return made;
}

function readPair(folder: string, name: string): KeyPair | undefined {
  const certificate = readIfThere(join(folder, `${name}.crt`));
  const key = readIfThere(join(folder, `${name}.key`));
  return certificate === undefined || key === undefined ? undefined : { certificate, key };
}

/** The key goes first: a certificate without its key would be of no use. */
function writePair(folder: string, name: string, pair: KeyPair): void {
  writeSafely(join(folder, `${name}.key`), pair.key);
  writeSafely(join(folder, `${name}.crt`), pair.certificate);
}

/** Whole or not at all, also when the power fails, and readable by the owner only. */
export function writeSafely(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600, flush: true });
  renameSync(`${path}.new`, path);
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
