/**
 * The tunnel to nodes behind a router: one VXLAN device, on which each such node is a neighbour. A router in between sees packets from node to
 * node alone, so it needs to know nothing of pods.
 *
 * Each node knows the others' hardware addresses without asking: they follow from the nodes' addresses. As with flannel, a node's
 * address on the device is the first of its pod range, the entries of neighbours and of the forwarding database are permanent, and nothing is
 * learnt from packets.
 *
 * Source: RFC 7348; ip-link(8), bridge(8).
 */
import { createHash } from 'node:crypto';
import { type Exec, ExecError } from '#agent/host/exec.ts';
import { addressBits, familyOf, type IpFamily, ipAddress, mustParseCidr } from '#api/ip.ts';
import type { NodeLink } from './node-link.ts';
import { type PodRoute, vxlanDevice } from './routes.ts';

/** The VXLAN network identifier. */
const vni = 4096;
/** IANA's port of VXLAN. */
const port = 4789;
/** What the tunnel adds to a packet, in bytes: outer Ethernet, IP, UDP and VXLAN headers. */
export const vxlanOverheadBytes: Readonly<Record<IpFamily, number>> = { IPv4: 50, IPv6: 70 };

/** The device as this node needs it. */
export interface VxlanDevice {
  /** The node's own address, from which it sends. */
  local: string;
  link: NodeLink;
  /** This node's pod ranges. */
  podCidrs: readonly string[];
}

/** The hardware address of a node on the device: locally administered, the same on all nodes for the same address. */
export function hardwareAddress(nodeAddress: string): string {
  const bytes = createHash('sha256').update(nodeAddress).digest().subarray(0, 5);
  return ['02', ...[...bytes].map((byte) => byte.toString(16).padStart(2, '0'))].join(':');
}

/** A node's address on the device: the first one of its pod range. */
export function tunnelAddress(podCidr: string): string {
  const { family, first } = mustParseCidr(podCidr);
  return ipAddress(family, first).text;
}

interface LinkRow {
  address?: string;
  mtu?: number;
  linkinfo?: { info_data?: { id?: number; local?: string; local6?: string; port?: number } };
}

/** Makes the device, or makes it anew where it is another one. Idempotent. @throws ExecError */
export async function ensureVxlan(exec: Exec, { local, link, podCidrs }: VxlanDevice): Promise<void> {
  const mtu = link.mtu - vxlanOverheadBytes[familyOf(local)];
  const address = hardwareAddress(local);
  const [present] = await readLink(exec);
  const data = present?.linkinfo?.info_data;
  const isSame =
    present?.address === address &&
    present.mtu === mtu &&
    data?.id === vni &&
    data.port === port &&
    (data.local ?? data.local6) === local;
  if (!isSame) {
    if (present !== undefined) await exec(['ip', 'link', 'delete', vxlanDevice]);
    const vxlan = ['id', String(vni), 'dstport', String(port), 'local', local, 'dev', link.name, 'nolearning'];
    await exec(['ip', 'link', 'add', vxlanDevice, 'address', address, 'mtu', String(mtu), 'type', 'vxlan', ...vxlan]);
  }
  for (const cidr of podCidrs) {
    const own = `${tunnelAddress(cidr)}/${addressBits[familyOf(cidr)]}`;
    await exec(['ip', 'address', 'replace', own, 'dev', vxlanDevice, ...(familyOf(cidr) === 'IPv6' ? ['nodad'] : [])]);
  }
  await exec(['ip', 'link', 'set', vxlanDevice, 'up']);
}

/** Removes the device, with its routes, neighbours and entries. It is no error when it is not there. @throws ExecError */
export async function removeVxlan(exec: Exec): Promise<void> {
  if ((await readLink(exec)).length > 0) await exec(['ip', 'link', 'delete', vxlanDevice]);
}

async function readLink(exec: Exec): Promise<LinkRow[]> {
  try {
    const { stdout } = await exec(['ip', '-j', '-d', 'link', 'show', vxlanDevice]);
    return JSON.parse(stdout) as LinkRow[];
  } catch (error) {
    if (error instanceof ExecError && /does not exist/.test(error.result.stderr)) return [];
    throw error;
  }
}

/** A neighbour on the device. */
export interface TunnelPeer {
  /** Its hardware address. */
  mac: string;
  /** The node's own address, where the packets go. */
  node: string;
  /** Its addresses on the device. */
  addresses: readonly string[];
}

/** A pod range and the address of its node. */
export interface TunnelEnd {
  destination: string;
  node: string;
}

/** The neighbours with these ranges, by node. Pure. */
export function tunnelPeers(ends: readonly TunnelEnd[]): TunnelPeer[] {
  return Array.from(
    Map.groupBy(ends, ({ node }) => node),
    ([node, ofNode]) => ({
      mac: hardwareAddress(node),
      node,
      addresses: ofNode.map(({ destination }) => tunnelAddress(destination)),
    }),
  );
}

/** The route through the tunnel in place of the one by the node's own address. Pure. */
export const throughTunnel = ({ destination }: TunnelEnd): PodRoute => ({
  destination,
  gateway: tunnelAddress(destination),
  device: vxlanDevice,
});

/** Makes the entries of the device those of the peers. Idempotent. @throws ExecError */
export async function syncTunnelPeers(exec: Exec, peers: readonly TunnelPeer[]): Promise<void> {
  const entries = await readForwarding(exec);
  const neighbours = await readNeighbours(exec);
  const wantedEntries = new Map(peers.map(({ mac, node }) => [mac, node]));
  const wantedNeighbours = new Map(peers.flatMap(({ mac, addresses }) => addresses.map((address) => [address, mac] as const)));
  for (const [mac, node] of entries)
    if (wantedEntries.get(mac) !== node) await exec(['bridge', 'fdb', 'del', mac, 'dev', vxlanDevice, 'dst', node]);
  for (const [mac, node] of wantedEntries)
    if (entries.get(mac) !== node)
      await exec(['bridge', 'fdb', 'replace', mac, 'dev', vxlanDevice, 'dst', node, 'self', 'permanent']);
  for (const address of neighbours.keys())
    if (!wantedNeighbours.has(address)) await exec(['ip', 'neigh', 'del', address, 'dev', vxlanDevice]);
  for (const [address, mac] of wantedNeighbours)
    if (neighbours.get(address) !== mac)
      await exec(['ip', 'neigh', 'replace', address, 'lladdr', mac, 'dev', vxlanDevice, 'nud', 'permanent']);
}

/** Node by hardware address. */
async function readForwarding(exec: Exec): Promise<Map<string, string>> {
  const { stdout } = await exec(['bridge', '-j', 'fdb', 'show', 'dev', vxlanDevice]);
  const rows = stdout.trim() === '' ? [] : (JSON.parse(stdout) as { mac: string; dst?: string }[]);
  return new Map(rows.flatMap(({ mac, dst }) => (dst === undefined ? [] : [[mac, dst] as const])));
}

/** Hardware address by address. */
async function readNeighbours(exec: Exec): Promise<Map<string, string>> {
  const { stdout } = await exec(['ip', '-j', 'neigh', 'show', 'dev', vxlanDevice, 'nud', 'permanent']);
  const rows = stdout.trim() === '' ? [] : (JSON.parse(stdout) as { dst: string; lladdr?: string }[]);
  return new Map(rows.flatMap(({ dst, lladdr }) => (lladdr === undefined ? [] : [[dst, lladdr] as const])));
}
