/**
 * Where proxies may connect to. An address comes from the status of a node or pod, which whoever runs the node writes: it must not lead
 * to the API server's own machine.
 *
 * Source: kubernetes `pkg/registry/core/node/strategy.go` (isProxyableHostname), Go's `net.IP.IsGlobalUnicast`.
 */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { parseIp } from '#api/ip.ts';
import { scopeOf } from '#api/ip-scope.ts';
import { badRequest } from '#api/status.ts';

/** The addresses of a host name. @throws Error */
export type Resolve = (hostname: string) => Promise<readonly string[]>;

/** Asks the resolver of this machine. @throws Error when the name is unknown */
export const systemResolve: Resolve = async (hostname) => (await lookup(hostname, { all: true })).map(({ address }) => address);

/** Neither loopback, link-local, multicast, broadcast nor unspecified; an IPv4 address within IPv6 counts as what it is. Pure. */
export function isGlobalUnicast(address: string): boolean {
  const ip = parseIp(address.split('%', 1)[0]);
  return ip !== undefined && scopeOf(ip) === 'global';
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
