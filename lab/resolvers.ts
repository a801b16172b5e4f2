/**
 * The resolvers of the lab's machines. Ubuntu and many a Debian ask systemd-resolved on a loopback address (127.0.0.53), and a worker's
 * loopback is its own: there, nobody answers.
 *
 * Source: systemd-resolved.service(8), "/etc/resolv.conf"; kubeadm hands kubelets the same file.
 */
import { existsSync, readFileSync } from 'node:fs';
import { parseNameservers } from '#agent/dns/resolv-conf.ts';

/** resolv.conf files: the machine's, and the one in which systemd-resolved lists whom it asks itself. */
export interface ResolvConfFiles {
  machine: string;
  resolved: string;
}

const defaultFiles: ResolvConfFiles = { machine: '/etc/resolv.conf', resolved: '/run/systemd/resolve/resolv.conf' };

export interface WorkerResolvers {
  /** For the agent, and so for pods and the cluster's DNS. */
  resolvConf: string;
  /** For programs that read /etc/resolv.conf, as the container runtimes do: what they ask, and who has to answer instead. */
  redirect?: { from: readonly string[]; to: string };
}

export function workerResolvers({ machine, resolved }: ResolvConfFiles = defaultFiles): WorkerResolvers {
  const listed = serversIn(machine);
  const answering = serversIn(resolved).find((address) => !isLoopback(address));
  if (listed.some((address) => !isLoopback(address)) || answering === undefined) return { resolvConf: machine };
  return { resolvConf: resolved, redirect: { from: listed, to: answering } };
}

/** As `iptables` arguments, for a worker's own network namespace. */
export function redirectRules({ from, to }: NonNullable<WorkerResolvers['redirect']>): string[][] {
  const translated = from.flatMap((address) =>
    ['udp', 'tcp'].map((protocol) => [
      'OUTPUT',
      '-d',
      address,
      '-p',
      protocol,
      '--dport',
      '53',
      '-j',
      'DNAT',
      '--to-destination',
      to,
    ]),
  );
  // They were sent from the loopback address.
  return [...translated, ['POSTROUTING', '-s', '127.0.0.0/8', '-d', to, '-j', 'MASQUERADE']];
}

const isLoopback = (address: string): boolean => address.startsWith('127.');

/** IPv4 only, as the lab is. */
function serversIn(path: string): string[] {
  if (!existsSync(path)) return [];
  return parseNameservers(readFileSync(path, 'utf8'))
    .map(({ address }) => address)
    .filter((address) => !address.includes(':'));
}
