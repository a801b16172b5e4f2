/**
 * The cluster's keys and certificates on disk, below `<data-dir>/pki`, under the file names that kubeadm uses.
 * What the CA signed and still serves is kept; what is missing, about to expire or lacks a name is made anew. The CA itself and the
 * key of service-account tokens are made once, both files or none: what is left of them is never written over.
 */
import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import {
  type CertificateRequest,
  canSign,
  createAuthority,
  createTokenKey,
  isKeyTo,
  issueCertificate,
  type KeyPair,
  stillServes,
} from './certificates.ts';
import { makePkiFolder, type Pair, type PairNames, PkiError, readPair, restore, writePair } from './pki-files.ts';

/** The keys and certificates of a cluster, as kubeadm names them. */
export interface ClusterPki {
  ca: KeyPair;
  /** Serves HTTPS of the API server. */
  apiserver: KeyPair;
  /** The API server as a client of kubelets. */
  kubeletClient: KeyPair;
  /** The API server as the proxy in front of aggregated servers, and the CA (PEM) by which they know it. */
  frontProxy: { ca: string; client: KeyPair };
  /** Service-account token key, PEM. */
  tokens: { privateKey: string; publicKey: string };
}

/** Where the files are, and whom the certificates name. */
export interface PkiOptions {
  folder: string;
  nowMs: number;
  /** Names and addresses under which clients reach the API server. */
  dnsNames: readonly string[];
  ipAddresses: readonly string[];
}

/**
 * Loads or makes the control plane's PKI.
 * @throws PkiError for a file that cannot be used; all are looked at before anything is written
 */
export async function loadClusterPki({ folder, nowMs, dnsNames, ipAddresses }: PkiOptions): Promise<ClusterPki> {
  makePkiFolder(folder);
  const foundCa = readAuthority(folder, nowMs, clusterCa);
  const foundProxyCa = readAuthority(folder, nowMs, frontProxyCa);
  const foundTokens = readTokenKey(folder);
  const requests = {
    apiserver: { commonName: 'kube-apiserver', usage: 'server', dnsNames, ipAddresses },
    'apiserver-kubelet-client': {
      commonName: 'kube-apiserver-kubelet-client',
      organizations: ['kubeadm:cluster-admins'],
      usage: 'client',
    },
    'front-proxy-client': { commonName: 'front-proxy-client', usage: 'client' },
  } as const satisfies Record<string, CertificateRequest>;
  const [foundServer, foundClient, foundProxy] = [
    readIssued(folder, 'apiserver'),
    readIssued(folder, 'apiserver-kubelet-client'),
    readIssued(folder, 'front-proxy-client'),
  ];
  const ca = foundCa ?? (await makeAuthority(folder, nowMs, clusterCa));
  const proxyCa = foundProxyCa ?? (await makeAuthority(folder, nowMs, frontProxyCa));
  const current = (name: keyof typeof requests, found: KeyPair | undefined, issuer = ca): Promise<KeyPair> =>
    keptOrIssued({ folder, nowMs, issuer }, name, requests[name], found);
  return {
    ca,
    apiserver: await current('apiserver', foundServer),
    kubeletClient: await current('apiserver-kubelet-client', foundClient),
    frontProxy: { ca: proxyCa.certificate, client: await current('front-proxy-client', foundProxy, proxyCa) },
    tokens: foundTokens ?? (await makeTokenKey(folder)),
  };
}

/** What etcd's API is served with, as kubeadm names it below `pki/etcd`. */
export interface EtcdPki {
  /** PEM: the CA of the server and of its clients. */
  ca: string;
  server: KeyPair;
}

/**
 * Loads or makes what etcd's API is served with, and a certificate for clients (`healthcheck-client`).
 * @throws PkiError for a file that cannot be used
 */
