/**
 * The systemd units of the Debian package: one for each component, as "the hard way" has them, and those of `tinker server` and `tinker
 * agent`. None is enabled by the installation. Pure.
 *
 * Source: systemd.service(5), systemd.exec(5); kubernetes `build/rpms/kubelet.service`, kubeadm's drop-in file.
 */

interface Unit {
  description: string;
  /** Program and flags. `$…_ARGS` is set by `/etc/kubernetes/<component>.env`. */
  command: string;
  /** Name of the file of environment variables in /etc/kubernetes. */
  env: string;
  /** What it starts after, and pulls in where it is installed. */
  after?: readonly string[];
  /** MiB of Node's young generation; absent: Node's own. */
  youngGeneration?: number;
  /** More lines of the section Service. */
  service?: readonly string[];
}

/** Neither writes to the system, nor gains rights. */
const confined = [
  'NoNewPrivileges=yes',
  'ProtectSystem=full',
  'ProtectHome=yes',
  'PrivateTmp=yes',
  'ProtectKernelTunables=yes',
  'ProtectKernelModules=yes',
  'ProtectControlGroups=yes',
  'RestrictSUIDSGID=yes',
];
/** Containers belong to the runtime: ending the service leaves them alone. */
const ofNode = ['KillMode=process', 'Delegate=yes', 'OOMScoreAdjust=-999'];
const runtime = ['containerd.service'];
const bridged = ['modprobe@br_netfilter.service'];

const units: Readonly<Record<string, Unit>> = {
  'kube-apiserver': {
    description: 'Kubernetes API server',
    command: '/usr/bin/kube-apiserver $KUBE_APISERVER_ARGS',
    env: 'kube-apiserver',
    after: ['etcd.service'],
    service: [...confined, 'StateDirectory=tinkernetes', 'StateDirectoryMode=0700'],
  },
  'kube-controller-manager': {
    description: 'Kubernetes controller manager',
    command: '/usr/bin/kube-controller-manager $KUBE_CONTROLLER_MANAGER_ARGS',
    env: 'kube-controller-manager',
    after: ['kube-apiserver.service'],
    youngGeneration: 4,
    service: confined,
  },
  'kube-scheduler': {
    description: 'Kubernetes scheduler',
    command: '/usr/bin/kube-scheduler $KUBE_SCHEDULER_ARGS',
    env: 'kube-scheduler',
    after: ['kube-apiserver.service'],
    youngGeneration: 4,
    service: confined,
  },
  kubelet: {
    description: 'Kubernetes kubelet: the node agent',
    command:
      '/usr/bin/kubelet --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf --config=/var/lib/kubelet/config.yaml $KUBELET_ARGS',
    env: 'kubelet',
    after: runtime,
    youngGeneration: 2,
    service: ofNode,
  },
  'kube-proxy': {
    description: 'Kubernetes service proxy',
    command: '/usr/bin/kube-proxy --config=/var/lib/kube-proxy/config.conf $KUBE_PROXY_ARGS',
    env: 'kube-proxy',
    after: bridged,
    youngGeneration: 2,
    service: ['KillMode=process', 'OOMScoreAdjust=-999'],
  },
  'tinker-network': {
    description: 'Tinkernetes pod network',
    command: '/usr/bin/tinker network --kubeconfig=/etc/kubernetes/network.conf $TINKER_NETWORK_ARGS',
    env: 'tinker-network',
    after: bridged,
    youngGeneration: 2,
    service: ['KillMode=process'],
  },
  'tinker-dns': {
    description: 'Tinkernetes cluster DNS',
    command: '/usr/bin/tinker dns --kubeconfig=/etc/kubernetes/dns.conf $TINKER_DNS_ARGS',
    env: 'tinker-dns',
    youngGeneration: 2,
    service: confined,
  },
  'tinker-server': {
    description: 'Tinkernetes control plane: API server, controllers, scheduler',
    command: '/usr/bin/tinker server --data-dir=/var/lib/tinkernetes/server $TINKER_SERVER_ARGS',
    env: 'tinker-server',
    service: ['StateDirectory=tinkernetes', 'StateDirectoryMode=0700'],
  },
  'tinker-agent': {
    description: 'Tinkernetes agent: kubelet, service rules, pod network, cluster DNS',
    command:
      '/usr/bin/tinker agent --kubeconfig=/etc/kubernetes/tinker-agent.conf --root-dir=/var/lib/kubelet $TINKER_AGENT_ARGS',
    env: 'tinker-agent',
    after: [...runtime, ...bridged],
    youngGeneration: 2,
    service: ofNode,
  },
};

/** The texts of the units, by the names of their files. */
export function unitFiles(): Record<string, string> {
  return Object.fromEntries(Object.entries(units).map(([name, unit]) => [`${name}.service`, unitText(name, unit)]));
}

function unitText(name: string, { description, command, env, after = [], youngGeneration, service = [] }: Unit): string {
  const wanted = ['network-online.target', ...after].join(' ');
  const page = name.startsWith('tinker') ? 'tinker' : name;
  const size = youngGeneration === undefined ? [] : [`Environment=NODE_OPTIONS=--max-semi-space-size=${youngGeneration}`];
  return `${[
    '[Unit]',
    `Description=${description}`,
    `Documentation=man:${page}(8)`,
    `After=${wanted}`,
    `Wants=${wanted}`,
    '# However often it ends: systemd never gives up starting it again.',
    'StartLimitIntervalSec=0',
    '',
    '[Service]',
    'Type=notify',
    'NotifyAccess=all',
    ...size,
    `EnvironmentFile=-/etc/kubernetes/${env}.env`,
    `ExecStart=${command}`,
    'Restart=always',
    'RestartSec=2',
    'TimeoutStartSec=90',
    'LimitNOFILE=1048576',
    ...service,
    '',
    '[Install]',
    'WantedBy=multi-user.target',
  ].join('\n')}\n`;
}
