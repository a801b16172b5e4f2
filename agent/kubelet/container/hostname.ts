/** Host names of pods and their /etc/hosts. Pure. Source: upstream `pkg/kubelet/kubelet_pods.go`. */
import type { HostAlias, Pod } from '#api/types.generated.ts';

const maxHostnameLength = 63;
const maxFqdnLength = 64;

/** The host name that a pod's processes see. */
export interface PodHostname {
  /** The output of `hostname` in the pod. */
  hostname: string;
  /** `<subdomain>.<namespace>.svc.<cluster domain>`; empty without a subdomain. */
  domain: string;
  /** The name without domain, for /etc/hosts. */
  shortName: string;
}

function truncate(name: string): string {
  return name.length <= maxHostnameLength ? name : name.slice(0, maxHostnameLength).replace(/[-.]+$/, '');
}

/** The names of the pod. Pure. @throws Error when `setHostnameAsFQDN` asks for a name longer than the kernel's 64 characters */
export function podHostname(pod: Pod, clusterDomain: string): PodHostname {
  if (pod.spec.hostnameOverride !== undefined) {
    const hostname = truncate(pod.spec.hostnameOverride);
    return { hostname, domain: '', shortName: hostname };
  }
  const shortName = truncate(pod.spec.hostname === undefined || pod.spec.hostname === '' ? pod.metadata.name : pod.spec.hostname);
  const { subdomain } = pod.spec;
  const domain = subdomain === undefined || subdomain === '' ? '' : `${subdomain}.${pod.metadata.namespace}.svc.${clusterDomain}`;
  if (pod.spec.setHostnameAsFQDN !== true || domain === '') return { hostname: shortName, domain, shortName };
  const hostname = `${shortName}.${domain}`;
  if (hostname.length > maxFqdnLength) {
    throw new Error(
      `failed to construct FQDN from pod hostname and cluster domain, FQDN ${hostname} is too long (64 characters is the max, ${hostname.length} characters requested)`,
    );
  }
  return { hostname, domain, shortName };
}

const loopbackLines = `127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
`;

function aliasLines(aliases: readonly HostAlias[] | undefined): string {
  if (aliases === undefined || aliases.length === 0) return '';
  return `\n# Entries added by HostAliases.\n${aliases.map(({ ip, hostnames = [] }) => `${ip}\t${hostnames.join('\t')}\n`).join('')}`;
}

/** /etc/hosts of a pod with a network of its own. Pure. @param podIps its addresses, one per IP family */
export function podHostsFile(pod: Pod, { shortName, domain }: PodHostname, podIps: readonly string[]): string {
  const own = podIps
    .map((ip) => (domain === '' ? `${ip}\t${shortName}\n` : `${ip}\t${shortName}.${domain}\t${shortName}\n`))
    .join('');
  return `# Kubernetes-managed hosts file.\n${loopbackLines}${own}${aliasLines(pod.spec.hostAliases)}`;
}

/** For pods on the node's network: the node's file with the pod's aliases. */
export const hostNetworkHostsFile = (pod: Pod, nodeHosts: string): string =>
  `# Kubernetes-managed hosts file (host network).\n${nodeHosts}${aliasLines(pod.spec.hostAliases)}`;
