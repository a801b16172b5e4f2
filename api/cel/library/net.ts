/** IP addresses and networks. Source: apiserver `pkg/cel/library/{ip,cidr}.go`. */
import { addressBits, type Cidr, contains, type IpAddress, ipAddress, isMapped, overlap, parseCidr, parseIp } from '../../ip.ts';
import { type IpScope, scopeOf } from '../../ip-scope.ts';
import { define, type Library, type NamedTypes } from '../declarations.ts';
import { traversal, traverses } from '../runtime-cost.ts';
import { opaqueType } from '../types.ts';
import { CelError, Opaque, sizeOf, type Value } from '../values.ts';

/** An IP address as a value of CEL (`net.IP`). */
export class Ip extends Opaque {
  static readonly type = opaqueType('net.IP');
  readonly typeName = Ip.type.name;
  readonly ip: IpAddress;
  constructor(ip: IpAddress) {
    super();
    this.ip = ip;
  }
  override equals(other: Opaque): boolean {
    return other instanceof Ip && other.ip.family === this.ip.family && other.ip.value === this.ip.value;
  }
}

/** A network as it is written: bits after the prefix are kept. */
export class Network extends Opaque {
  static readonly type = opaqueType('net.CIDR');
  readonly typeName = Network.type.name;
  readonly ip: IpAddress;
  readonly prefixLength: number;
  constructor(ip: IpAddress, prefixLength: number) {
    super();
    this.ip = ip;
    this.prefixLength = prefixLength;
  }
  get cidr(): Cidr {
    const shift = BigInt(addressBits[this.ip.family] - this.prefixLength);
    return { family: this.ip.family, first: (this.ip.value >> shift) << shift, prefixLength: this.prefixLength };
  }
  override equals(other: Opaque): boolean {
    return other instanceof Network && other.prefixLength === this.prefixLength && new Ip(this.ip).equals(new Ip(other.ip));
  }
}

/** @throws CelError */
function ipOf(text: string): Ip {
  if (text.includes('%') && parseIp(text.replace(/%.*$/, '')) !== undefined)
    throw new CelError(`IP address ${JSON.stringify(text)} with zone value is not allowed`);
  const ip = parseIp(text);
  if (ip === undefined)
    throw new CelError(
      `IP Address ${JSON.stringify(text)} parse error during conversion from string: ParseAddr(${JSON.stringify(text)}): unable to parse IP`,
    );
  if (isMapped(ip)) throw new CelError(`IPv4-mapped IPv6 address ${JSON.stringify(text)} is not allowed`);
  return new Ip(ip);
}

/** @throws CelError */
function networkOf(text: string): Network {
  const failed = (why: string): CelError =>
    new CelError(
      `network address parse error during conversion from string: network address parse error during conversion from string: ${why}`,
    );
  const [address = '', length = ''] = text.split('/');
  const ip = parseIp(address);
  if (parseCidr(text) === undefined || ip === undefined)
    throw failed(`netip.ParsePrefix(${JSON.stringify(text)}): ${text.includes('/') ? 'invalid prefix' : "no '/'"}`);
  if (isMapped(ip))
    throw new CelError(
      `network address parse error during conversion from string: IPv4-mapped IPv6 address ${JSON.stringify(text)} is not allowed`,
    );
  return new Network(ip, Number(length));
}

const succeeds = (action: () => unknown): boolean => {
  try {
    action();
    return true;
  } catch (error) {
    if (error instanceof CelError) return false;
    throw error;
  }
};

const isV4 = ({ family }: IpAddress): boolean => family === 'IPv4';
const hasScope =
  (scope: IpScope) =>
  ({ ip }: Ip): boolean =>
    scopeOf(ip) === scope;

const containsNetwork = (outer: Network, inner: Network): boolean =>
  contains(outer.cidr, inner.cidr) && overlap(outer.cidr, inner.cidr);
const containsAddress = (network: Network, { ip }: Ip): boolean =>
  contains(network.cidr, { family: ip.family, first: ip.value, prefixLength: addressBits[ip.family] });

