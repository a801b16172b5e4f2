/** The node's resolvers: `nameserver` lines of resolv.conf(5). */
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';

export interface Upstream {
  address: string;
  port: number;
}

/** Lines that are no addresses are passed over, as resolvers do. Pure. */
export function parseNameservers(text: string): Upstream[] {
  return text
    .split('\n')
    .map((line) => line.match(/^\s*nameserver\s+(\S+)/)?.[1])
    .filter((address) => address !== undefined && isIP(address.split('%')[0] ?? '') !== 0)
    .map((address) => ({ address: address ?? '', port: 53 }));
}

/** @throws when the file cannot be read */
export async function readNameservers(path: string): Promise<Upstream[]> {
  return parseNameservers(await readFile(path, 'utf8'));
}
