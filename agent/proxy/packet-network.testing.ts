/** A small real network for the packet tests: a node, pods behind it, and a client outside. Each is a network namespace. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Exec } from '#agent/host/exec.ts';
import { ip, type TestNamespace, TestNamespaces } from '#agent/host/namespaces.testing.ts';
import type { PeerCommand, PeerReply } from './packet-peer.testing.ts';

export const nodeIp = '192.168.77.2';
export const outsideIp = '192.168.77.1';
export const podIps = { pod1: '10.244.1.11', pod2: '10.244.1.12', pod3: '10.244.1.13' } as const;
/** Ports on which every pod serves TCP and UDP. */
const podPorts = [8080, 9090] as const;

type PeerName = keyof typeof podIps | 'node' | 'outside';

export interface PacketNetwork {
  /** Runs a program inside the node's namespace. */
  exec: Exec;
  tcp(from: PeerName, host: string, port: number): Promise<Omit<PeerReply, 'id'>>;
  udp(from: PeerName, host: string, port: number, sourcePort?: number): Promise<Omit<PeerReply, 'id'>>;
  /** Makes another, empty namespace. @returns an exec that runs programs in it */
  emptyNamespace(): Promise<Exec>;
  close(): Promise<void>;
}

/** Makes the network; {@link PacketNetwork.close} takes it down. */
export async function createPacketNetwork(): Promise<PacketNetwork> {
  const namespaces = new TestNamespaces('tprox');
  return await namespaces.whole(async () => {
    const node = await namespaces.add('node');
    const peerNamespaces: [PeerName, TestNamespace][] = [];
    for (const name of ['outside', ...Object.keys(podIps)] as PeerName[]) {
      const namespace = await namespaces.add(name);
      await connectToNode(node.name, namespace.name, name);
      peerNamespaces.push([name, namespace]);
    }
    // Every node has a default route. Without one, packets to cluster IPs would be dropped before they reach the rules.
    await ip('-n', node.name, 'route', 'add', 'default', 'via', outsideIp);
    await node.exec([
      'sysctl',
      '-q',
      '-w',
      'net.ipv4.ip_forward=1',
      'net.ipv4.conf.all.route_localnet=1',
      'net.ipv4.conf.all.send_redirects=0',
      // The kernel would answer only some of many packets that are rejected within a second.
      'net.ipv4.icmp_ratelimit=0',
    ]);
    const peers = await startPeers([...peerNamespaces, ['node', node]], namespaces);
    let empty = 0;
    return {
      exec: node.exec,
      tcp: (from, host, port) => peers.ask(from, { protocol: 'tcp', host, port }),
      udp: (from, host, port, sourcePort) =>
        peers.ask(from, { protocol: 'udp', host, port, ...(sourcePort === undefined ? {} : { sourcePort }) }),
      emptyNamespace: async () => (await namespaces.add(`empty${++empty}`)).exec,
      close: () => namespaces.close(),
    };
  });
}

/** Connects a pod point-to-point, as CNI's ptp plugin does: the pod has a /32 and reaches everything through the node. */
async function connectToNode(node: string, namespace: string, name: PeerName): Promise<void> {
  await ip('-n', node, 'link', 'add', `v-${name}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
  const own = name === 'outside' ? outsideIp : podIps[name as keyof typeof podIps];
  const gateway = name === 'outside' ? nodeIp : '10.244.1.1';
  await ip('-n', node, 'addr', 'add', `${gateway}/32`, 'dev', `v-${name}`);
  await ip('-n', node, 'link', 'set', `v-${name}`, 'up');
  await ip('-n', node, 'route', 'add', own, 'dev', `v-${name}`, 'src', gateway);
  await ip('-n', namespace, 'addr', 'add', `${own}/32`, 'dev', 'eth0');
  await ip('-n', namespace, 'link', 'set', 'eth0', 'up');
  await ip('-n', namespace, 'route', 'add', gateway, 'dev', 'eth0');
  await ip('-n', namespace, 'route', 'add', 'default', 'via', gateway);
}

interface Peers {
  ask(from: PeerName, command: Omit<PeerCommand, 'id'>): Promise<Omit<PeerReply, 'id'>>;
}

async function startPeers(peers: readonly [PeerName, TestNamespace][], namespaces: TestNamespaces): Promise<Peers> {
  const directory = await mkdtemp(join(tmpdir(), 'tprox-'));
  namespaces.onClose(() => rm(directory, { recursive: true }));
  const socketPath = join(directory, 'control');
  const sockets = new Map<string, Socket>();
  const waiting = new Map<number, (reply: PeerReply) => void>();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  const running: Promise<unknown>[] = [];
  // Peers end when their control socket closes.
  namespaces.onClose(async () => {
    for (const socket of sockets.values()) socket.destroy();
    await Promise.allSettled(running);
    await new Promise((resolve) => server.close(resolve));
  });
  const connected = connections(server, peers.length, sockets, waiting);
  for (const [name, namespace] of peers) {
    const ports = name in podIps ? podPorts.map(String) : [];
    const script = join(import.meta.dirname, 'packet-peer.testing.ts');
    running.push(namespace.exec([process.execPath, script, socketPath, name, ...ports]));
  }
  // When a peer ends before all have connected, its end is the failure to report.
  await Promise.race([connected, Promise.all(running)]);
  let nextId = 0;
  return {
    ask: (from, command) =>
      new Promise((resolve) => {
        const id = ++nextId;
        waiting.set(id, ({ id: _id, ...reply }) => resolve(reply));
        sockets.get(from)?.write(`${JSON.stringify({ ...command, id })}\n`);
      }),
  };
}

function connections(
  server: Server,
  count: number,
  sockets: Map<string, Socket>,
  waiting: Map<number, (reply: PeerReply) => void>,
): Promise<void> {
  return new Promise((resolve) => {
    server.on('connection', (socket) => {
      createInterface({ input: socket }).on('line', (line) => {
        const message = JSON.parse(line) as { name: string } | PeerReply;
        if ('name' in message) {
          sockets.set(message.name, socket);
          if (sockets.size === count) resolve();
          return;
        }
        waiting.get(message.id)?.(message);
        waiting.delete(message.id);
      });
    });
  });
}
