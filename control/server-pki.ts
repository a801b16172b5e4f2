/** Certificates and keys of this server: those of the data folder, or of the flags. */
import { join } from 'node:path';
import { CertificateFiles } from '#client/certificate-files.ts';
import { type Clock } from '#client/clock.ts';
import { writeSafely } from '#control/pki/pki-files.ts';
import type { RequestHeaderOptions } from './apiserver/authentication/request-header.ts';
import type { TokenKeys } from './apiserver/authentication/service-account-tokens.ts';
import type { KeyPair } from './pki/certificates.ts';
import { type ClusterPki, loadClusterPki } from './pki/cluster-pki.ts';
import { adminKubeconfig } from './pki/node-credentials.ts';
import type { ServerOptions } from './server-options.ts';

/** Of the flags, or of the data folder, where {@link loadPki} has made it. */
export const servingCertificate = ({ servingCertificate: files, dataDir }: ServerOptions): CertificateFiles =>
  files ?? new CertificateFiles(join(dataDir, 'pki/apiserver.crt'), join(dataDir, 'pki/apiserver.key'));

/** What the server knows others by, and others know it by. PEM. */
export interface ServerKeys {
  /** Signs certificates. Absent in kube-apiserver, which signs none. */
  ca: KeyPair | undefined;
  /** The CAs of client certificates. */
  clientCa: string | undefined;
  kubeletClient: KeyPair | undefined;
  kubeletCa: string | undefined;
  tokens: TokenKeys;
  /** The server as the proxy in front of aggregated servers. */
  proxyClient: KeyPair | undefined;
  /** The proxies in front of this server. */
  requestHeader: RequestHeaderOptions | undefined;
}

/** What the flags say, or what kubeadm sets up in the data folder: a CA of its own knows us as the proxy of aggregated servers. */
export async function loadKeys(options: ServerOptions, serviceIp: string, clock: Clock): Promise<ServerKeys> {
  const { given, authentication, proxyClient } = options;
  if (given !== undefined) return { ...given, ca: undefined, proxyClient, requestHeader: authentication.requestHeader };
  const pki = await loadPki(options, serviceIp, clock);
  const { ca: proxyCa, client } = pki.frontProxy;
  const byDefault: RequestHeaderOptions = {
    clientCa: proxyCa,
    allowedNames: ['front-proxy-client'],
    usernameHeaders: ['X-Remote-User'],
    uidHeaders: ['X-Remote-Uid'],
    groupHeaders: ['X-Remote-Group'],
    extraHeaderPrefixes: ['X-Remote-Extra-'],
  };
  return {
    ca: pki.ca,
    clientCa: pki.ca.certificate,
    kubeletClient: pki.kubeletClient,
    kubeletCa: pki.ca.certificate,
    tokens: pki.tokens,
    proxyClient: proxyClient ?? client,
    requestHeader: authentication.requestHeader ?? byDefault,
  };
}

/** The names that kubeadm puts into the serving certificate, and those of the flags. */
function loadPki(options: ServerOptions, serviceIp: string, clock: Clock): Promise<ClusterPki> {
  const dnsNames = [
    'kubernetes',
    'kubernetes.default',
    'kubernetes.default.svc',
    `kubernetes.default.svc.${options.clusterDomain}`,
    'localhost',
  ];
  const addresses = [serviceIp, options.advertiseAddress, options.bindAddress, '127.0.0.1', ...options.extraNames.ips];
  return loadClusterPki({
    folder: join(options.dataDir, 'pki'),
    nowMs: clock.now(),
    dnsNames: [...dnsNames, ...options.extraNames.dns],
    ipAddresses: [...new Set(addresses)].filter((address) => address !== '0.0.0.0'),
  });
}

/** The administrator's kubeconfig, in the data folder and where the flag says. */
export async function writeKubeconfigs(options: ServerOptions, clock: Clock): Promise<void> {
  const text = await adminKubeconfig(
    join(options.dataDir, 'pki'),
    `https://${options.advertiseAddress}:${options.securePort}`,
    clock.now(),
  );
  writeSafely(join(options.dataDir, 'admin.conf'), text);
  if (options.writeKubeconfig !== undefined) writeSafely(options.writeKubeconfig, text);
}
