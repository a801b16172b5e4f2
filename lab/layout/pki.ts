/**
 * Keys, certificates and kubeconfigs of a laid-out control plane, under kubeadm's paths: `/etc/kubernetes/pki`, with etcd's own CA below it.
 *
 * Source: kubernetes.io, "PKI certificates and requirements", "Manual Certificate Generation".
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type KubeconfigContent, kubeconfigText } from '#client/kubeconfig.ts';
import { type CertificateRequest, createAuthority, issueCertificate, type KeyPair } from '#control/pki/certificates.ts';
import { loadClusterPki } from '#control/pki/cluster-pki.ts';
import type { Lab, Worker } from '../config.ts';

/** The folder of keys on the control plane's host. */
export const pkiFolder = '/etc/kubernetes/pki';

/** The kubeconfigs of the control plane's own clients: file, user and groups. */
const clients: readonly [file: string, commonName: string, organizations: readonly string[]][] = [
  ['admin.conf', 'kubernetes-admin', ['system:masters']],
  ['controller-manager.conf', 'system:kube-controller-manager', []],
  ['scheduler.conf', 'system:kube-scheduler', []],
];

/**
 * Makes what is not there yet.
 * @param folder `/etc/kubernetes` of the control plane's host, as the real machine sees it
 * @param serviceIp the first address of the Services, which the API server has in the cluster
 * @returns the administrator's kubeconfig
 */
export async function makeControlPlanePki(
  lab: Lab,
  host: Worker,
  folder: string,
  serviceIp: string,
  nowMs: number,
): Promise<string> {
  const pki = join(folder, 'pki');
  mkdirSync(join(pki, 'etcd'), { recursive: true, mode: 0o755 });
  const names = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', 'kubernetes.default.svc.cluster.local'];
  const { ca } = await loadClusterPki({
    folder: pki,
    nowMs,
    dnsNames: [host.name, ...names, 'localhost'],
    ipAddresses: [host.ip, serviceIp, '127.0.0.1'],
  });
  await makeEtcdPki(pki, host, nowMs);
  for (const [file, commonName, organizations] of clients) {
    const path = join(folder, file);
    if (existsSync(path)) continue;
    const client = await issueCertificate(ca, { commonName, organizations, usage: 'client' }, nowMs);
    const content: KubeconfigContent = {
      server: lab.apiServer,
      ca: ca.certificate,
      cert: client.certificate,
      key: client.key,
      userName: commonName,
    };
    writeFileSync(path, kubeconfigText(content), { mode: 0o600 });
  }
  return readFileSync(join(folder, 'admin.conf'), 'utf8');
}

async function makeEtcdPki(pki: string, host: Worker, nowMs: number): Promise<void> {
  const stored = (name: string): KeyPair | undefined =>
    existsSync(join(pki, `${name}.key`)) && existsSync(join(pki, `${name}.crt`))
      ? { certificate: readFileSync(join(pki, `${name}.crt`), 'utf8'), key: readFileSync(join(pki, `${name}.key`), 'utf8') }
      : undefined;
  const store = (name: string, { certificate, key }: KeyPair): void => {
    writeFileSync(join(pki, `${name}.key`), key, { mode: 0o600 });
    writeFileSync(join(pki, `${name}.crt`), certificate, { mode: 0o644 });
  };
  const found = stored('etcd/ca');
  const ca = found ?? (await createAuthority(nowMs, 'etcd-ca'));
  if (found === undefined) store('etcd/ca', ca);
  const names = { dnsNames: [host.name, 'localhost'], ipAddresses: [host.ip, '127.0.0.1', '::1'] };
  const requests: Record<string, CertificateRequest> = {
    'etcd/server': { commonName: host.name, usage: 'peer', ...names },
    'etcd/peer': { commonName: host.name, usage: 'peer', ...names },
    'etcd/healthcheck-client': { commonName: 'kube-etcd-healthcheck-client', usage: 'client' },
    'apiserver-etcd-client': { commonName: 'kube-apiserver-etcd-client', usage: 'client' },
  };
  for (const [name, request] of Object.entries(requests))
    if (stored(name) === undefined) store(name, await issueCertificate(ca, request, nowMs));
}
