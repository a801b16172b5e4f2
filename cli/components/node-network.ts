/**
 * `tinker network` and `tinker dns`: the pod network and the cluster's DNS of a node as processes of their own, for DaemonSets. In a pod each
 * is its service account (kube-system/tinkernetes-network, kube-system/tinkernetes-dns), with the role of the same part of `tinker agent`.
 */
import { hostname } from 'node:os';
import type { Command } from 'commander';
import { nodeResolvConf } from '#agent/dns/resolv-conf.ts';
import { dnsPart, networkPart, networkPolicyPart, type Part, type PartDeps } from '#agent/parts.ts';
import { systemClock } from '#client/clock.ts';
import type { LoadedKubeconfig } from '#client/kubeconfig.ts';
import { leftOutMetric } from '#client/left-out.ts';
import { checkAddress, checkFile, checkNodeName } from '../checks.ts';
import { boolean, cidr, names } from '../flags.ts';
import { addressTowards, checkNodeIps } from '../node-ip.ts';
import { ComponentClients, clientConfig } from './client-config.ts';
import { type ComponentContext, defineComponent } from './component.ts';
import { FlagSet } from './flag-set.ts';
import { hostAndPort, servePlain } from './plain-http.ts';

interface NodeFlags {
  kubeconfig: string | undefined;
  hostnameOverride: string | undefined;
  nodeIp: string | undefined;
  healthzBindAddress: string;
}

interface NetworkFlags extends NodeFlags {
  clusterCidr: string;
  cniConfDir: string;
  cniBinDir: string;
  cniStateDir: string;
  podNetwork: string;
  networkPolicy: boolean;
}

interface DnsFlags extends NodeFlags {
  clusterDns: string;
  clusterDomain: string;
  resolvConf: string | undefined;
  listenAddresses: string[];
  publish: boolean;
}

/** Of both. In a pod, the environment variables NODE_NAME and NODE_IP (downward API) stand for flags that are not given. */
const addNodeFlags = (command: Command, port: number): Command =>
  command
    .option('--kubeconfig <file>', 'how the API server is reached; in a pod: as its service account')
    .option('--hostname-override <name>', "the name of this node's Node; by default $NODE_NAME, or the hostname")
    .option(
      '--node-ip <address>',
      "the node's address, or one of each family with a comma; by default $NODE_IP, or the one that leads to the API server",
    )
    .option('--healthz-bind-address <host:port>', 'where /healthz and /metrics are served; empty: nowhere', `127.0.0.1:${port}`);

interface Base {
  nodeName: string;
  nodeIp: string;
  nodeIps: readonly string[];
  config: LoadedKubeconfig;
  healthz: { host: string; port: number } | undefined;
}

async function baseOf(given: NodeFlags): Promise<Base> {
  const nodeName = (given.hostnameOverride ?? process.env['NODE_NAME'] ?? hostname()).trim().toLowerCase();
  checkNodeName('--hostname-override', nodeName);
  const config = clientConfig('--kubeconfig', given.kubeconfig);
  const [nodeIp = '', ...others] = checkNodeIps(given.nodeIp ?? process.env['NODE_IP'] ?? (await addressTowards(config.server)));
  return {
    nodeName,
    nodeIp,
    nodeIps: [nodeIp, ...others],
    config,
    healthz: given.healthzBindAddress === '' ? undefined : hostAndPort('--healthz-bind-address', given.healthzBindAddress),
  };
}

async function runPart(
  { nodeName, config, healthz }: Base,
  userAgent: string,
  { log, registry, signal, ready }: ComponentContext,
  partsOf: (deps: PartDeps) => readonly Part[],
): Promise<void> {
  const clock = systemClock;
  const clients = new ComponentClients();
  try {
    const parts = partsOf({ client: clients.client(config, userAgent, signal), nodeName, clock, log });
    registry.registerMetric(leftOutMetric(parts.map(({ leftOut }) => leftOut)));
    const pages = {
      '/healthz': async () => ({ text: 'ok' }),
      '/metrics': async () => ({ text: await registry.metrics(), type: registry.contentType }),
    };
    ready();
    await Promise.all([
      ...parts.map((part) => part.run(signal)),
      ...(healthz === undefined ? [] : [servePlain(`${userAgent}'s health server`, healthz, pages, { clock, log }, signal)]),
    ]);
  } finally {
    clients.close();
  }
}

