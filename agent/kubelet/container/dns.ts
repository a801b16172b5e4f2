/**
 * resolv.conf of pods. Pure.
 *
 * Source: kubernetes.io "DNS for Services and Pods"; upstream `pkg/kubelet/network/dns/dns.go` (policies, limits).
 */

import type { DnsConfig } from '#agent/runtime/runtime.ts';
import type { Pod } from '#api/types.generated.ts';

const maxNameservers = 3;
const maxSearches = 32;
const maxSearchCharacters = 2048;

/** The content of a resolv.conf(5). */
export interface ResolvConf {
  servers: string[];
  searches: string[];
  options: string[];
}

/** Parses resolv.conf(5): the last `search` line counts, a `domain` line too. */
export function parseResolvConf(text: string): ResolvConf {
  const result: ResolvConf = { servers: [], searches: [], options: [] };
  for (const line of text.split('\n')) {
    const [keyword, ...words] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver' && words[0] !== undefined) result.servers.push(words[0]);
    if (keyword === 'search' || keyword === 'domain')
      result.searches = words.map((word) => (word === '.' ? word : word.replace(/\.$/, '')));
    if (keyword === 'options') result.options = words;
  }
  return result;
}

/** The cluster's DNS servers, and its domain, such as `cluster.local`. */
export interface ClusterDns {
  servers: readonly string[];
  domain: string;
}

/** The DNS settings of a pod's sandbox. */
export interface PodDns {
  config: DnsConfig;
  /** The message of the event `DNSConfigForming`: what was left out because of the limits. */
  warning?: string | undefined;
}

const unique = (items: readonly string[]): string[] => [...new Set(items)];

function mergeOptions(
  base: readonly string[],
  own: readonly { name?: string | undefined; value?: string | undefined }[],
): string[] {
  const options = new Map(base.map((option) => [option.split(':')[0] ?? '', option]));
  for (const { name = '', value } of own) options.set(name, value === undefined || value === '' ? name : `${name}:${value}`);
  return [...options.values()];
}

/**
 * The DNS settings by the pod's `dnsPolicy` and `dnsConfig`, cut to the limits of resolv.conf(5). Pure.
 * @param host the node's own
 */
export function podDns(pod: Pod, host: ResolvConf, cluster: ClusterDns): PodDns {
  const policy = effectivePolicy(pod, cluster);
  const base: ResolvConf =
    policy === 'None'
      ? { servers: [], searches: [], options: [] }
      : policy === 'Default'
        ? host
        : {
            servers: [...cluster.servers],
            searches: unique([...clusterSearches(pod, cluster.domain), ...host.searches]),
            options: ['ndots:5'],
          };
  const own = pod.spec.dnsConfig ?? {};
  const servers = unique([...base.servers, ...(own.nameservers ?? [])]);
  const searches = unique([...base.searches, ...(own.searches ?? [])]);
  return limited({ servers, searches, options: mergeOptions(base.options, own.options ?? []) });
}

function effectivePolicy(pod: Pod, cluster: ClusterDns): 'ClusterFirst' | 'Default' | 'None' {
  const policy = pod.spec.dnsPolicy ?? 'ClusterFirst';
  if (policy === 'None') return 'None';
  if (policy === 'Default' || (policy === 'ClusterFirst' && pod.spec.hostNetwork === true)) return 'Default';
  return cluster.servers.length === 0 ? 'Default' : 'ClusterFirst';
}

const clusterSearches = (pod: Pod, domain: string): string[] =>
  domain === '' ? [] : [`${pod.metadata.namespace}.svc.${domain}`, `svc.${domain}`, domain];

function limited({ servers, searches, options }: ResolvConf): PodDns {
  const keptServers = servers.slice(0, maxNameservers);
  let keptSearches = searches.slice(0, maxSearches);
  while (keptSearches.join(' ').length > maxSearchCharacters) keptSearches = keptSearches.slice(0, -1);
  const config = { servers: keptServers, searches: keptSearches, options };
  if (keptServers.length < servers.length) {
    return {
      config,
      warning: `Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: ${keptServers.join(' ')}`,
    };
  }
  if (keptSearches.length < searches.length) {
    return {
      config,
      warning: `Search Line limits were exceeded, some search paths have been omitted, the applied search line is: ${keptSearches.join(' ')}`,
    };
  }
  return { config };
}
