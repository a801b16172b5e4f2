/** Certificates and keys of this server: those of the data folder, or of the flags. */
import { join } from 'node:path';
import { CertificateFiles } from '#client/certificate-files.ts';
import { type Clock } from '#client/clock.ts';
import { writeSafely } from '#control/pki/pki-files.ts';
import type { RequestHeaderOptions } from './apiserver/authentication/request-header.ts';
import type { KeyPair } from './pki/certificates.ts';
import { type ClusterPki, loadClusterPki } from './pki/cluster-pki.ts';
import { adminKubeconfig } from './pki/node-credentials.ts';
import type { ServerOptions } from './server-options.ts';

/** Of the flags, or of the data folder, where {@link loadPki} has made it. */
export const servingCertificate = ({ servingCertificate: files, dataDir }: ServerOptions): CertificateFiles =>
  files ?? new CertificateFiles(join(dataDir, 'pki/apiserver.crt'), join(dataDir, 'pki/apiserver.key'));

/** What the flags say of proxies in front, or what kubeadm sets up: a CA of its own, which knows us as the proxy of aggregated servers. */
export function frontProxyOf(
  { authentication, proxyClient }: ServerOptions,
  { frontProxy: { ca, client } }: ClusterPki,
): { client: KeyPair; requestHeader: RequestHeaderOptions } {
  const byDefault: RequestHeaderOptions = {
    clientCa: ca,
    allowedNames: ['front-proxy-client'],
    usernameHeaders: ['X-Remote-User'],
    uidHeaders: ['X-Remote-Uid'],
    groupHeaders: ['X-Remote-Group'],
    extraHeaderPrefixes: ['X-Remote-Extra-'],
  };
  return { client: proxyClient ?? client, requestHeader: authentication.requestHeader ?? byDefault };
}

/** The names that kubeadm puts into the serving certificate, and those of the flags. */
export function loadPki(options: ServerOptions, serviceIp: string, clock: Clock): Promise<ClusterPki> {
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
