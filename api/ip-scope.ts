/** The scope of an address, as the methods of Go's `net.IP` (IsLoopback, IsLinkLocalUnicast, …) define it. Pure. */
import { type Cidr, containsIp, type IpAddress, isMapped, mustParseCidr } from './ip.ts';

/** The scopes. `global` is what IsGlobalUnicast accepts; private addresses are global. */
export type IpScope = 'unspecified' | 'loopback' | 'link-local' | 'link-local multicast' | 'multicast' | 'broadcast' | 'global';

const scopes: readonly [IpScope, ...Cidr[]][] = (
  [
    ['unspecified', '0.0.0.0/32', '::/128'],
    ['loopback', '127.0.0.0/8', '::1/128'],
    ['link-local', '169.254.0.0/16', 'fe80::/10'],
    // The scope of an IPv6 multicast address is in the four bits after the four flag bits, so all values of the flags are listed.
    ['link-local multicast', '224.0.0.0/24', ...Array.from({ length: 16 }, (_, flags) => `ff${flags.toString(16)}2::/16`)],
    ['multicast', '224.0.0.0/4', 'ff00::/8'],
    ['broadcast', '255.255.255.255/32'],
  ] satisfies [IpScope, ...string[]][]
).map(([scope, ...texts]) => [scope, ...texts.map(mustParseCidr)]);

/** The same for IPv4 in plain numbers, which are far cheaper: first and last address. */
const ipv4Scopes = scopes.flatMap(([scope, ...cidrs]) =>
  cidrs
    .filter(({ family }) => family === 'IPv4')
    .map(({ first, prefixLength }) => ({ scope, first: Number(first), last: Number(first) + 2 ** (32 - prefixLength) - 1 })),
);

/** The scope of an address. An IPv4-mapped IPv6 address has the scope of its IPv4 address. */
export function scopeOf(ip: IpAddress): IpScope {
  if (ip.family === 'IPv6' && !isMapped(ip))
    return scopes.find(([, ...cidrs]) => cidrs.some((cidr) => containsIp(cidr, ip)))?.[0] ?? 'global';
  const address = Number(ip.value & 0xffff_ffffn);
  return ipv4Scopes.find(({ first, last }) => first <= address && address <= last)?.scope ?? 'global';
}
