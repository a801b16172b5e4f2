/**
 * The command lines of the control plane's components, with the flags that kubeadm gives them. Pure.
 *
 * Source: kubernetes `cmd/kubeadm/app/phases/controlplane/manifests.go`, `cmd/kubeadm/app/phases/etcd/local.go`.
 */
import type { Lab, Worker } from '../config.ts';
import { pkiFolder } from './pki.ts';

/** A component with its command line; the program comes first. */
export interface ComponentCommand {
  name: 'etcd' | 'kube-apiserver' | 'kube-controller-manager' | 'kube-scheduler';
  description: string;
  argv: readonly string[];
}

const pki = (file: string): string => `${pkiFolder}/${file}`;

/** @param bin the folder of the programs; etcd is Debian's */
export function controlPlaneCommands(lab: Lab, host: Worker, bin: string): ComponentCommand[] {
  const requestHeader = [
    '--requestheader-allowed-names=front-proxy-client',
    `--requestheader-client-ca-file=${pki('front-proxy-ca.crt')}`,
    '--requestheader-extra-headers-prefix=X-Remote-Extra-',
    '--requestheader-group-headers=X-Remote-Group',
    '--requestheader-username-headers=X-Remote-User',
  ];
  return [
    { name: 'etcd', description: 'etcd key-value store', argv: etcd(host) },
    {
      name: 'kube-apiserver',
      description: 'Kubernetes API Server',
      argv: [
        `${bin}/kube-apiserver`,
        `--advertise-address=${host.ip}`,
        '--allow-privileged=true',
        '--authorization-mode=Node,RBAC',
        `--client-ca-file=${pki('ca.crt')}`,
        '--enable-admission-plugins=NodeRestriction',
        '--enable-bootstrap-token-auth=true',
        `--etcd-cafile=${pki('etcd/ca.crt')}`,
        `--etcd-certfile=${pki('apiserver-etcd-client.crt')}`,
        `--etcd-keyfile=${pki('apiserver-etcd-client.key')}`,
        '--etcd-servers=https://127.0.0.1:2379',
        `--kubelet-client-certificate=${pki('apiserver-kubelet-client.crt')}`,
        `--kubelet-client-key=${pki('apiserver-kubelet-client.key')}`,
        '--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname',
        `--proxy-client-cert-file=${pki('front-proxy-client.crt')}`,
        `--proxy-client-key-file=${pki('front-proxy-client.key')}`,
        ...requestHeader,
        '--secure-port=6443',
        '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
        `--service-account-key-file=${pki('sa.pub')}`,
        `--service-account-signing-key-file=${pki('sa.key')}`,
        `--service-cluster-ip-range=${lab.serviceCidr}`,
        `--tls-cert-file=${pki('apiserver.crt')}`,
        `--tls-private-key-file=${pki('apiserver.key')}`,
      ],
    },
    {
      name: 'kube-controller-manager',
      description: 'Kubernetes Controller Manager',
      argv: [
        `${bin}/kube-controller-manager`,
        '--allocate-node-cidrs=true',
        '--authentication-kubeconfig=/etc/kubernetes/controller-manager.conf',
        '--authorization-kubeconfig=/etc/kubernetes/controller-manager.conf',
        '--bind-address=127.0.0.1',
        `--client-ca-file=${pki('ca.crt')}`,
        `--cluster-cidr=${lab.clusterCidr}`,
        '--cluster-name=kubernetes',
        `--cluster-signing-cert-file=${pki('ca.crt')}`,
        `--cluster-signing-key-file=${pki('ca.key')}`,
        '--controllers=*,bootstrapsigner,tokencleaner',
        '--kubeconfig=/etc/kubernetes/controller-manager.conf',
        '--leader-elect=true',
        `--requestheader-client-ca-file=${pki('front-proxy-ca.crt')}`,
        `--root-ca-file=${pki('ca.crt')}`,
        `--service-account-private-key-file=${pki('sa.key')}`,
        `--service-cluster-ip-range=${lab.serviceCidr}`,
        '--use-service-account-credentials=true',
      ],
    },
    {
      name: 'kube-scheduler',
      description: 'Kubernetes Scheduler',
      argv: [
        `${bin}/kube-scheduler`,
        '--authentication-kubeconfig=/etc/kubernetes/scheduler.conf',
        '--authorization-kubeconfig=/etc/kubernetes/scheduler.conf',
        '--bind-address=127.0.0.1',
        '--kubeconfig=/etc/kubernetes/scheduler.conf',
        '--leader-elect=true',
      ],
    },
  ];
}

function etcd({ name, ip }: Worker): string[] {
  return [
    '/usr/bin/etcd',
    `--advertise-client-urls=https://${ip}:2379`,
    `--cert-file=${pki('etcd/server.crt')}`,
    '--client-cert-auth=true',
    '--data-dir=/var/lib/etcd',
    `--initial-advertise-peer-urls=https://${ip}:2380`,
    `--initial-cluster=${name}=https://${ip}:2380`,
    `--key-file=${pki('etcd/server.key')}`,
    `--listen-client-urls=https://127.0.0.1:2379,https://${ip}:2379`,
    '--listen-metrics-urls=http://127.0.0.1:2381',
    `--listen-peer-urls=https://${ip}:2380`,
    `--name=${name}`,
    `--peer-cert-file=${pki('etcd/peer.crt')}`,
    '--peer-client-cert-auth=true',
    `--peer-key-file=${pki('etcd/peer.key')}`,
    `--peer-trusted-ca-file=${pki('etcd/ca.crt')}`,
    '--snapshot-count=10000',
    `--trusted-ca-file=${pki('etcd/ca.crt')}`,
  ];
}