export async function loadEtcdPki({ folder, nowMs, dnsNames, ipAddresses }: PkiOptions): Promise<EtcdPki> {
  makePkiFolder(folder);
  const issuer = readAuthority(folder, nowMs, etcdCa) ?? (await makeAuthority(folder, nowMs, etcdCa));
  const place = { folder, nowMs, issuer };
  const server: CertificateRequest = { commonName: 'etcd', usage: 'server', dnsNames, ipAddresses };
  const client: CertificateRequest = { commonName: 'kube-etcd-healthcheck-client', usage: 'client' };
  await keptOrIssued(place, 'healthcheck-client', client, readIssued(folder, 'healthcheck-client'));
  return { ca: issuer.certificate, server: await keptOrIssued(place, 'server', server, readIssued(folder, 'server')) };
}

/** What was found, if it still serves; else a new one, which is written down. */
async function keptOrIssued(
  { folder, nowMs, issuer }: { folder: string; nowMs: number; issuer: KeyPair },
  name: string,
  request: CertificateRequest,
  found: KeyPair | undefined,
): Promise<KeyPair> {
  if (found !== undefined && (await stillServes(issuer, found, request, nowMs))) return found;
  const made = await issueCertificate(issuer, request, nowMs);
  writePair(folder, certificateNames(name), { key: made.key, public: made.certificate });
  return made;
}

/** The cluster's CA; made if this is the first start. @throws PkiError for files that cannot be used */
export async function loadAuthority(folder: string, nowMs: number): Promise<KeyPair> {
  makePkiFolder(folder);
  return readAuthority(folder, nowMs, clusterCa) ?? (await makeAuthority(folder, nowMs, clusterCa));
}

/** A CA of the cluster: its files' name, and what a new one costs. */
interface Authority {
  name: string;
  commonName: string;
  costs: string;
}

const clusterCa: Authority = { name: 'ca', commonName: 'kubernetes', costs: 'for which every node needs new credentials' };
const frontProxyCa: Authority = {
  name: 'front-proxy-ca',
  commonName: 'front-proxy-ca',
  costs: 'which aggregated servers learn by themselves',
};

const etcdCa: Authority = { name: 'ca', commonName: 'etcd-ca', costs: "for which etcd's clients need new certificates" };

async function makeAuthority(folder: string, nowMs: number, { name, commonName }: Authority): Promise<KeyPair> {
  const made = await createAuthority(nowMs, commonName);
  writePair(folder, certificateNames(name), { key: made.key, public: made.certificate });
  return made;
}

async function makeTokenKey(folder: string): Promise<ClusterPki['tokens']> {
  const made = await createTokenKey();
  writePair(folder, tokenKeyNames, { key: made.privateKey, public: made.publicKey });
  return made;
}

const certificateNames = (name: string): PairNames => ({ key: `${name}.key`, public: `${name}.crt` });
const tokenKeyNames: PairNames = { key: 'sa.key', public: 'sa.pub' };

/** Undefined where neither file is there. @throws PkiError */
function readAuthority(folder: string, nowMs: number, { name, costs }: Authority): KeyPair | undefined {
  const names = certificateNames(name);
  const paths = { key: join(folder, names.key), public: join(folder, names.public) };
  const anew = `move ${names.public} and ${names.key} away to start with a new CA, ${costs}`;
  const found = both(readPair(folder, names, belongTogether(certifies)), paths, anew);
  if (found === undefined) return undefined;
  const key = privateKeyOf(paths.key, found.key);
  if (!canSign(key))
    throw new PkiError(
      `${paths.key} is a key of type ${key.asymmetricKeyType}, and certificates are signed with RSA or ECDSA: ${anew}`,
    );
  const certificate = certificateOf(paths.public, found.public);
  if (!isKeyTo(key, certificate.publicKey))
    throw new PkiError(`${paths.key} is not the key of the certificate ${paths.public}: ${restore}, or ${anew}`);
  if (!certificate.ca) throw new PkiError(`${paths.public} is not the certificate of a CA: ${restore}, or ${anew}`);
  const clock = `; this machine's clock says ${new Date(nowMs).toISOString()}: set it, if it is wrong`;
  const isoDate = (text: string): string => new Date(text).toISOString();
  if (Date.parse(certificate.validTo) <= nowMs)
    throw new PkiError(`${paths.public} expired on ${isoDate(certificate.validTo)}${clock}; else ${anew}`);
  if (Date.parse(certificate.validFrom) > nowMs)
    throw new PkiError(`${paths.public} is valid only from ${isoDate(certificate.validFrom)} on${clock}; else ${anew}`);
  return { certificate: found.public, key: found.key };
}

