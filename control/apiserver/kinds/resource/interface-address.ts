/** Addresses of network interfaces, `10.9.8.7/24`. Source: apimachinery `pkg/util/validation/ip.go` (IsValidInterfaceAddress). */
import { type IpAddress, parseCidrSloppy, parseIpSloppy } from '#api/ip.ts';

/** An address and the length of its network's prefix. */
export interface InterfaceAddress {
  ip: IpAddress;
  prefixLength: number;
}

/** Parses an address as leniently as upstream; undefined when it is invalid. */
export function parseInterfaceAddress(text: string): InterfaceAddress | undefined {
  const cidr = parseCidrSloppy(text);
  const ip = parseIpSloppy(text.split('/', 1)[0]);
  return cidr === undefined || ip === undefined ? undefined : { ip, prefixLength: cidr.prefixLength };
}

/** The canonical text of an address. */
export const formatAddress = ({ ip, prefixLength }: InterfaceAddress): string => `${ip.text}/${prefixLength}`;
