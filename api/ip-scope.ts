/** Where an address is valid, as Go's `net.IP` asks for it (IsLoopback, IsLinkLocalUnicast, …). Pure. */
import { type Cidr, containsIp, type IpAddress, ipAddress, isMapped, mustParseCidr } from './ip.ts';

/** `global` is what IsGlobalUnicast takes, private addresses included. */
export type IpScope = 'unspecified' | 'loopback' | 'link-local' | 'link-local multicast' | 'multicast' | 'broadcast' | 'global';

const scopes: readonly [IpScope, ...Cidr[]][] = (
  [
    ['unspecified', '0.0.0.0/32', '::/128'],
    ['loopback', '127.0.0.0/8', '::1/128'],
    ['link-local', '169.254.0.0/16', 'fe80::/10'],
    // Whatever the four flag bits are: the scope is in the four after them.
    ['link-local multicast', '224.0.0.0/24', ...Array.from({ length: 16 }, (_, flags) => `ff${flags.toString(16)}2::/16`)],
    ['multicast', '224.0.0.0/4', 'ff00::/8'],
    ['broadcast', '255.255.255.255/32'],
  ] satisfies [IpScope, ...string[]][]
).map(([scope, ...texts]) => [scope, ...texts.map(mustParseCidr)]);

/** An IPv4 address within IPv6 counts as what it is. */
export function scopeOf(ip: IpAddress): IpScope {
  const plain = isMapped(ip) ? ipAddress('IPv4', ip.value & 0xffff_ffffn) : ip;
  const [scope] = scopes.find(([, ...cidrs]) => cidrs.some((cidr) => containsIp(cidr, plain))) ?? ['global'];
  return scope;
}
