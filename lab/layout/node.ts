/** What every host of a laid-out cluster runs as a node: containerd and the kubelet as services, with upstream's default paths. */
import { stringify } from 'yaml';
import { hasCapability } from '#agent/host/capabilities.ts';
import { containerdConfig } from '#agent/runtime/cri/containerd-config.ts';
import { agentUsers, kubeletUser } from '#api/agent-users.ts';
import { kubeconfigText } from '#client/kubeconfig.ts';
import { issueCertificate } from '#control/pki/certificates.ts';
import { loadAuthority } from '#control/pki/cluster-pki.ts';
import type { Lab, Worker } from '../config.ts';
import { pauseImage } from '../images/lab-images.ts';
import type { MachineUnit } from '../machine/machine.ts';
import { proxyConfiguration } from './addons.ts';

/** The folder of the programs on a machine. */
export const binFolder = '/usr/local/bin';
const socket = '/run/containerd/containerd.sock';
const registryConfig = '/etc/containerd/certs.d';
const kubeletPki = '/var/lib/kubelet/pki';
const kubeletConfig = '/var/lib/kubelet/config.yaml';
const proxyConfig = '/var/lib/kube-proxy/kube-proxy-config.yaml';
const proxyKubeconfig = '/var/lib/kube-proxy/kubeconfig';

/** The services of a node. */
export function nodeUnits(lab: Lab, host: Worker): MachineUnit[] {
  return [
    { name: 'containerd', description: 'containerd container runtime', argv: ['/usr/bin/containerd'] },
    {
      name: 'kubelet',
      description: 'kubelet: The Kubernetes Node Agent',
      after: ['containerd'],
      argv: [
        `${binFolder}/kubelet`,
        '--kubeconfig=/etc/kubernetes/kubelet.conf',
        `--config=${kubeletConfig}`,
        `--hostname-override=${host.name}`,
        `--node-ip=${host.ip}`,
      ],
    },
    ...(lab.layout === 'services'
      ? [
          {
            name: 'kube-proxy',
            description: 'Kubernetes Kube Proxy',
            argv: [`${binFolder}/kube-proxy`, `--config=${proxyConfig}`, `--hostname-override=${host.name}`],
          },
        ]
      : []),
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
    [kubeletConfig]: stringify({
      apiVersion: 'kubelet.config.k8s.io/v1beta1',
      authentication: {
        anonymous: { enabled: false },
        webhook: { enabled: true },
        x509: { clientCAFile: '/etc/kubernetes/pki/ca.crt' },
      },
      authorization: { mode: 'Webhook' },
      cgroupDriver: 'cgroupfs',
      clusterDNS: [lab.clusterDns],
      clusterDomain: 'cluster.local',
      containerRuntimeEndpoint: `unix://${socket}`,
      healthzBindAddress: '127.0.0.1',
      healthzPort: 10_248,
      kind: 'KubeletConfiguration',
      staticPodPath: '/etc/kubernetes/manifests',
      tlsCertFile: `${kubeletPki}/kubelet.crt`,
      tlsPrivateKeyFile: `${kubeletPki}/kubelet.key`,
    }),
    ...(lab.layout === 'services' ? { [proxyConfig]: proxyConfiguration(lab, proxyKubeconfig) } : {}),
    '/etc/crictl.yaml': `runtime-endpoint: unix://${socket}\n`,
  };
}

/**
 * Credentials of a node: its kubeconfig, the cluster's CA, the kubelet's serving certificate, and in layout services the service proxy's kubeconfig.
 * @param caFolder the control plane's keys, as the real machine sees them @returns files by path on the node
 */
export async function nodeCredentialFiles(
  lab: Lab,
  host: Worker,
  caFolder: string,
  nowMs: number,
): Promise<Record<string, string>> {
  const ca = await loadAuthority(caFolder, nowMs);
  const user = kubeletUser(host.name);
  const serving = await issueCertificate(
    ca,
    { commonName: user, usage: 'server', dnsNames: [host.name], ipAddresses: [host.ip] },
    nowMs,
  );
  const kubeconfigOf = async (commonName: string, organizations: readonly string[]): Promise<string> => {
    const { certificate: cert, key } = await issueCertificate(ca, { commonName, organizations, usage: 'client' }, nowMs);
    return kubeconfigText({ server: lab.apiServer, ca: ca.certificate, cert, key, userName: commonName });
  };
  return {
    '/etc/kubernetes/kubelet.conf': await kubeconfigOf(user, ['system:nodes']),
    '/etc/kubernetes/pki/ca.crt': ca.certificate,
    [`${kubeletPki}/kubelet.crt`]: serving.certificate,
    [`${kubeletPki}/kubelet.key`]: serving.key,
    ...(lab.layout === 'services' ? { [proxyKubeconfig]: await kubeconfigOf(agentUsers.proxy, []) } : {}),
  };
}
