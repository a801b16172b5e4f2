/** The network interfaces of the node: which one has its address, and which addresses need no router. */
import type { Exec } from '#agent/host/exec.ts';
import { type Cidr, containsIp, formatCidr, parseCidr, parseIp } from '#api/ip.ts';

/** An interface of this node. */
export interface NodeLink {
  name: string;
  /** The largest packet that it sends, in bytes. */
  mtu: number;
}

/** An interface as `ip -j address show` prints it. */
export interface AddressRow {
  ifname: string;
  mtu: number;
  addr_info: { local?: string; prefixlen?: number }[];
}

/** All interfaces. @throws ExecError */
export async function readLinks(exec: Exec): Promise<AddressRow[]> {
  return JSON.parse((await exec(['ip', '-j', 'address', 'show'])).stdout) as AddressRow[];
}

/** The interface with this address; undefined when no interface has it. Pure. */
export function linkWith(rows: readonly AddressRow[], address: string): NodeLink | undefined {
  const wanted = parseIp(address)?.text;
  const found = rows.find(({ addr_info: list }) => list.some(({ local }) => parseIp(local)?.text === wanted));
  return found === undefined ? undefined : { name: found.ifname, mtu: found.mtu };
}

/** The networks of the interfaces, each once: those of pods all have the same link-local one. Pure. */
export function linkNetworks(rows: readonly AddressRow[]): Cidr[] {
  const networks = rows
    .filter(({ ifname }) => ifname !== 'lo')
    .flatMap(({ addr_info: list }) => list.flatMap(({ local, prefixlen }) => parseCidr(`${local}/${prefixlen}`) ?? []));
  return [...new Map(networks.map((network) => [formatCidr(network), network])).values()];
}

/**
 * Whether the address is in the network of an interface, so that it is reached without a router and can be a route's gateway. Pure.
 * @param networks those of {@link linkNetworks}
 */
export function isOnLink(networks: readonly Cidr[], address: string): boolean {
  const ip = parseIp(address);
  return ip !== undefined && networks.some((network) => containsIp(network, ip));
}
