/** The node's addresses: those of `--node-ip`, or the one from which the node reaches the API server. */
import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { familyOf, parseIp } from '#api/ip.ts';
import { checkAddress, firstAddress } from './checks.ts';

/** @param text `--node-ip`: one address, or one of each family with a comma @throws Error when it is something else */
export function checkNodeIps(text: string): string[] {
  const addresses = text.split(',').map((address) => checkAddress('--node-ip', address.trim()));
  if (addresses.length > 2 || new Set(addresses.map(familyOf)).size < addresses.length)
    throw new Error(`--node-ip ${text}: give one address, or one of each family with a comma`);
  return addresses;
}

/**
 * The address of the interface that leads to the API server: other nodes reach this one there, too. Not the machine's first one: on a VM of
 * Vagrant that is the interface to the Internet, which has the same address on every VM. A server on this machine itself leads
 * nowhere; then it is the machine's first address.
 * @param server URL of the API server @throws Error when the machine has no address
 */
export async function addressTowards(server: string): Promise<string> {
  const { hostname, port } = new URL(server);
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  const found = await sourceOf(host, Number(port || 443));
  const isLoopback = found === undefined || /^127\.|^::1$|^::$|^0\.0\.0\.0$/.test(found);
  return isLoopback ? firstAddress('--node-ip') : found;
}

/** The address from which the kernel would send to a host. Nothing is sent. Undefined when it knows no way. */
function sourceOf(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    const end = (address: string | undefined): void => {
      socket.close(() => resolve(parseIp(address)?.text));
    };
    socket.once('error', () => end(undefined));
    socket.connect(port, host, (error?: Error) => end(error === undefined ? socket.address().address : undefined));
  });
}
