/** Routes to the pods of other nodes: each node's pod CIDR by that node's InternalIP, on the same network. */
import type { Exec } from '#agent/host/exec.ts';
import { addressBits, familyOf, type IpFamily } from '#api/ip.ts';
import type { Node } from '#api/types.generated.ts';

export interface PodRoute {
  /** In CIDR notation. */
  destination: string;
  /** The other node's address. */
  gateway: string;
}

export interface RoutePlan {
  add: PodRoute[];
  replace: PodRoute[];
  remove: PodRoute[];
}

/** Marks our routes in the kernel (`ip route show proto 107`), so that no other is ever touched. No registry assigns it. */
export const routeProtocol = 107;

/** The option of ip(8) that selects the family. */
const familyOption: Record<IpFamily, string> = { IPv4: '-4', IPv6: '-6' };

/** The routes that should be, against our own that are. Pure. */
export function planRoutes(wanted: readonly PodRoute[], current: readonly PodRoute[]): RoutePlan {
  const gateways = new Map(wanted.map(({ destination, gateway }) => [destination, gateway]));
  const present = new Map(current.map(({ destination, gateway }) => [destination, gateway]));
  return {
    add: wanted.filter(({ destination }) => !present.has(destination)),
    replace: wanted.filter(({ destination, gateway }) => present.has(destination) && present.get(destination) !== gateway),
    remove: current.filter(({ destination }) => !gateways.has(destination)),
  };
}

/** `spec.podCIDRs`, or the older single field. */
export function podCidrsOf(node: Node): readonly string[] {
  const { podCIDRs, podCIDR } = node.spec ?? {};
  if (podCIDRs !== undefined && podCIDRs.length > 0) return podCIDRs;
  return podCIDR === undefined || podCIDR === '' ? [] : [podCIDR];
}

export function internalIps(node: Node): string[] {
  return (node.status?.addresses ?? []).flatMap(({ type, address }) => (type === 'InternalIP' ? [address] : []));
}

/** Our routes of one family, as the kernel has them. */
export async function readRoutes(exec: Exec, family: IpFamily): Promise<PodRoute[]> {
  const { stdout } = await exec(['ip', familyOption[family], '-j', 'route', 'show', 'proto', String(routeProtocol)]);
  return parseRoutes(stdout, family);
}

/** Reads `ip -j route show`: a host route comes without its length, no routes as an empty text. */
export function parseRoutes(json: string, family: IpFamily): PodRoute[] {
  const rows = json.trim() === '' ? [] : (JSON.parse(json) as { dst: string; gateway?: string }[]);
  const withLength = (dst: string): string => (dst.includes('/') ? dst : `${dst}/${addressBits[family]}`);
  return rows.map(({ dst, gateway = '' }) => ({ destination: withLength(dst), gateway }));
}

/** The program call for one route; `add` fails where somebody else's route for the same destination is. */
export function routeArgv(action: 'add' | 'replace' | 'del', { destination, gateway }: PodRoute): string[] {
  const via = action === 'del' ? [] : ['via', gateway];
  return ['ip', familyOption[familyOf(destination)], 'route', action, destination, ...via, 'proto', String(routeProtocol)];
}
