/**
 * A test network of two nodes and an outside host. Each is a real network namespace, joined to the others by a bridge. The real
 * CNI plugins connect the pods.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Exec } from '#agent/host/exec.ts';
import { ip, type TestNamespace, TestNamespaces } from '#agent/host/namespaces.testing.ts';
import type { Node } from '#api/types.generated.ts';
import { MemoryInformer } from './memory-informer.testing.ts';

export function testNode(name: string, podCidr?: string | string[], address?: string | string[]): Node {
  const podCIDRs = [podCidr ?? []].flat();
  const addresses = [address ?? []].flat().map((one) => ({ type: 'InternalIP', address: one }));
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, uid: name }, spec: { podCIDRs }, status: { addresses } } as Node;
}

export interface TestHost {
  name: string;
  ip: string;
  /** Of a pod: its addresses of both families. */
  ips?: readonly string[];
  /** Runs a program in the host's network namespace. */
  exec: Exec;
}

export interface TestNetwork {
  nodes: (TestHost & { directory: string })[];
  outside: TestHost;
  informer: MemoryInformer<Node>;
  putNode(node: Node): void;
  deleteNode(name: string): void;
  /** Makes a new network namespace and calls the plugins of the node's own CNI configuration for it, as the runtime does. `bandwidth`: what the runtime reads from the pod's annotations. */
  addPod(node: 0 | 1, bandwidth?: object): Promise<TestHost>;
  /** The client address that a TCP server on `server` sees when `client` connects. */
  sourceSeenBy(server: TestHost, client: TestHost, to?: string): Promise<string>;
  /** Polls until `condition` holds. Fails after a minute and prints `state`. */
  until(condition: () => boolean | Promise<boolean>, state: () => unknown): Promise<void>;
  close(): Promise<void>;
}

const pluginDirectory = '/usr/lib/cni';

/** How the hosts of a test network are joined. */
export interface TestNetworkOptions {
  /** The second node is on a network of its own; the host outside is the router between them, which knows nothing of pods. Default false. */
  isRouted?: boolean;
  /** Pod ranges of the nodes. Default: one of IPv4. */
  podCidrs?: readonly [string[], string[]];
  /** Largest packet on the wires, in bytes. Default 1500. */
  mtu?: number;
}

/** Makes the network; {@link TestNetwork.close} takes it down. */
export async function createTestNetwork({
  isRouted = false,
  podCidrs,
  mtu = 1500,
}: TestNetworkOptions = {}): Promise<TestNetwork> {
  const namespaces = new TestNamespaces('tnet');
  return await namespaces.whole(async () => {
    const { name: wire } = await namespaces.add('wire');
    for (const bridge of ['br0', 'br1']) {
      await ip('-n', wire, 'link', 'add', bridge, 'type', 'bridge');
      await ip('-n', wire, 'link', 'set', bridge, 'up');
    }
    const plug = async (namespace: string, name: string, link: string, segment: number): Promise<void> => {
      const peer = ['peer', 'name', link, 'mtu', String(mtu), 'netns', namespace];
      await ip('-n', wire, 'link', 'add', name, 'mtu', String(mtu), 'type', 'veth', ...peer);
      await ip('-n', wire, 'link', 'set', name, 'master', `br${segment}`, 'up');
      await ip('-n', namespace, 'link', 'set', link, 'up');
    };
    const connect = async (name: string, number: number, segment = 0): Promise<TestHost> => {
      const { name: namespace, exec } = await namespaces.add(name);
      const address = `192.168.${78 + segment}.${number}`;
      await plug(namespace, name, 'eth0', segment);
      await ip('-n', namespace, 'addr', 'add', `${address}/24`, 'dev', 'eth0');
      return { name, ip: address, exec };
    };
    const directory = await mkdtemp(join(tmpdir(), 'tnet-'));
    namespaces.onClose(() => rm(directory, { recursive: true }));
    const outside = await connect('outside', 1);
    if (isRouted) {
      await plug(`tnet-${process.pid}-outside`, 'router', 'eth1', 1);
      await outside.exec(['ip', 'address', 'add', '192.168.79.1/24', 'dev', 'eth1']);
      await outside.exec(['sysctl', '-q', '-w', 'net.ipv4.ip_forward=1']);
    }
    const nodes = await Promise.all(
      ['one', 'two'].map(async (name, index) => {
        const segment = isRouted ? index : 0;
        const node = await connect(name, index + 2, segment);
        if (isRouted) await node.exec(['ip', 'route', 'add', 'default', 'via', `192.168.${78 + segment}.1`]);
        return { ...node, directory: join(directory, name) };
      }),
    );
    const informer = new MemoryInformer(
      nodes.map(({ name, ip: address }, index) => testNode(name, podCidrs?.[index] ?? `10.244.${index + 1}.0/24`, address)),
    );
    let pods = 0;
    return {
      nodes,
      outside,
      informer,
      putNode: (node) => informer.put(node),
      deleteNode: (name) => informer.remove(testNode(name)),
      addPod: async (number, bandwidth) => {
        const node = nodes[number];
        if (node === undefined) throw new Error(`no node ${number}`);
        return await connectPod(node, await namespaces.add(`pod${++pods}`), namespaces, bandwidth);
      },
      sourceSeenBy,
      until,
      close: () => namespaces.close(),
    };
  });
}

