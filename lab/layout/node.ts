/** What every host of a laid-out cluster runs as a node: containerd and the kubelet as services, with upstream's default paths. */
import { join } from 'node:path';
import { namesOnlyStub, resolvedStub } from '#agent/dns/resolv-conf.ts';
import { hasCapability } from '#agent/host/capabilities.ts';
import { containerdConfig } from '#agent/runtime/cri/containerd-config.ts';
import { nodeCredentials } from '#control/pki/node-credentials.ts';
import type { Lab, Worker } from '../config.ts';
import { pauseImage } from '../images/lab-images.ts';
import type { MachineUnit } from '../machine/machine.ts';

/** The folder of the programs on a machine. */
export const binFolder = '/usr/local/bin';
const socket = '/run/containerd/containerd.sock';
const registryConfig = '/etc/containerd/certs.d';
const kubeletPki = '/var/lib/kubelet/pki';

/** The services of a node. @param resolvConf the text of the machine's resolv.conf */
export function nodeUnits(lab: Lab, host: Worker, resolvConf: string): MachineUnit[] {
  return [
    {
      name: 'containerd',
      description: 'containerd container runtime',
      // containerd's CNI library stores results in TMPDIR or /var/lib/cni.
      argv: ['/usr/bin/containerd'],
    },
    {
      name: 'kubelet',
      description: 'kubelet: The Kubernetes Node Agent',
      after: ['containerd'],
      argv: [
        `${binFolder}/tinker`,
        'agent',
        '--kubeconfig=/etc/kubernetes/kubelet.conf',
        `--hostname-override=${host.name}`,
        `--node-ip=${host.ip}`,
        '--root-dir=/var/lib/kubelet',
        '--pod-manifest-path=/etc/kubernetes/manifests',
        `--container-runtime-endpoint=unix://${socket}`,
        `--cluster-cidr=${lab.clusterCidr}`,
        `--cluster-dns=${lab.clusterDns}`,
        ...(namesOnlyStub(resolvConf) ? [`--dns-address=${resolvedStub}`] : []),
        '--cni-bin-dir=/opt/cni/bin',
        '--client-ca-file=/etc/kubernetes/pki/ca.crt',
        `--tls-cert-file=${kubeletPki}/kubelet.crt`,
        `--tls-private-key-file=${kubeletPki}/kubelet.key`,
        ...(lab.proxyMode === undefined ? [] : [`--proxy-mode=${lab.proxyMode}`]),
        ...(lab.agentArgs ?? []),
      ],
    },
  ];
}

/** The files of a node, by path. */
export function nodeFiles(lab: Lab): Record<string, string> {
  return {
    '/etc/containerd/config.toml': containerdConfig({
      root: '/var/lib/containerd',
      state: '/run/containerd',
      socket,
      sandboxImage: pauseImage,
      cniConfDir: '/etc/cni/net.d',
      cniBinDir: '/opt/cni/bin',
      registryConfigDir: registryConfig,
      restrictOomScoreAdj: !hasCapability('CAP_SYS_RESOURCE'),
      logLevel: 'warn',
    }),
    [`${registryConfig}/_default/hosts.toml`]: `[host."${lab.registry}"]\n  capabilities = ["pull", "resolve"]\n  skip_verify = true\n`,
    '/etc/crictl.yaml': `runtime-endpoint: unix://${socket}\n`,
  };
}

/**
 * Credentials of a node: its kubeconfig, the cluster's CA and the kubelet's serving certificate.
 * @param caFolder the control plane's keys, as the real machine sees them @returns files by path on the node
 */
export async function nodeCredentialFiles(
  lab: Lab,
  host: Worker,
  caFolder: string,
  read: (path: string) => string,
  nowMs: number,
): Promise<Record<string, string>> {
  const out = join(host.dataDir, 'credentials');
  await nodeCredentials({ pkiFolder: caFolder, out, nodeName: host.name, nodeIp: host.ip, server: lab.apiServer, nowMs });
  return {
    '/etc/kubernetes/kubelet.conf': read(join(out, 'kubelet.conf')),
    '/etc/kubernetes/pki/ca.crt': read(join(out, 'ca.crt')),
    [`${kubeletPki}/kubelet.crt`]: read(join(out, 'kubelet.crt')),
    [`${kubeletPki}/kubelet.key`]: read(join(out, 'kubelet.key')),
  };
}
