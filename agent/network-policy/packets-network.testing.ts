/** A small real network for the packet tests: a node with pods on a bridge, and a host outside. Each is a network namespace. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Exec } from '#agent/host/exec.ts';
import { ip, TestNamespaces } from '#agent/host/namespaces.testing.ts';
import type { Attempt } from './packets-peer.testing.ts';

/** The addresses of the hosts: pods of the node, the node, and one host outside that has a pod of another node, too. */
export const hosts = {
  pod1: ['10.0.0.11', 'fd00:10::11'],
  pod2: ['10.0.0.12', 'fd00:10::12'],
  pod3: ['10.0.0.13', 'fd00:10::13'],
  node: ['10.0.0.1', 'fd00:10::1'],
  outside: ['192.168.90.1', 'fd00:90::1'],
  remote: ['10.0.9.9', 'fd00:99::9'],
} as const;
export type HostName = keyof typeof hosts;

export interface PacketsNetwork {
  /** Runs a program in the node's namespace. */
  exec: Exec;
  /** Begins all at once. @returns the IDs of those that arrived: the expected ones, and whatever else comes soon after */
  attempt(attempts: readonly Attempt[], expected: ReadonlySet<string>): Promise<Set<string>>;
  close(): Promise<void>;
}

/** How long something unexpected has to arrive after all that was expected has. */
const graceMs = 150;
const limitMs = 20_000;

export async function createPacketsNetwork(ports: readonly number[]): Promise<PacketsNetwork> {
  const namespaces = new TestNamespaces('tpol');
  return await namespaces.whole(async () => {
    const node = await namespaces.add('node');
    await ip('-n', node.name, 'link', 'add', 'br0', 'type', 'bridge');
    await addresses(node.name, 'br0', hosts.node);
    const execs: Partial<Record<HostName, Exec>> = { node: node.exec };
    for (const name of ['pod1', 'pod2', 'pod3'] as const) {
      const pod = await namespaces.add(name);
      await ip('-n', node.name, 'link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', pod.name);
      await ip('-n', node.name, 'link', 'set', name, 'master', 'br0', 'up');
      // In hairpin mode a pod reaches itself by its Service.
      await ip('-n', node.name, 'link', 'set', name, 'type', 'bridge_slave', 'hairpin', 'on');
      await addresses(pod.name, 'eth0', hosts[name]);
      for (const gateway of hosts.node) await ip('-n', pod.name, 'route', 'add', 'default', 'via', gateway);
      execs[name] = pod.exec;
    }
    const outside = await namespaces.add('outside');
    await ip('-n', node.name, 'link', 'add', 'up0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', outside.name);
    await addresses(node.name, 'up0', ['192.168.90.2', 'fd00:90::2']);
    await addresses(outside.name, 'eth0', hosts.outside);
    await addresses(outside.name, 'lo', hosts.remote, [32, 128]);
    await ip('-n', outside.name, 'route', 'add', '10.0.0.0/24', 'via', '192.168.90.2');
    await ip('-n', outside.name, 'route', 'add', 'fd00:10::/64', 'via', 'fd00:90::2');
    await ip('-n', node.name, 'route', 'add', '10.0.9.9', 'via', '192.168.90.1');
    await ip('-n', node.name, 'route', 'add', 'fd00:99::9', 'via', 'fd00:90::1');
    execs.outside = outside.exec;
    if (!existsSync('/proc/sys/net/bridge')) throw new Error('the kernel module br_netfilter is not loaded');
    const sysctls = [
      'net.ipv4.ip_forward',
      'net.ipv6.conf.all.forwarding',
      'net.bridge.bridge-nf-call-iptables',
      'net.bridge.bridge-nf-call-ip6tables',
    ];
    await node.exec(['sysctl', '-q', '-w', ...sysctls.map((name) => `${name}=1`)]);
    const peers = await startPeers(execs, ports, namespaces);
    return { exec: node.exec, attempt: peers, close: () => namespaces.close() };
  });
}

async function addresses(namespace: string, link: string, list: readonly string[], lengths = [24, 64]): Promise<void> {
  for (const [at, address] of list.entries())
    await ip('-n', namespace, 'addr', 'add', `${address}/${lengths[at]}`, 'dev', link, ...(at === 1 ? ['nodad'] : []));
  await ip('-n', namespace, 'link', 'set', link, 'up');
}

async function startPeers(
  execs: Partial<Record<HostName, Exec>>,
  ports: readonly number[],
  namespaces: TestNamespaces,
): Promise<PacketsNetwork['attempt']> {
  const directory = await mkdtemp(join(tmpdir(), 'tpol-'));
  namespaces.onClose(() => rm(directory, { recursive: true }));
  const socketPath = join(directory, 'control');
  const sockets = new Map<string, Socket>();
  let arrived = new Set<string>();
  let changed = (): void => undefined;
  const server = createServer((socket) => {
    createInterface({ input: socket }).on('line', (line) => {
      const message = JSON.parse(line) as { name?: string; arrived?: string };
      if (message.name !== undefined) sockets.set(message.name, socket);
      if (message.arrived !== undefined) arrived.add(message.arrived);
      changed();
    });
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  const script = join(import.meta.dirname, 'packets-peer.testing.ts');
  const running = Object.entries(execs).map(([name, exec]) =>
    exec([process.execPath, '--no-warnings', script, socketPath, name, ...ports.map(String)], { timeoutMs: 0 }),
  );
  namespaces.onClose(async () => {
    for (const socket of sockets.values()) socket.destroy();
    await Promise.allSettled(running);
    await new Promise((resolve) => server.close(resolve));
  });
  const until = async (condition: () => boolean, within: number): Promise<void> => {
    const over = Date.now() + within;
    while (!condition() && Date.now() < over) {
      await new Promise<void>((resolve) => {
        changed = resolve;
        setTimeout(resolve, 50);
      });
    }
  };
  // When a peer ends before all have connected, its end is the failure to report.
  await Promise.race([until(() => sockets.size === running.length, 60_000), Promise.all(running)]);
  let rounds = 0;
  /** An ID as the peers know it: what was begun earlier and arrives late does not count. */
  const tags = new Map<string, string>();
  return async (attempts, expected) => {
    rounds++;
    arrived = new Set();
    const tagged = attempts.map((one) => {
      const over = one.over === undefined ? {} : { over: tags.get(one.over) ?? '' };
      return { ...one, ...over, id: `${rounds}:${one.id}` };
    });
    for (const { id } of attempts) tags.set(id, `${rounds}:${id}`);
    for (const [name, list] of Map.groupBy(tagged, ({ from }) => senderOf(from)))
      sockets.get(name)?.write(`${JSON.stringify(list)}\n`);
    await until(() => [...expected].every((id) => arrived.has(`${rounds}:${id}`)), limitMs);
    await until(() => false, graceMs);
    return new Set(attempts.map(({ id }) => id).filter((id) => arrived.has(`${rounds}:${id}`)));
  };
}

/** The namespace that has this address: `remote` is the host outside. */
function senderOf(address: string): string {
  const found = (Object.keys(hosts) as HostName[]).find((name) => (hosts[name] as readonly string[]).includes(address));
  return found === undefined || found === 'remote' ? 'outside' : found;
}
