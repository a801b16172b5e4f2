/**
 * The pod network of one node. It writes the CNI configuration once the node has its pod CIDR, routes to the pods of the other
 * nodes, forwarding, and masquerading at the edge of the cluster.
 *
 * Watches: Node.  Writes: the CNI configuration file, routes (with a protocol number of our own), iptables (chains of our own),
 * sysctl.
 * Source: kubernetes.io, "Cluster Networking"; cni.dev.
 */

import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Exec } from '#agent/host/exec.ts';
import { execSysctl } from '#agent/host/sysctl.ts';
import { errorText } from '#api/error-text.ts';
import { familyOf, type IpFamily } from '#api/ip.ts';
import type { Node } from '#api/types.generated.ts';
import { type Clock, sleep, systemClock } from '#client/clock.ts';
import type { Informer } from '#client/informer.ts';
import { type LeftOutReporter, unreadable } from '#client/left-out.ts';
import { cniConfList, cniPlugins, removeCniConfig, writeCniConfig } from './cni-config.ts';
import { ensureMasquerade, removeMasquerade } from './masquerade.ts';
import { isOnLink, linkNetworks, linkWith, readLinks } from './node-link.ts';
import { addressHolder, type PodRanges, podRanges } from './pod-ranges.ts';
import { internalIps, type PodRoute, planRoutes, podCidrsOf, readRoutes, routeArgv } from './routes.ts';
import { ensureVxlan, removeVxlan, syncTunnelPeers, throughTunnel, tunnelPeers, vxlanOverheadBytes } from './vxlan.ts';

/** What the pod network works with. */
export interface NodeNetworkDeps {
  /** The informer of all Nodes. */
  nodes: Informer<Node>;
  /** Runs programs in the node's network namespace. */
  exec: Exec;
  log: Logger;
  /** Is told of Nodes whose pod ranges or addresses cannot be used. */
  leftOut: LeftOutReporter;
  clock?: Clock | undefined;
}

/** Configuration of the pod network. */
export interface NodeNetworkOptions {
  nodeName: string;
  /** Directory of the CNI configuration, usually /etc/cni/net.d. */
  cniConfDir: string;
  /** Directory of the CNI plugins, usually /opt/cni/bin; Debian: /usr/lib/cni. It is read only to report missing plugins. */
  cniBinDir: string;
  /** Data directory of the plugin host-local. */
  cniStateDir: string;
  /** `--cluster-cidr`: one range, or one per family with a comma. */
  clusterCidr: string;
  /**
   * Addresses that are never routed to pods, whatever a Node's podCIDRs say: the addresses of this node and of the API server.
   */
  hostAddresses: readonly string[];
  /** This node's own addresses, the primary one first. */
  nodeIps: readonly string[];
  /** `auto`: a tunnel to the nodes behind a router, routes to all others. `vxlan`: a tunnel to every node. */
  podNetwork: 'auto' | 'vxlan';
  /** Name of the bridge. Default `cni0`. */
  bridgeName?: string | undefined;
  /** In bytes. Default: what the interface with the node's address sends, less what the tunnel adds. */
  mtu?: number | undefined;
}

/** A pod network that {@link createNodeNetwork} has made. */
export interface NodeNetwork {
  /**
   * Keeps configuration, routes and rules in place until `signal` aborts. They stay after that, so that a restart of the agent
   * interrupts no pod.
   */
  run(signal: AbortSignal): Promise<void>;
  /** What the last sync could not do, in words for users. Empty when everything is in place. */
  problems(): readonly string[];
}

const resyncMs = 30_000;
/** Interval of retries while something is missing. A neighbour's address or a missing plugin sends no event when it appears. */
const retryMs = 5_000;
const families: readonly IpFamily[] = ['IPv4', 'IPv6'];

