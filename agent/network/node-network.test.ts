import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { pino } from 'pino';
import type { Node } from '#api/types.generated.ts';
import { createLeftOutReporter } from '#client/left-out.ts';
import { cniConfList, writeCniConfig } from './cni-config.ts';
import { masqueradeRules } from './masquerade.ts';
import { createTestNetwork, type TestHost, type TestNetwork, testNode } from './netns/network.testing.ts';
import { createNodeNetwork, type NodeNetwork, removeNodeNetwork } from './node-network.ts';
import { podRanges } from './pod-ranges.ts';
import { type PodRoute, parseRoutes, planRoutes, routeArgv } from './routes.ts';

describe('planRoutes', () => {
  const a = testNode('a', '10.244.0.0/24', '192.168.0.1');
  const b = testNode('b', '10.244.1.0/24', '192.168.0.2');
  const c = testNode('c', '10.244.2.0/24', '192.168.0.3');
  const route = (destination: string, gateway: string) => ({ destination, gateway });
  const network = { clusterCidrs: ['10.244.0.0/16', 'fd00:1::/48'], hostAddresses: [] };
  const cases: [name: string, nodes: Node[], current: PodRoute[], self: string, expected: ReturnType<typeof planRoutes>][] = [
    [
      'adds a route to every other node',
      [a, b, c],
      [],
      'a',
      {
        add: [route('10.244.1.0/24', '192.168.0.2'), route('10.244.2.0/24', '192.168.0.3')],
        replace: [],
        remove: [],
      },
    ],
    ['leaves what is right', [a, b], [route('10.244.1.0/24', '192.168.0.2')], 'a', { add: [], replace: [], remove: [] }],
    [
      'follows a changed address',
      [a, b],
      [route('10.244.1.0/24', '192.168.0.9')],
      'a',
      {
        add: [],
        replace: [route('10.244.1.0/24', '192.168.0.2')],
        remove: [],
      },
    ],
    [
      'removes the route of a node that is gone',
      [a],
      [route('10.244.1.0/24', '192.168.0.2')],
      'a',
      {
        add: [],
        replace: [],
        remove: [route('10.244.1.0/24', '192.168.0.2')],
      },
    ],
    [
      'waits for a node without CIDR or address',
      [a, testNode('b', undefined, '192.168.0.2'), testNode('c', '10.244.2.0/24')],
      [],
      'a',
      {
        add: [],
        replace: [],
        remove: [],
      },
    ],
    [
      'gives a CIDR claimed twice to the first by name',
      [c, testNode('b', '10.244.2.0/24', '192.168.0.2')],
      [],
      'a',
      {
        add: [route('10.244.2.0/24', '192.168.0.2')],
        replace: [],
        remove: [],
      },
    ],
    [
      'routes each family by an address of that family',
      [testNode('b', ['10.244.1.0/24', 'fd00:1::/64'], ['192.168.0.2', 'fd00::2'])],
      [],
      'a',
      {
        add: [route('10.244.1.0/24', '192.168.0.2'), route('fd00:1::/64', 'fd00::2')],
        replace: [],
        remove: [],
      },
    ],
  ];
  for (const [name, nodes, current, self, expected] of cases)
    it(name, () => assert.deepEqual(planRoutes(podRanges(nodes, self, network).others, current), expected));

  it('reads the output of ip and writes its arguments', () => {
    assert.deepEqual(parseRoutes('[{"dst":"10.1.0.0/24","gateway":"1.2.3.4"},{"dst":"10.2.0.7","gateway":"1.2.3.5"}]', 'IPv4'), [
      route('10.1.0.0/24', '1.2.3.4'),
      route('10.2.0.7/32', '1.2.3.5'),
    ]);
    assert.deepEqual(parseRoutes('', 'IPv4'), []);
    assert.equal(
      routeArgv('add', route('fd00:1::/64', 'fd00::2')).join(' '),
      'ip -6 route add fd00:1::/64 via fd00::2 proto 107',
    );
  });
});

describe('CNI configuration', () => {
  it('is written atomically, and not at all when nothing changed', async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'tnet-'));
    t.after(() => rm(directory, { recursive: true }));
    const config = cniConfList({
      podCidrs: ['10.244.1.0/24'],
      bridgeName: 'cni0',
      cniStateDir: '/var/lib/cni/networks',
      mtu: 1400,
    });
    assert.equal(await writeCniConfig(directory, config), true);
    assert.equal(await writeCniConfig(directory, config), false);
    assert.deepEqual(await readdir(directory), ['10-tinkernetes.conflist']);
    assert.deepEqual(JSON.parse(await readFile(join(directory, '10-tinkernetes.conflist'), 'utf8')), config);
  });
});

