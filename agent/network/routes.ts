/** Routes to the pods of other nodes: each pod CIDR goes via the InternalIP of its node, or through the tunnel to a node behind a router. */
import type { Exec } from '#agent/host/exec.ts';
import { addressBits, familyOf, type IpFamily } from '#api/ip.ts';
import type { Node } from '#api/types.generated.ts';

/** A route to the pods of one other node. */
export interface PodRoute {
  /** In CIDR notation. */
  destination: string;
  /** The other node's address; on the tunnel's device that of the node on it. */
  gateway: string;
  /** The tunnel's device. Absent: the one that leads to the gateway. */
  device?: string | undefined;
}

/** Name of the device of the tunnel (vxlan.ts). */
export const vxlanDevice = 'tinker-vxlan';

/** The changes that bring the kernel's routes to the wanted ones. */
export interface RoutePlan {
  add: PodRoute[];
  replace: PodRoute[];
  remove: PodRoute[];
}

/**
 * The protocol number of our routes in the kernel (`ip route show proto 107`), so that no other program's route is touched. No
 * registry assigns the number.
 */
export const routeProtocol = 107;

/** The option of ip(8) that selects the family. */
const familyOption: Record<IpFamily, string> = { IPv4: '-4', IPv6: '-6' };

/** Compares the wanted routes with our routes in the kernel. Pure. */
export function planRoutes(wanted: readonly PodRoute[], current: readonly PodRoute[]): RoutePlan {
  const way = ({ gateway, device }: PodRoute): string => `${gateway} ${device ?? ''}`;
  const gateways = new Set(wanted.map(({ destination }) => destination));
  const present = new Map(current.map((route) => [route.destination, way(route)]));
  return {
    add: wanted.filter(({ destination }) => !present.has(destination)),
    replace: wanted.filter((route) => present.has(route.destination) && present.get(route.destination) !== way(route)),
    remove: current.filter(({ destination }) => !gateways.has(destination)),
  };
}

/** The Node's `spec.podCIDRs`, or the older field `spec.podCIDR`. */
export function podCidrsOf(node: Node): readonly string[] {
  const { podCIDRs, podCIDR } = node.spec ?? {};
  if (podCIDRs !== undefined && podCIDRs.length > 0) return podCIDRs;
  return podCIDR === undefined || podCIDR === '' ? [] : [podCIDR];
}

/** The Node's addresses of type InternalIP, in the order of its status. */
export function internalIps(node: Node): string[] {
  return (node.status?.addresses ?? []).flatMap(({ type, address }) => (type === 'InternalIP' ? [address] : []));
}

/** Our routes of one family in the kernel. @throws ExecError */
export async function readRoutes(exec: Exec, family: IpFamily): Promise<PodRoute[]> {
  const { stdout } = await exec(['ip', familyOption[family], '-j', 'route', 'show', 'proto', String(routeProtocol)]);
  return parseRoutes(stdout, family);
}

/**
 * Parses the output of `ip -j route show`. A route to a single host comes without a prefix length, and no routes come as an empty
 * text. Pure.
 */
export function parseRoutes(json: string, family: IpFamily): PodRoute[] {
  const rows = json.trim() === '' ? [] : (JSON.parse(json) as { dst: string; gateway?: string; dev?: string }[]);
  const withLength = (dst: string): string => (dst.includes('/') ? dst : `${dst}/${addressBits[family]}`);
  return rows.map(({ dst, gateway = '', dev }) => ({
    destination: withLength(dst),
    gateway,
    ...(dev === vxlanDevice ? { device: dev } : {}),
  }));
}

/** The argv of ip(8) for one route. `add` fails when another program has a route for the same destination. Pure. */
export function routeArgv(action: 'add' | 'replace' | 'del', { destination, gateway, device }: PodRoute): string[] {
  // The gateway's address on the tunnel is in no network of the device: "onlink" says that it is there all the same.
  const on = device === undefined ? [] : ['dev', device, 'onlink'];
  const via = action === 'del' ? [] : ['via', gateway, ...on];
  return ['ip', familyOption[familyOf(destination)], 'route', action, destination, ...via, 'proto', String(routeProtocol)];
}
