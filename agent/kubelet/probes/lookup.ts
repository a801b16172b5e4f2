/**
 * Names of hosts in probes and hooks, resolved without getaddrinfo(3): that would hold one of libuv's four threads until the
 * resolver has answered, and four probes of a name without an answer would stop all file access of the agent.
 */
import { Resolver } from 'node:dns/promises';
import { isIP, isIPv6, type LookupFunction } from 'node:net';
import { readSmallFile } from '#agent/host/safe-open.ts';

/** The limit for hosts(5) and resolv.conf(5). */
const maxBytes = 64 * 2 ** 20;

/**
 * How long one question to one resolver may take, in ms, and how often all resolvers are asked. The probe's own timeout ends it
 * earlier.
 */
const limits = { timeout: 2_000, tries: 2 };

interface Found {
  address: string;
  family: number;
}

/** The addresses of a name in the text of hosts(5). Pure. */
export function hostsAddresses(text: string, name: string): string[] {
  return text
    .split('\n')
    .map((line) => (line.split('#')[0] ?? '').trim().split(/\s+/))
    .filter(([address = '', ...names]) => isIP(address) !== 0 && names.some((one) => one.toLowerCase() === name.toLowerCase()))
    .map(([address = '']) => address);
}

/**
 * The names to ask for in turn, by the `search` line of resolv.conf(5); a name without a dot is tried in the domains first.
 * Pure.
 */
export function searchedNames(text: string, name: string): string[] {
  if (name.endsWith('.')) return [name];
  const domains = /^\s*search\s+(.*)$/m.exec(text)?.[1]?.trim().split(/\s+/) ?? [];
  const within = domains.filter((domain) => domain !== '.').map((domain) => `${name}.${domain}`);
  return name.includes('.') ? [name, ...within] : [...within, name];
}

async function addressesOf(hostname: string): Promise<Found[]> {
  const found = (addresses: readonly string[]): Found[] =>
    addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }));
  // A file that does not exist counts as empty.
  const [hosts, resolvConf] = await Promise.all(
    ['/etc/hosts', '/etc/resolv.conf'].map((path) => readSmallFile(path, maxBytes).catch(() => '')),
  );
  const own = hostsAddresses(hosts ?? '', hostname);
  if (own.length > 0) return found(own);
  const resolver = new Resolver(limits);
  let failure: unknown;
  for (const name of searchedNames(resolvConf ?? '', hostname)) {
    const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
    const addresses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
    if (addresses.length > 0) return found(addresses);
    failure ??= answers.find((answer) => answer.status === 'rejected')?.reason;
  }
  throw failure instanceof Error ? failure : new Error(`lookup ${hostname}: no such host`);
}

/** The `lookup` option of `connect` in node:net and node:http. */
export const lookupWithoutThreads: LookupFunction = (hostname, options, callback) => {
  addressesOf(hostname).then(
    (found) => {
      const wanted = found.filter(
        ({ family }) => !options.family || options.family === family || options.family === `IPv${family}`,
      );
      const [first] = wanted;
      if (first === undefined) callback(new Error(`lookup ${hostname}: no such host`), '');
      else if (options.all === true) callback(null, wanted);
      else callback(null, first.address, first.family);
    },
    (error: Error) => callback(error, ''),
  );
};
