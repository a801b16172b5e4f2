/** IP addresses and ranges as they appear in Services: parsed, normalised, told apart by family. */
import { BlockList, isIPv4, isIPv6 } from 'node:net';

export type IpFamily = 'IPv4' | 'IPv6';

export interface Cidr {
  family: IpFamily;
  /** The network in canonical form, host bits cleared for IPv4: `203.0.113.0/25`. */
  text: string;
  prefixLength: number;
}

/**
 * The canonical form of an address, or undefined for what is not one. IPv4 octets may have leading zeros and are decimal
 * then: objects from before API validation forbade it are still served (k8s.io/utils/net.ParseIPSloppy).
 */
export function parseIp(text: string): { family: IpFamily; address: string } | undefined {
  if (typeof text !== 'string' || text.length > 45) return undefined;
  const octets = text.split('.');
  if (octets.length === 4 && octets.every((octet) => /^\d{1,3}$/.test(octet))) {
    const address = octets.map(Number).join('.');
    return isIPv4(address) ? { family: 'IPv4', address } : undefined;
  }
  if (!isIPv6(text) || text.includes('%')) return undefined;
  // The URL parser serialises IPv6 by the WHATWG rules, which are those of RFC 5952.
  return { family: 'IPv6', address: new URL(`http://[${text}]/`).hostname.slice(1, -1) };
}

/** Undefined for what is not `address/prefix length`; surrounding white space is allowed, as upstream's validation allows it. */
export function parseCidr(text: string): Cidr | undefined {
  const match = /^([^/]+)\/(\d{1,3})$/.exec(text.trim());
  const ip = match?.[1] === undefined ? undefined : parseIp(match[1]);
  if (ip === undefined) return undefined;
  const prefixLength = Number(match?.[2]);
  if (prefixLength > (ip.family === 'IPv4' ? 32 : 128)) return undefined;
  const network = ip.family === 'IPv4' ? maskIpv4(ip.address, prefixLength) : ip.address;
  return { family: ip.family, prefixLength, text: `${network}/${prefixLength}` };
}

/** Whether `address` lies in `cidr`; false when the families differ. */
export function cidrContains(cidr: Cidr, address: string): boolean {
  const list = new BlockList();
  const family = cidr.family === 'IPv4' ? 'ipv4' : 'ipv6';
  list.addSubnet(cidr.text.slice(0, cidr.text.indexOf('/')), cidr.prefixLength, family);
  return parseIp(address)?.family === cidr.family && list.check(address, family);
}

/** What a packet can be sent to. Objects from the API are no promise: not every check of theirs is the server's. */
export const isPort = (port: unknown): port is number => Number.isInteger(port) && Number(port) >= 1 && Number(port) <= 65_535;

/** `address:port`, an IPv6 address in brackets (Go's net.JoinHostPort). */
export function joinHostPort(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

function maskIpv4(address: string, prefixLength: number): string {
  return address
    .split('.')
    .map((octet, index) => Number(octet) & (0xff00 >> Math.min(8, Math.max(0, prefixLength - 8 * index))) & 0xff)
    .join('.');
}
