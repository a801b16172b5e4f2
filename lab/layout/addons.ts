/**
 * What a laid-out cluster runs on every node: the service proxy, the pod network and DNS, as DaemonSets of kube-system. Pure, but for applying it.
 *
 * Source: kubernetes `cmd/kubeadm/app/phases/addons/proxy` (kube-proxy).
 */
import { stringify } from 'yaml';
import { partAccounts } from '#api/agent-users.ts';
import { isAlreadyExists } from '#api/status.ts';
import type { Container, PodSpec, Volume } from '#api/types.generated.ts';
import type { Lab } from '../config.ts';
import { adminClient } from '../control-plane.ts';
import { componentRegistry, componentTag, nodeImage } from '../images/component-images.ts';

const namespace = 'kube-system';

/** kube-proxy's configuration. @param kubeconfig where it finds its own */
export const proxyConfiguration = (lab: Lab, kubeconfig: string): string =>
  stringify({
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    bindAddress: '0.0.0.0',
    clientConnection: { kubeconfig },
    clusterCIDR: lab.clusterCidr,
    kind: 'KubeProxyConfiguration',
    mode: lab.proxyMode ?? 'iptables',
  });

const proxyKubeconfig = (lab: Lab): string =>
  stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        cluster: { 'certificate-authority': '/var/run/secrets/kubernetes.io/serviceaccount/ca.crt', server: lab.apiServer },
        name: 'default',
      },
    ],
    contexts: [{ context: { cluster: 'default', namespace: 'default', user: 'default' }, name: 'default' }],
    'current-context': 'default',
    users: [{ name: 'default', user: { tokenFile: '/var/run/secrets/kubernetes.io/serviceaccount/token' } }],
  });

const field = (name: string, fieldPath: string): NonNullable<Container['env']>[number] => ({
  name,
  valueFrom: { fieldRef: { fieldPath } },
});

/** The API server by its own address: network and DNS start before the service proxy has written any rule. */
function nodeEnvironment(lab: Lab): NonNullable<Container['env']> {
  const { hostname, port } = new URL(lab.apiServer);
  return [
    field('NODE_NAME', 'spec.nodeName'),
    field('NODE_IP', 'status.hostIP'),
    { name: 'KUBERNETES_SERVICE_HOST', value: hostname },
    { name: 'KUBERNETES_SERVICE_PORT', value: port },
  ];
}

interface HostFile {
  name: string;
  path: string;
  type?: 'DirectoryOrCreate' | 'FileOrCreate';
  readOnly?: boolean;
}

const kernelFiles: readonly HostFile[] = [
  { name: 'xtables-lock', path: '/run/xtables.lock', type: 'FileOrCreate' },
  { name: 'lib-modules', path: '/lib/modules', readOnly: true },
];

interface Daemon {
  name: string;
  account: string;
  image: string;
  command: readonly string[];
  files: readonly HostFile[];
  isPrivileged: boolean;
  volumes?: readonly { volume: Volume; mountPath: string }[];
  labels?: Record<string, string>;
}

function daemonSet(
  lab: Lab,
  { name, account, image, command, files, isPrivileged, volumes = [], labels = { 'k8s-app': name } }: Daemon,
) {
  const spec: PodSpec = {
    containers: [
      {
        command: [...command],
        env: nodeEnvironment(lab),
        image,
        imagePullPolicy: 'IfNotPresent',
        name,
        ...(isPrivileged ? { securityContext: { privileged: true } } : {}),
        volumeMounts: [
          ...files.map(({ name: file, path, readOnly = false }) => ({ mountPath: path, name: file, readOnly })),
          ...volumes.map(({ volume, mountPath }) => ({ mountPath, name: volume.name })),
        ],
      },
    ],
    hostNetwork: true,
    nodeSelector: { 'kubernetes.io/os': 'linux' },
    priorityClassName: 'system-node-critical',
    serviceAccountName: account,
    // Without them no node gets ready, so they run on one that is not.
    tolerations: [{ operator: 'Exists' }],
    volumes: [
      ...files.map(({ name: file, path, type = '' }): Volume => ({ hostPath: { path, type }, name: file })),
      ...volumes.map(({ volume }) => volume),
    ],
  };
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name, namespace, labels },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec },
      updateStrategy: { type: 'RollingUpdate' },
    },
  };
}

const accountOf = (text: string): string => text.slice(text.indexOf('/') + 1);

/** The DaemonSets of the layout. */
function daemons(lab: Lab): Daemon[] {
  const network: Daemon = {
    name: 'tinkernetes-network',
    account: accountOf(partAccounts.network),
    image: nodeImage,
    command: ['tinker', 'network', `--cluster-cidr=${lab.clusterCidr}`, '--cni-bin-dir=/opt/cni/bin'],
    files: [
      ...kernelFiles,
      { name: 'cni', path: '/etc/cni/net.d', type: 'DirectoryOrCreate' },
      { name: 'cni-bin', path: '/opt/cni/bin', readOnly: true },
    ],
    isPrivileged: true,
  };
  const dns: Daemon = {
    name: 'tinkernetes-dns',
    account: accountOf(partAccounts.dns),
    image: nodeImage,
    command: ['tinker', 'dns', `--cluster-dns=${lab.clusterDns}`],
    files: [],
    isPrivileged: false,
    labels: { 'k8s-app': 'kube-dns' },
  };
  const proxy: Daemon = {
    name: 'kube-proxy',
    account: 'kube-proxy',
    image: `${componentRegistry}/kube-proxy:${componentTag}`,
    command: ['kube-proxy', '--config=/var/lib/kube-proxy/config.conf', '--hostname-override=$(NODE_NAME)'],
    files: kernelFiles,
    isPrivileged: true,
    volumes: [{ volume: { name: 'kube-proxy', configMap: { name: 'kube-proxy' } }, mountPath: '/var/lib/kube-proxy' }],
  };
  return lab.layout === 'pods' ? [proxy, network, dns] : [network, dns];
}

/** Makes what is not there yet. @throws ApiError */
export async function makeAddons(lab: Lab): Promise<void> {
  const { client, close } = adminClient(lab);
  const unlessThere = async (made: Promise<unknown>): Promise<void> => {
    try {
      await made;
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
  };
  try {
    for (const daemon of daemons(lab)) {
      const metadata = { name: daemon.account, namespace };
      await unlessThere(client.resource('serviceaccounts').create({ apiVersion: 'v1', kind: 'ServiceAccount', metadata }));
    }
    if (lab.layout === 'pods') {
      await unlessThere(
        client.resource('clusterrolebindings.rbac.authorization.k8s.io').create({
          apiVersion: 'rbac.authorization.k8s.io/v1',
          kind: 'ClusterRoleBinding',
          metadata: { name: 'kubeadm:node-proxier' },
          roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:node-proxier' },
          subjects: [{ kind: 'ServiceAccount', name: 'kube-proxy', namespace }],
        }),
      );
      await unlessThere(
        client.resource('configmaps').create({
          apiVersion: 'v1',
          kind: 'ConfigMap',
          metadata: { name: 'kube-proxy', namespace, labels: { app: 'kube-proxy' } },
          data: {
            'config.conf': proxyConfiguration(lab, '/var/lib/kube-proxy/kubeconfig.conf'),
            'kubeconfig.conf': proxyKubeconfig(lab),
          },
        }),
      );
    }
    for (const daemon of daemons(lab)) await unlessThere(client.resource('daemonsets.apps').create(daemonSet(lab, daemon)));
  } finally {
    close();
  }
}
