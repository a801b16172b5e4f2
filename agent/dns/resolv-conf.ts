/** The node's resolvers: `nameserver` lines of resolv.conf(5). */
import { existsSync } from 'node:fs';
import { isIP } from 'node:net';
import { readSmallFile } from '#agent/host/safe-open.ts';

const maxBytes = 2 ** 20;

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

/** Where systemd-resolved answers: on the loopback of the network namespace that it runs in, and nowhere else. */
export const resolvedStub = '127.0.0.53';

/** Whether resolv.conf(5) of this text names systemd-resolved's stub and nothing else, as on Ubuntu. Pure. */
export function namesOnlyStub(text: string): boolean {
  const servers = parseNameservers(text);
  return servers.length > 0 && servers.every(({ address }) => address === resolvedStub);
}

/**
 * The file that lists the node's resolvers: the usual one, but where that names only systemd-resolved's stub, the one with the
 * servers behind it. A pod has a loopback of its own, where the stub does not answer (kubeadm sets kubelet's resolvConf alike).
 */
export async function nodeResolvConf(
  usual = '/etc/resolv.conf',
  behindStub = '/run/systemd/resolve/resolv.conf',
): Promise<string> {
  return existsSync(behindStub) && existsSync(usual) && namesOnlyStub(await readSmallFile(usual, maxBytes)) ? behindStub : usual;
}

/** @throws when the file cannot be read */
export async function readNameservers(path: string): Promise<Upstream[]> {
  return parseNameservers(await readSmallFile(path, maxBytes));
}