/** Makes the pod network of a node. It starts with `run`. */
export function createNodeNetwork(deps: NodeNetworkDeps, options: NodeNetworkOptions): NodeNetwork {
  const clock = deps.clock ?? systemClock;
  let problems: readonly string[] = ['the network has not been set up yet'];

  async function sync(): Promise<void> {
    const holder = addressHolder(readable(deps.nodes.cache.list()), options.nodeName, options.nodeIps);
    if (holder !== undefined)
      throw new Error(
        `node ${holder.metadata.name} has the address ${options.nodeIps.join(',')} of this node, ${options.nodeName}, already: give each node an address of its own (--node-ip)`,
      );
    const found = await syncNode(deps, options);
    for (const problem of found) if (!problems.includes(problem)) deps.log.warn({ problem }, 'network: not complete');
    problems = found;
  }

  return {
    problems: () => problems,
    async run(signal) {
      const changes = watchNodes(deps.nodes);
      try {
        await deps.nodes.untilSynced(signal);
        while (!signal.aborted) {
          const change = changes.next();
          await sync();
          const over = new AbortController();
          await Promise.race([
            change,
            sleep(clock, problems.length === 0 ? resyncMs : retryMs, AbortSignal.any([signal, over.signal])),
          ]);
          over.abort();
        }
      } catch (error) {
        if (!signal.aborted) throw error;
      } finally {
        changes.stop();
      }
    },
  };
}

/** Removes everything that {@link createNodeNetwork} has made on this node, except the bridge and its pods. @throws ExecError */
export async function removeNodeNetwork(exec: Exec, { cniConfDir }: Pick<NodeNetworkOptions, 'cniConfDir'>): Promise<void> {
  await removeCniConfig(cniConfDir);
  for (const family of families) {
    for (const route of await readRoutes(exec, family)) await exec(routeArgv('del', route));
    await removeMasquerade(exec, family);
  }
  await removeVxlan(exec);
}

/**
 * Syncs the whole state once. The steps do not depend on each other: a step that fails adds a problem, and the others still run.
 * @returns the problems
 */
async function syncNode({ nodes, exec, log, leftOut }: NodeNetworkDeps, options: NodeNetworkOptions): Promise<string[]> {
  const problems: string[] = [];
  const attempt = async (what: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      problems.push(`${what}: ${errorText(error)}`);
    }
  };
  const clusterCidrs = options.clusterCidr.split(',').map((cidr) => cidr.trim());
  const ranges = podRanges(nodes.cache.list(), options.nodeName, { clusterCidrs, hostAddresses: options.hostAddresses });
  leftOut.report('pod network', ranges.leftOut);
  const podCidrs = ranges.own;
  const { routes, mtu } = await tunnelled(exec, options, ranges, attempt);
  if (podCidrs.length === 0) {
    problems.push(
      `node ${options.nodeName} has no usable spec.podCIDR yet: the controller manager gives it one (--allocate-node-cidrs, --cluster-cidr)`,
    );
  } else {
    await attempt('CNI configuration', async () => {
      const config = cniConfList({ ...options, mtu: options.mtu ?? mtu, bridgeName: options.bridgeName ?? 'cni0', podCidrs });
      if (await writeCniConfig(options.cniConfDir, config))
        log.info({ podCidrs, directory: options.cniConfDir }, 'network: CNI configuration written');
      await checkPlugins(options.cniBinDir);
    });
  }
  for (const family of families) {
    if (![...clusterCidrs, ...podCidrs].some((cidr) => familyOf(cidr) === family)) continue;
    await attempt('forwarding', () => enableForwarding(exec, family));
    await attempt('masquerading', () => ensureMasquerade(exec, { family, podCidrs, clusterCidrs }));
    await attempt('routes', () => syncRoutes({ exec, log }, routes, family, attempt));
  }
  return problems;
}

/**
 * Chooses the way to each other node, and makes the tunnel where one is needed.
 * @returns the routes, and the largest packet of pods in bytes: undefined when no interface of this node has its address
 */