const bytesOf = (value: Value): number => {
  const ip = value instanceof Ip || value instanceof Network ? value.ip : undefined;
  return ip === undefined ? sizeOf(value) : addressBits[ip.family] / 8;
};
const named: NamedTypes = { IP: Ip.type, CIDR: Network.type };
const declare = (signature: string, call: (...args: never[]) => Value, id: string, cost?: (args: readonly Value[]) => number) =>
  define(signature, call, { id, named, ...(cost === undefined ? {} : { cost }) });

/** `ip()`, `cidr()` and their members. Source: apiserver `pkg/cel/library/{ip,cidr}.go`. */
export const netLibrary: Library = [
  declare('ip(string): IP', ipOf, 'string_to_ip', ([text]) => traversal(sizeOf(text as Value))),
  declare(
    'isIP(string): bool',
    (text: string) => succeeds(() => ipOf(text)),
    'is_ip',
    ([text]) => traversal(sizeOf(text as Value)),
  ),
  define('ip.isCanonical(string): bool', (text: string) => ipOf(text).ip.text === text, {
    id: 'ip_is_canonical',
    cost: traverses(0, 2),
  }),
  declare('.family(IP): int', ({ ip }: Ip) => (isV4(ip) ? 4n : 6n), 'ip_family'),
  declare('.isUnspecified(IP): bool', hasScope('unspecified'), 'ip_is_unspecified'),
  declare('.isLoopback(IP): bool', hasScope('loopback'), 'ip_is_loopback'),
  declare('.isLinkLocalMulticast(IP): bool', hasScope('link-local multicast'), 'ip_is_link_local_multicast'),
  declare('.isLinkLocalUnicast(IP): bool', hasScope('link-local'), 'ip_is_link_local_unicast'),
  declare('.isGlobalUnicast(IP): bool', hasScope('global'), 'ip_is_global_unicast'),
  declare('string(IP): string', ({ ip }: Ip) => ip.text, 'ip_to_string'),
  declare('cidr(string): CIDR', networkOf, 'string_to_cidr', ([text]) => traversal(sizeOf(text as Value))),
  declare(
    'isCIDR(string): bool',
    (text: string) => succeeds(() => networkOf(text)),
    'is_cidr',
    ([text]) => traversal(sizeOf(text as Value)),
  ),
  declare(
    '.containsIP(CIDR, string): bool',
    (network: Network, text: string) => containsAddress(network, ipOf(text)),
    'cidr_contains_ip_string',
    ([network, text]) => traversal(2 * bytesOf(network as Value)) + traversal(sizeOf(text as Value)),
  ),
  declare('.containsIP(CIDR, IP): bool', containsAddress, 'cidr_contains_ip_ip', ([network]) =>
    traversal(2 * bytesOf(network as Value)),
  ),
  declare(
    '.containsCIDR(CIDR, string): bool',
    (network: Network, text: string) => containsNetwork(network, networkOf(text)),
    'cidr_contains_cidr_string',
    ([network, text]) =>
      traversal(2 * bytesOf(network as Value)) + traversal(bytesOf(network as Value)) + 1 + traversal(sizeOf(text as Value)),
  ),
  declare(
    '.containsCIDR(CIDR, CIDR): bool',
    containsNetwork,
    'cidr_contains_cidr',
    ([network]) => traversal(2 * bytesOf(network as Value)) + traversal(bytesOf(network as Value)) + 1,
  ),
  declare('.ip(CIDR): IP', ({ ip }: Network) => new Ip(ip), 'cidr_ip'),
  declare('.prefixLength(CIDR): int', ({ prefixLength }: Network) => BigInt(prefixLength), 'cidr_prefix_length'),
  declare(
    '.masked(CIDR): CIDR',
    ({ cidr }: Network) => new Network(ipAddress(cidr.family, cidr.first), cidr.prefixLength),
    'cidr_masked',
  ),
  declare('string(CIDR): string', ({ ip, prefixLength }: Network) => `${ip.text}/${prefixLength}`, 'cidr_to_string'),
];