/** Undefined where neither file is there. @throws PkiError */
function readTokenKey(folder: string): ClusterPki['tokens'] | undefined {
  const names = tokenKeyNames;
  const paths = { key: join(folder, names.key), public: join(folder, names.public) };
  const anew = `move ${names.key} and ${names.public} away to start with new ones, with which all tokens of service accounts end`;
  const found = both(readPair(folder, names, belongTogether(isPublicKeyOf)), paths, anew);
  if (found === undefined) return undefined;
  const key = privateKeyOf(paths.key, found.key);
  if (!canSign(key))
    throw new PkiError(
      `${paths.key} is a key of type ${key.asymmetricKeyType}, and tokens are signed with RSA or ECDSA: ${restore}, or ${anew}`,
    );
  let publicKey: KeyObject;
  try {
    publicKey = createPublicKey(found.public);
  } catch (error) {
    throw new PkiError(`${paths.public} is not a public key in PEM: ${restore}, or ${anew}`, { cause: error });
  }
  if (!isKeyTo(key, publicKey)) throw new PkiError(`${paths.key} is not the key to ${paths.public}: ${restore}, or ${anew}`);
  return { privateKey: found.key, publicKey: found.public };
}

/** What the CA has signed can be signed again: undefined where one of the two is missing. @throws PkiError for what is none */
function readIssued(folder: string, name: string): KeyPair | undefined {
  const names = certificateNames(name);
  const { key, public: certificate } = readPair(folder, names, belongTogether(certifies));
  if (key !== undefined) privateKeyOf(join(folder, names.key), key);
  if (certificate !== undefined) certificateOf(join(folder, names.public), certificate);
  return key === undefined || certificate === undefined ? undefined : { key, certificate };
}

/** @throws PkiError where one is there without the other, as kubeadm does */
function both(found: Partial<Pair>, paths: Pair, anew: string): Pair | undefined {
  const { key, public: publicPart } = found;
  if (key !== undefined && publicPart !== undefined) return { key, public: publicPart };
  if (key === undefined && publicPart === undefined) return undefined;
  const [missing, there] = key === undefined ? [paths.key, paths.public] : [paths.public, paths.key];
  throw new PkiError(`${missing} is missing, but ${there} is there: ${restore}, or ${anew}`);
}

function privateKeyOf(path: string, pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    throw new PkiError(
      `${path} is not a private key in PEM: ${restore}, or move it and its other half away to have both made anew`,
      {
        cause: error,
      },
    );
  }
}

function certificateOf(path: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw new PkiError(`${path} is not a certificate in PEM: ${restore}, or move it and its key away to have both made anew`, {
      cause: error,
    });
  }
}

/** For files that a crash may have left behind: what cannot be read belongs to nothing. */
function belongTogether(check: (key: string, publicPart: string) => boolean): (key: string, publicPart: string) => boolean {
  return (key, publicPart) => {
    try {
      return check(key, publicPart);
    } catch {
      return false; // Not PEM; the file that is in place is checked, and told of, later.
    }
  };
}

const certifies = (key: string, certificate: string): boolean =>
  isKeyTo(createPrivateKey(key), new X509Certificate(certificate).publicKey);
const isPublicKeyOf = (key: string, publicKey: string): boolean => isKeyTo(createPrivateKey(key), createPublicKey(publicKey));