async function tunnelled(
  exec: Exec,
  { nodeIps, podNetwork }: NodeNetworkOptions,
  { own, others, nodeAddresses }: PodRanges,
  attempt: Attempt,
): Promise<{ routes: PodRoute[]; mtu: number | undefined }> {
  const [local = ''] = nodeIps;
  const found = await readLinks(exec);
  const link = linkWith(found, local);
  const networks = linkNetworks(found);
  const isBehindRouter = ({ destination, gateway }: PodRoute): boolean =>
    podNetwork === 'vxlan' || familyOf(destination) !== familyOf(gateway) || !isOnLink(networks, gateway);
  const far = new Set(others.filter(isBehindRouter));
  const near = others.filter((route) => !far.has(route));
  if (podNetwork !== 'vxlan' && far.size === 0) {
    await attempt('tunnel', () => removeVxlan(exec));
    return { routes: near, mtu: link?.mtu };
  }
  const overhead = vxlanOverheadBytes[familyOf(local)];
  let through: PodRoute[] = [];
  await attempt('tunnel', async () => {
    if (link === undefined) throw new Error(`no interface of this machine has the node's address ${local}`);
    if (own.length === 0) return;
    await ensureVxlan(exec, { local, link, podCidrs: own });
    const ends = [...far].flatMap(({ destination }) => {
      const node = nodeAddresses.get(destination)?.find((address) => familyOf(address) === familyOf(local));
      return node === undefined ? [] : [{ destination, node }];
    });
    await syncTunnelPeers(exec, tunnelPeers(ends));
    through = ends.map(throughTunnel);
    const reached = new Set(ends.map(({ destination }) => destination));
    const unreached = [...far].filter(({ destination }) => !reached.has(destination));
    if (unreached.length > 0)
      throw new Error(
        `${unreached.map(({ gateway }) => gateway).join(', ')} cannot be reached from ${local}: another address family`,
      );
  });
  return { routes: [...near, ...through], mtu: link === undefined ? undefined : link.mtu - overhead };
}

type Attempt = (what: string, work: () => Promise<void>) => Promise<void>;

async function syncRoutes(
  { exec, log }: Pick<NodeNetworkDeps, 'exec' | 'log'>,
  wanted: readonly PodRoute[],
  family: IpFamily,
  attempt: Attempt,
): Promise<void> {
  const ofFamily = wanted.filter(({ destination }) => familyOf(destination) === family);
  const plan = planRoutes(ofFamily, await readRoutes(exec, family));
  const steps = [
    ...plan.remove.map((route) => ({ action: 'del' as const, route })),
    ...plan.replace.map((route) => ({ action: 'replace' as const, route })),
    ...plan.add.map((route) => ({ action: 'add' as const, route })),
  ];
  for (const { action, route } of steps) {
    await attempt(`route to ${route.destination} by ${route.gateway}`, async () => {
      await exec(routeArgv(action, route));
      log.info({ action, ...route }, 'network: pod route');
    });
  }
}

async function enableForwarding(exec: Exec, family: IpFamily): Promise<void> {
  const sysctl = execSysctl(exec);
  // bridge-nf-call: without it, packets between pods on the same bridge skip iptables, and a Service whose endpoint is on the
  // client's node fails. The parameter exists when the module br_netfilter is loaded.
  const required = family === 'IPv4' ? 'net.ipv4.ip_forward' : 'net.ipv6.conf.all.forwarding';
  const bridged = family === 'IPv4' ? 'net.bridge.bridge-nf-call-iptables' : 'net.bridge.bridge-nf-call-ip6tables';
  if ((await sysctl.get(required)) !== 1) await sysctl.set(required, 1);
  if ((await sysctl.get(bridged)) === 0) await sysctl.set(bridged, 1);
}

async function checkPlugins(directory: string): Promise<void> {
  const missing: string[] = [];
  for (const plugin of cniPlugins) await access(join(directory, plugin)).catch(() => missing.push(plugin));
  if (missing.length === 0) return;
  throw new Error(
    `${directory} lacks the CNI plugins ${missing.join(', ')}: install containernetworking-plugins, or name their directory`,
  );
}

/** Nodes whose addresses and conditions can be read. */
const readable = (nodes: readonly Node[]): Node[] =>
  nodes.filter((node) => {
    try {
      return addressHolder([node], '', []) === undefined;
    } catch {
      // podRanges reports it.
      return false;
    }
  });

/** The parts of a Node that the pod network depends on, as text. A heartbeat changes none of them and so triggers no sync. */
function relevant(node: Node): string {
  try {
    return JSON.stringify([podCidrsOf(node), internalIps(node)]);
  } catch (error) {
    return unreadable(error);
  }
}

function watchNodes(nodes: Informer<Node>): { next(): Promise<void>; stop(): void } {
  let wake: () => void = () => undefined;
  const stop = nodes.subscribe({
    added: () => wake(),
    updated: (node, previous) => {
      if (relevant(node) !== relevant(previous)) wake();
    },
    deleted: () => wake(),
  });
  const next = (): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve;
    });
  return { next, stop };
}
