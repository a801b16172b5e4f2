/**
 * Where proxies may connect to. An address comes from the status of a node or pod, which whoever runs the node writes: it must not lead
 * to the API server's own machine.
 *
 * Source: kubernetes `pkg/registry/core/node/strategy.go` (isProxyableHostname), Go's `net.IP.IsGlobalUnicast`.
 */
import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import { badRequest } from '#api/status.ts';

/** The addresses of a host name. @throws Error */
export type Resolve = (hostname: string) => Promise<readonly string[]>;

export const systemResolve: Resolve = async (hostname) => (await lookup(hostname, { all: true })).map(({ address }) => address);

const notGlobal = new BlockList();
notGlobal.addAddress('0.0.0.0');
notGlobal.addAddress('255.255.255.255');
notGlobal.addSubnet('127.0.0.0', 8);
notGlobal.addSubnet('169.254.0.0', 16);
notGlobal.addSubnet('224.0.0.0', 4);
notGlobal.addAddress('::', 'ipv6');
notGlobal.addAddress('::1', 'ipv6');
notGlobal.addSubnet('fe80::', 10, 'ipv6');
notGlobal.addSubnet('ff00::', 8, 'ipv6');

/** Neither loopback, link-local, multicast, broadcast nor unspecified; an IPv4 address within IPv6 counts as what it is. Pure. */
export function isGlobalUnicast(address: string): boolean {
  const plain = address.split('%', 1)[0] ?? '';
  const family = isIP(plain);
  return family !== 0 && !notGlobal.check(plain, family === 4 ? 'ipv4' : 'ipv6');
}

/**
 * One address of `hostname` to connect to, looked at and used: asking the resolver again would let it answer differently.
 * @throws ApiError 400 when one of them is not allowed, or there is none
 */
export async function proxyableAddress(hostname: string, resolve: Resolve): Promise<string> {
  let addresses: readonly string[];
  try {
    addresses = isIP(hostname) === 0 ? await resolve(hostname) : [hostname];
  } catch {
    throw badRequest(`lookup ${hostname}: no such host`);
  }
  const [first] = addresses;
  if (first === undefined) throw badRequest('no addresses for hostname');
  if (!addresses.every(isGlobalUnicast)) throw badRequest('address not allowed');
  return first;
}
