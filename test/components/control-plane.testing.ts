/** A control plane of separate processes on loopback: keys as kubeadm makes them, and what each component is started with. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kubeconfigText } from '#client/kubeconfig.ts';
import { createAuthority, createTokenKey, issueCertificate, type KeyPair } from '#control/pki/certificates.ts';
import { freePort } from '#test/free-port.ts';

/** Where the files are, and the ports that were free. */
export interface PlaneFiles {
  folder: string;
  ports: { apiserver: number; controllers: number; scheduler: number };
  /** A kubeconfig by user: `admin.conf`, `scheduler.conf`, … */
  kubeconfig(name: string): string;
  remove(): void;
}

const users: Readonly<Record<string, { commonName: string; organizations?: string[] }>> = {
  admin: { commonName: 'kubernetes-admin', organizations: ['system:masters'] },
  'controller-manager': { commonName: 'system:kube-controller-manager' },
  scheduler: { commonName: 'system:kube-scheduler' },
  'kube-proxy': { commonName: 'system:kube-proxy' },
};

/** Makes keys, certificates and kubeconfigs. */
export async function makePlaneFiles(): Promise<PlaneFiles> {
  const folder = mkdtempSync(join(tmpdir(), 'tinker-plane-'));
  const nowMs = Date.now();
  const pki = join(folder, 'pki');
  mkdirSync(pki);
  const write = (name: string, pair: KeyPair): void => {
    writeFileSync(join(pki, `${name}.crt`), pair.certificate);
    writeFileSync(join(pki, `${name}.key`), pair.key, { mode: 0o600 });
  };
  const [ca, proxyCa] = [await createAuthority(nowMs), await createAuthority(nowMs, 'front-proxy-ca')];
  write('ca', ca);
  write('front-proxy-ca', proxyCa);
  const server = { commonName: 'kube-apiserver', usage: 'server', dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] } as const;
  write('apiserver', await issueCertificate(ca, server, nowMs));
  const kubelet = {
    commonName: 'kube-apiserver-kubelet-client',
    organizations: ['kubeadm:cluster-admins'],
    usage: 'client',
  } as const;
  write('apiserver-kubelet-client', await issueCertificate(ca, kubelet, nowMs));
  write('front-proxy-client', await issueCertificate(proxyCa, { commonName: 'front-proxy-client', usage: 'client' }, nowMs));
  const tokens = await createTokenKey();
  writeFileSync(join(pki, 'sa.key'), tokens.privateKey, { mode: 0o600 });
  writeFileSync(join(pki, 'sa.pub'), tokens.publicKey);
  const ports = { apiserver: await freePort(), controllers: await freePort(), scheduler: await freePort() };
  for (const [name, user] of Object.entries(users)) {
    const { certificate: cert, key } = await issueCertificate(ca, { ...user, usage: 'client' }, nowMs);
    const url = `https://127.0.0.1:${ports.apiserver}`;
    writeFileSync(
      join(folder, `${name}.conf`),
      kubeconfigText({ server: url, ca: ca.certificate, cert, key, userName: user.commonName }),
      { mode: 0o600 },
    );
  }
  return {
    folder,
    ports,
    kubeconfig: (name) => join(folder, `${name}.conf`),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** The flags of kubeadm's manifest, but for the store: it is the embedded one. */
export const apiServerFlags = ({ folder, ports }: PlaneFiles): string[] => [
  '--advertise-address=127.0.0.1',
  '--bind-address=127.0.0.1',
  '--allow-privileged=true',
  '--authorization-mode=Node,RBAC',
  `--client-ca-file=${folder}/pki/ca.crt`,
  '--enable-admission-plugins=NodeRestriction',
  '--enable-bootstrap-token-auth=true',
  `--data-dir=${folder}/store`,
  `--kubelet-client-certificate=${folder}/pki/apiserver-kubelet-client.crt`,
  `--kubelet-client-key=${folder}/pki/apiserver-kubelet-client.key`,
  '--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname',
  `--proxy-client-cert-file=${folder}/pki/front-proxy-client.crt`,
  `--proxy-client-key-file=${folder}/pki/front-proxy-client.key`,
  '--requestheader-allowed-names=front-proxy-client',
  `--requestheader-client-ca-file=${folder}/pki/front-proxy-ca.crt`,
  '--requestheader-extra-headers-prefix=X-Remote-Extra-',
  '--requestheader-group-headers=X-Remote-Group',
  '--requestheader-username-headers=X-Remote-User',
  `--secure-port=${ports.apiserver}`,
  '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
  `--service-account-key-file=${folder}/pki/sa.pub`,
  `--service-account-signing-key-file=${folder}/pki/sa.key`,
  '--service-cluster-ip-range=10.96.0.0/12',
  `--tls-cert-file=${folder}/pki/apiserver.crt`,
  `--tls-private-key-file=${folder}/pki/apiserver.key`,
];

/** The flags of kubeadm's manifest. */
export const controllerManagerFlags = ({ folder, ports }: PlaneFiles): string[] => [
  '--allocate-node-cidrs=true',
  `--authentication-kubeconfig=${folder}/controller-manager.conf`,
  `--authorization-kubeconfig=${folder}/controller-manager.conf`,
  '--bind-address=127.0.0.1',
  `--client-ca-file=${folder}/pki/ca.crt`,
  '--cluster-cidr=10.244.0.0/16',
  '--cluster-name=kubernetes',
  `--cluster-signing-cert-file=${folder}/pki/ca.crt`,
  `--cluster-signing-key-file=${folder}/pki/ca.key`,
  '--controllers=*,bootstrapsigner,tokencleaner',
  `--kubeconfig=${folder}/controller-manager.conf`,
  '--leader-elect=true',
  `--requestheader-client-ca-file=${folder}/pki/front-proxy-ca.crt`,
  `--root-ca-file=${folder}/pki/ca.crt`,
  `--service-account-private-key-file=${folder}/pki/sa.key`,
  '--service-cluster-ip-range=10.96.0.0/12',
  '--use-service-account-credentials=true',
  `--secure-port=${ports.controllers}`,
];

/** The flags of kubeadm's manifest. */
export const schedulerFlags = ({ folder, ports }: PlaneFiles): string[] => [
  `--authentication-kubeconfig=${folder}/scheduler.conf`,
  `--authorization-kubeconfig=${folder}/scheduler.conf`,
  '--bind-address=127.0.0.1',
  `--kubeconfig=${folder}/scheduler.conf`,
  '--leader-elect=true',
  `--secure-port=${ports.scheduler}`,
];
