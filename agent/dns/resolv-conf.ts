/** Reads the node's resolvers from the `nameserver` lines of resolv.conf(5). */
import { existsSync } from 'node:fs';
import { isIP } from 'node:net';
import { readSmallFile } from '#agent/host/safe-open.ts';

const maxBytes = 2 ** 20;

/** A resolver to send questions to. */
export interface Upstream {
  address: string;
  port: number;
}

/** The addresses of the `nameserver` lines. A line without a valid address is skipped, as libc does. Pure. */
export function parseNameservers(text: string): Upstream[] {
  return text
    .split('\n')
    .map((line) => line.match(/^\s*nameserver\s+(\S+)/)?.[1])
    .filter((address) => address !== undefined && isIP(address.split('%')[0] ?? '') !== 0)
    .map((address) => ({ address: address ?? '', port: 53 }));
}

/**
 * The address of systemd-resolved's stub. It answers only on the loopback of the network namespace in which systemd-resolved
 * runs.
 */
export const resolvedStub = '127.0.0.53';

/** Whether this resolv.conf(5) names systemd-resolved's stub and no other server, as on Ubuntu. Pure. */
export function namesOnlyStub(text: string): boolean {
  const servers = parseNameservers(text);
  return servers.length > 0 && servers.every(({ address }) => address === resolvedStub);
}

/**
 * The file that lists the node's resolvers: /etc/resolv.conf, or, when that names only systemd-resolved's stub, the file with the
 * servers behind the stub. A pod has its own loopback, on which the stub does not answer. (kubeadm sets the kubelet's resolvConf
 * in the same way.)
 */
export async function nodeResolvConf(
  usual = '/etc/resolv.conf',
  behindStub = '/run/systemd/resolve/resolv.conf',
): Promise<string> {
  return existsSync(behindStub) && existsSync(usual) && namesOnlyStub(await readSmallFile(usual, maxBytes)) ? behindStub : usual;
}

/** Reads the resolvers of a file. @throws Error when the file cannot be read */
export async function readNameservers(path: string): Promise<Upstream[]> {
  return parseNameservers(await readSmallFile(path, maxBytes));
}