describe('masqueradeRules', () => {
  it('keeps the source within the cluster and hides pods outside, for each family', () => {
    const text = masqueradeRules({
      family: 'IPv4',
      podCidrs: ['10.244.1.0/24', 'fd00:1::/64'],
      clusterCidrs: ['10.244.0.0/16', 'fd00::/48'],
    });
    const rules = text.split('\n').filter((line) => line.startsWith('-A'));
    assert.deepEqual(
      rules.map((line) => line.replace(/ -m comment --comment "[^"]*"/, '')),
      [
        '-A IP-MASQ-AGENT -d 10.244.0.0/16 -j RETURN',
        '-A IP-MASQ-AGENT -d 224.0.0.0/4 -j RETURN',
        '-A IP-MASQ-AGENT -s 10.244.1.0/24 -j MASQUERADE --random-fully',
        '-A TINKERNETES-FORWARD -s 10.244.0.0/16 -j ACCEPT',
        '-A TINKERNETES-FORWARD -d 10.244.0.0/16 -j ACCEPT',
      ],
    );
  });
});

describe('two nodes', { timeout: 300_000 }, () => {
  const opened: Awaited<ReturnType<typeof createTestNetwork>>[] = [];
  const stop = new AbortController();
  afterEach(async () => {
    stop.abort();
    for (const network of opened.splice(0)) await network.close();
  });

  const partsOf = (net: TestNetwork, podNetwork: 'auto' | 'vxlan' = 'auto', clusterCidr = '10.244.0.0/16'): NodeNetwork[] => {
    const log = pino({ level: 'silent' });
    return net.nodes.map(({ name, exec, directory, ip }) =>
      createNodeNetwork(
        { nodes: net.informer, exec, log, leftOut: createLeftOutReporter({ events: { event: () => undefined }, log }) },
        {
          nodeName: name,
          cniConfDir: join(directory, 'conf'),
          cniBinDir: '/usr/lib/cni',
          cniStateDir: join(directory, 'state'),
          clusterCidr,
          hostAddresses: [],
          nodeIps: [ip],
          podNetwork,
          bridgeName: 'tnet0',
        },
      ),
    );
  };

  it('pods reach each other with their own addresses, the outside with the node’s address; routes follow the nodes; everything can be removed', async () => {
    const net = await createTestNetwork();
    opened.push(net);
    const parts = partsOf(net);
    const running = parts.map((part) => part.run(stop.signal));
    // Docker sets this policy on a host. With it on both nodes, only our own rules accept pods' packets.
    for (const { exec } of net.nodes) await exec(['iptables', '-P', 'FORWARD', 'DROP']);
    await net.until(
      () => parts.every((part) => part.problems().length === 0),
      () => parts.map((part) => part.problems()),
    );
    const [pod1, pod2] = [await net.addPod(0), await net.addPod(1)];
    assert.match(pod1.ip, /^10\.244\.1\./);
    assert.match(pod2.ip, /^10\.244\.2\./);
    assert.equal(await net.sourceSeenBy(pod2, pod1), pod1.ip);
    assert.equal(await net.sourceSeenBy(net.outside, pod1), net.nodes[0]?.ip);

    // A deleted route comes back, a foreign route stays, and the route of a deleted Node is removed.
    const [first, second] = net.nodes;
    assert.ok(first !== undefined && second !== undefined);
    await first.exec(['ip', 'route', 'add', '10.99.0.0/16', 'via', second.ip]);
    net.deleteNode(second.name);
    const routes = async (): Promise<string> => (await first.exec(['ip', 'route'])).stdout;
    await net.until(async () => !(await routes()).includes('10.244.2.0/24'), routes);
    assert.match(await routes(), /10\.99\.0\.0\/16/);
    net.putNode(testNode(second.name, '10.244.2.0/24', second.ip));
    await net.until(async () => (await routes()).includes('10.244.2.0/24'), routes);

    stop.abort();
    await Promise.all(running);
    assert.equal(await net.sourceSeenBy(pod1, pod2), pod2.ip);
    for (const { exec, directory } of net.nodes) await removeNodeNetwork(exec, { cniConfDir: join(directory, 'conf') });
    const saved = (await first.exec(['iptables-save'])).stdout;
    assert.doesNotMatch(saved, /IP-MASQ-AGENT|TINKERNETES/);
    assert.doesNotMatch(await routes(), /proto 107/);
  });

  const tunnels: [name: string, isRouted: boolean, podNetwork: 'auto' | 'vxlan'][] = [
    ['with a router between them, by a tunnel that they make by themselves', true, 'auto'],
    ['on one network, by a tunnel when a flag says so', false, 'vxlan'],
  ];
  for (const [name, isRouted, podNetwork] of tunnels)
    it(`${name}: pods of both families reach each other, with packets as large as the tunnel carries`, async () => {
      const podCidrs = [
        ['10.244.1.0/24', 'fd00:244:1::/64'],
        ['10.244.2.0/24', 'fd00:244:2::/64'],
      ] as [string[], string[]];
      const net = await createTestNetwork({ isRouted, podCidrs, mtu: 1400 });
      opened.push(net);
      const end = new AbortController();
      const parts = partsOf(net, podNetwork, '10.244.0.0/16,fd00:244::/32');
      const running = parts.map((part) => part.run(end.signal));
      await net.until(
        () => parts.every((part) => part.problems().length === 0),
        () => parts.map((part) => part.problems()),
      );
      const [pod1, pod2] = [await net.addPod(0), await net.addPod(1)];
      for (const family of [0, 1]) {
        assert.equal(await net.sourceSeenBy(pod2, pod1, pod2.ips?.[family]), pod1.ips?.[family]);
        assert.equal(await net.sourceSeenBy(pod1, pod2, pod1.ips?.[family]), pod2.ips?.[family]);
      }
      assert.match((await pod1.exec(['ip', 'link', 'show', 'eth0'])).stdout, /mtu 1350/);
      // Linux sends datagrams with "don't fragment": one of the pod's size passes whole, or not at all.
      const receive =
        "require('node:dgram').createSocket('udp4', (m) => { console.log(m.length); process.exit(0); }).bind(9000);setTimeout(() => process.exit(1), 60_000)";
      const send = `const s = require('node:dgram').createSocket('udp4'); s.connect(9000, '${pod2.ip}', () => setInterval(() => s.send(Buffer.alloc(1350 - 28)), 100)); s.on('error', () => 0); setTimeout(() => process.exit(0), 60_000)`;
      const over = new AbortController();
      const sending = pod1.exec([process.execPath, '-e', send], { signal: over.signal }).catch(() => undefined);
      assert.equal((await pod2.exec([process.execPath, '-e', receive])).stdout.trim(), '1322');
      over.abort();
      await sending;
      // A node that reaches pods of the other one is seen with an address that the way back leads to.
      assert.match(await net.sourceSeenBy(pod2, net.nodes[0] as TestHost), /^10\.244\.1\./);

      // What others took from the tunnel comes back; a node that left is no neighbour any more.
      const [first, second] = net.nodes;
      assert.ok(first !== undefined && second !== undefined);
      const entries = async (): Promise<string> => (await first.exec(['bridge', 'fdb', 'show'])).stdout;
      net.deleteNode(second.name);
      await net.until(async () => !(await first.exec(['ip', 'route'])).stdout.includes('10.244.2.0/24'), entries);
      net.putNode(testNode(second.name, podCidrs[1], second.ip));
      await net.until(async () => (await entries()).includes(second.ip), entries);
      end.abort();
      await Promise.all(running);
      for (const { exec, directory } of net.nodes) await removeNodeNetwork(exec, { cniConfDir: join(directory, 'conf') });
      assert.doesNotMatch((await first.exec(['ip', 'link'])).stdout, /tinker-vxlan/);
    });

  it('limit the traffic of a pod that asks for it, in both directions', async () => {
    const net = await createTestNetwork();
    opened.push(net);
    const end = new AbortController();
    const [part] = partsOf(net);
    const running = part?.run(end.signal);
    await net.until(
      () => part?.problems().length === 0,
      () => part?.problems(),
    );
    const burst = 4_294_967_295;
    await net.addPod(0, { ingressRate: 3_000_000, ingressBurst: burst, egressRate: 7_000_000, egressBurst: burst });
    const [node] = net.nodes;
    assert.ok(node !== undefined);
    const { stdout } = await node.exec(['tc', 'qdisc', 'show']);
    assert.match(stdout, /tbf .*rate 3Mbit/);
    assert.match(stdout, /tbf .*rate 7Mbit/);
    end.abort();
    await running;
  });

  it('with one address are refused: the younger one ends and says whose address it is', async () => {
    const net = await createTestNetwork();
    opened.push(net);
    const [first] = net.nodes;
    const older = testNode('older', '10.244.9.0/24', first?.ip);
    older.metadata.creationTimestamp = '2026-01-01T00:00:00Z';
    older.status = { ...older.status, conditions: [{ type: 'Ready', status: 'True' }] } as Node['status'];
    net.putNode(older);
    const [part] = partsOf(net);
    await assert.rejects(
      part?.run(new AbortController().signal) as Promise<void>,
      /^Error: node older has the address 192\.168\.78\.2 of this node, one, already: give each node an address of its own \(--node-ip\)/,
    );
  });
});