/** Runs the plugins of the list in order. Each gets the result of the plugin before it (CNI specification, section 4). */
async function connectPod(
  node: TestNetwork['nodes'][number],
  { name: namespace, exec }: TestNamespace,
  namespaces: TestNamespaces,
  bandwidth: object | undefined,
): Promise<TestHost> {
  const list = JSON.parse(await readFile(join(node.directory, 'conf', '10-tinkernetes.conflist'), 'utf8')) as {
    cniVersion: string;
    name: string;
    plugins: { type: string }[];
  };
  const call = async (command: 'ADD' | 'DEL', plugin: { type: string }, prevResult: unknown): Promise<unknown> => {
    const stdin = JSON.stringify({
      cniVersion: list.cniVersion,
      name: list.name,
      ...plugin,
      ...(plugin.type === 'bandwidth' && bandwidth !== undefined ? { runtimeConfig: { bandwidth } } : {}),
      ...(prevResult === undefined ? {} : { prevResult }),
    });
    const env = {
      CNI_COMMAND: command,
      CNI_CONTAINERID: namespace,
      CNI_NETNS: `/run/netns/${namespace}`,
      CNI_IFNAME: 'eth0',
      CNI_PATH: pluginDirectory,
    };
    const { stdout } = await node.exec([join(pluginDirectory, plugin.type)], { env, stdin });
    return stdout.trim() === '' ? undefined : JSON.parse(stdout);
  };
  let result: unknown;
  for (const plugin of list.plugins) {
    result = await call('ADD', plugin, result);
    namespaces.onClose(() => call('DEL', plugin, result));
  }
  const { ips } = result as { ips: { address: string }[] };
  const addresses = ips.map((one) => one.address.split('/')[0] ?? '');
  const [address] = addresses;
  if (address === undefined) throw new Error(`CNI gave no address: ${JSON.stringify(result)}`);
  return { name: namespace, ip: address, ips: addresses, exec };
}

const serverScript = `
  const server = require('node:net').createServer((socket) => socket.end(socket.remoteAddress + '\\n', () => server.close()));
  server.listen(8080, '::');
  setTimeout(() => process.exit(1), 60_000).unref();
`;
/** Retries until the server listens. A lost packet fails one attempt; after a minute the script fails. */
const clientScript = `
  const attempt = () => {
    const socket = require('node:net').connect(8080, process.argv[1]);
    socket.on('error', () => setTimeout(attempt, 50)).on('data', (data) => { process.stdout.write(data); process.exit(0); });
  };
  attempt();
  setTimeout(() => process.exit(1), 60_000);
`;

async function sourceSeenBy(server: TestHost, client: TestHost, to = server.ip): Promise<string> {
  const serving = server.exec([process.execPath, '-e', serverScript]);
  const [{ stdout }] = await Promise.all([client.exec([process.execPath, '-e', clientScript, to]), serving]);
  return stdout.trim().replace(/^::ffff:/, '');
}

async function until(condition: () => boolean | Promise<boolean>, state: () => unknown): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`gave up waiting: ${JSON.stringify(await state())}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