/** The pod network. */
export const network = defineComponent({
  name: 'tinker network',
  flags: new FlagSet<NetworkFlags>(
    'tinker network',
    'The pod network of a node: the configuration of the CNI plugins, routes to the pods of other nodes, and masquerading at the edge of the cluster.',
    [
      {
        title: 'Network',
        add: (command: Command) =>
          addNodeFlags(command, 10_258)
            .option('--cluster-cidr <cidrs>', 'the network of the pods, or one of each IP family', cidr, '10.244.0.0/16')
            .option('--cni-conf-dir <folder>', 'where the configuration is written', '/etc/cni/net.d')
            .option('--cni-bin-dir <folder>', 'the CNI plugins', '/usr/lib/cni')
            .option('--cni-state-dir <folder>', "host-local's leases", '/var/lib/cni/networks')
            .option('--pod-network <way>', 'auto: routes, and VXLAN to nodes behind a router; vxlan: VXLAN to all nodes', 'auto')
            .option('--network-policy [bool]', 'enforce NetworkPolicies with nftables', boolean, true),
      },
    ],
  ),
  async settle({ flags }) {
    const { podNetwork } = flags;
    if (podNetwork !== 'auto' && podNetwork !== 'vxlan') throw new Error(`--pod-network ${podNetwork}: give auto or vxlan`);
    if (process.geteuid?.() !== 0)
      throw new Error('the pod network needs root, for routes and rules: run it with sudo, or in a privileged pod');
    return { ...(await baseOf(flags)), podNetwork, flags };
  },
  run: ({ flags, podNetwork, ...base }, context) => {
    const apiServer = new URL(base.config.server).hostname.replace(/^\[(.*)\]$/, '$1');
    const { clusterCidr, cniConfDir, cniBinDir, cniStateDir } = flags;
    const folders = { cniConfDir, cniBinDir, cniStateDir };
    const { nodeName, nodeIps } = base;
    const options = {
      nodeName,
      nodeIps,
      podNetwork: podNetwork === 'vxlan' ? ('vxlan' as const) : ('auto' as const),
      clusterCidr,
      ...folders,
      hostAddresses: [...nodeIps, apiServer],
    };
    return runPart(base, 'node-network', context, (deps) => {
      const policies = flags.networkPolicy ? networkPolicyPart(deps) : undefined;
      for (const metric of policies?.metrics ?? []) context.registry.registerMetric(metric);
      return [networkPart(deps, options), ...(policies === undefined ? [] : [policies])];
    });
  },
});

/** Cluster DNS. */
export const dns = defineComponent({
  name: 'tinker dns',
  flags: new FlagSet<DnsFlags>(
    'tinker dns',
    "The cluster's DNS: it answers names of Services and pods, and sends other questions to the node's resolvers.",
    [
      {
        title: 'DNS',
        add: (command: Command) =>
          addNodeFlags(command, 10_260)
            .option('--cluster-dns <address>', "the DNS Service's address", '10.96.0.10')
            .option('--cluster-domain <name>', 'the domain of Service names', 'cluster.local')
            .option(
              '--resolv-conf <file>',
              "the node's resolvers; by default /etc/resolv.conf, or what is behind systemd-resolved",
            )
            .option('--listen-addresses <names>', 'where it serves; by default on --node-ip', names, [])
            .option(
              '--publish [bool]',
              'make the Service kube-system/kube-dns, and the EndpointSlice of this node: each pod asks its own node',
              boolean,
              true,
            ),
      },
    ],
  ),
  async settle({ flags }) {
    if (flags.resolvConf !== undefined) checkFile('--resolv-conf', flags.resolvConf);
    const base = await baseOf(flags);
    const addresses = flags.listenAddresses.map((address) => checkAddress('--listen-addresses', address));
    return {
      ...base,
      publish: flags.publish,
      options: {
        clusterDomain: flags.clusterDomain,
        addresses: addresses.length === 0 ? [base.nodeIp] : addresses,
        serverIps: [checkAddress('--cluster-dns', flags.clusterDns)],
        upstream: { resolvConf: flags.resolvConf ?? (await nodeResolvConf()) },
      },
    };
  },
  run: ({ options, publish, ...base }, context) => {
    const [clusterIp = ''] = options.serverIps;
    const published = publish ? { nodeName: base.nodeName, nodeIp: base.nodeIp, clusterIp } : undefined;
    return runPart(base, 'cluster-dns', context, (deps) => [dnsPart(deps, options, published)]);
  },
});
