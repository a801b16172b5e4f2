import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { keyOf } from '#api/meta.ts';
import type { NetworkPolicy } from '#api/types.generated.ts';
import { allows, type World } from './allows.testing.ts';
import { compilePolicy } from './compiled-policy.ts';
import { createPolicyTable } from './nft.ts';
import { createPacketsNetwork, type HostName, hosts, type PacketsNetwork } from './packets-network.testing.ts';
import type { Attempt } from './packets-peer.testing.ts';
import { policyPod } from './policy-pod.ts';
import { PolicyState } from './policy-state.ts';
import type { PolicyTable } from './policy-table.ts';
import { changeScript, fullScript, isIntact, type PolicyRuleset } from './ruleset.ts';
import {
  randomNamespaces,
  randomPod,
  randomPolicy,
  seededRandom,
  testNamespace,
  testPod,
  testPolicy,
  testPorts,
} from './world.testing.ts';

const podNames = ['pod1', 'pod2', 'pod3', 'remote'] as const;
const nodeOf = (name: (typeof podNames)[number]): string => (name === 'remote' ? 'other' : 'node');

describe('real packets', { timeout: 600_000 }, () => {
  let net: PacketsNetwork;
  let table: PolicyTable;
  before(async () => {
    net = await createPacketsNetwork(testPorts);
    table = createPolicyTable(net.exec);
  });
  after(async () => {
    await net?.close();
  });

  function stateOf(world: World): PolicyState {
    const state = new PolicyState('node');
    for (const { metadata } of world.namespaces) state.putNamespace(metadata.name, metadata.labels ?? {});
    for (const pod of world.pods) state.putPod(policyPod(pod));
    for (const policy of world.policies) state.putPolicy(compilePolicy(policy));
    return state;
  }

  /** Sends a packet from everywhere to everywhere, and compares what arrives with what the API says. */
  async function judge(world: World, note: string): Promise<void> {
    await net.exec(['conntrack', '-F']);
    const names = Object.keys(hosts) as HostName[];
    const attempts = names.flatMap((from) =>
      names.flatMap((to) =>
        isSameHost(from, to)
          ? []
          : ([0, 1] as const).flatMap((family) =>
              testPorts.flatMap((port) =>
                (['TCP', 'UDP'] as const).map((protocol): Attempt => {
                  const ends = { from: hosts[from][family], to: hosts[to][family] };
                  return { id: `${from}>${to}/${family}/${protocol}/${port}`, ...ends, protocol, port };
                }),
              ),
            ),
      ),
    );
    // Traffic between a pod and its node is always allowed, and what passes no pod of this node is not judged here.
    const expected = attempts.filter(({ from, to, protocol, port }) => {
      const [source, target] = [from, to].map((ip) =>
        world.pods.find(({ status }) => status?.podIPs?.some((one) => one.ip === ip)),
      );
      const isOfNode = [from, to].some((ip) => (hosts.node as readonly string[]).includes(ip));
      const isJudged = source?.spec.nodeName === 'node' || target?.spec.nodeName === 'node';
      return isOfNode || !isJudged || allows({ ...world, nodeName: 'node' }, { from, to, protocol, port });
    });
    const wanted = new Set(expected.map(({ id }) => id));
    const arrived = await net.attempt(attempts, wanted);
    const wrong = attempts
      .filter(({ id }) => arrived.has(id) !== wanted.has(id))
      .map(({ id }) => `${id}: ${wanted.has(id) ? 'was dropped' : 'arrived'}`);
    assert.deepEqual(
      wrong,
      [],
      `${note}: ${JSON.stringify(world.policies)} ${(await net.exec(['nft', 'list', 'ruleset'])).stdout}`,
    );
  }

  it('arrive just where the API says, for generated policies, pods and namespaces, as they change', async () => {
    const seed = process.env.TINKER_TEST_SEED === 'random' ? Date.now() : 7;
    const random = seededRandom(seed);
    let written: PolicyRuleset | undefined;
    let state: PolicyState | undefined;
    let before: World | undefined;
    for (let round = 0; round < 12; round++) {
      const world: World = {
        namespaces: randomNamespaces(random),
        pods: podNames.map((name) => randomPod(random, name, [...hosts[name]], nodeOf(name))),
        policies: Array.from({ length: 1 + Math.floor(random() * 5) }, (_, at) => randomPolicy(random, `p${at}`, blocks)),
      };
      if (state === undefined || written === undefined || before === undefined || round % 4 === 0) {
        state = stateOf(world);
        written = state.ruleset();
        await table.apply(fullScript(written));
      } else {
        change(state, before, world);
        const now = state.ruleset();
        const { text, garbage } = changeScript(written, now);
        if (text !== '') await table.apply(text);
        if (garbage !== '') await table.apply(garbage);
        written = now;
      }
      before = world;
      assert.ok(isIntact(await table.read(), written));
      await judge(world, `seed ${seed}, round ${round}`);
    }
  });

  const base = {
    namespaces: [testNamespace('one')],
    pods: podNames.map((name) => testPod(name, 'one', { app: name }, { ips: hosts[name], nodeName: nodeOf(name) })),
  };
  const cases: [name: string, policies: NetworkPolicy[]][] = [
    ['default deny of ingress', [testPolicy('deny', 'one', { podSelector: {} })]],
    ['default deny of both', [testPolicy('deny', 'one', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] })]],
    [
      'policies that add up',
      [
        testPolicy('deny', 'one', { podSelector: {} }),
        testPolicy('allow', 'one', {
          podSelector: { matchLabels: { app: 'pod1' } },
          ingress: [{ from: [{ podSelector: { matchLabels: { app: 'pod2' } } }] }],
        }),
      ],
    ],
  ];
  for (const [name, policies] of cases)
    it(name, async () => {
      await table.apply(fullScript(stateOf({ ...base, policies }).ruleset()));
      await judge({ ...base, policies }, name);
    });

  it('to a Service are judged at the endpoint, and a pod always reaches itself by its Service', async () => {
    const dnat = (to: string): string =>
      [
        'add table ip svc',
        'add chain ip svc pre { type nat hook prerouting priority dstnat; }',
        'add chain ip svc post { type nat hook postrouting priority srcnat; }',
        `add rule ip svc pre ip daddr 10.99.0.1 dnat to ${to}`,
        `add rule ip svc post ip saddr ${to} ct status dnat masquerade`,
      ].join('\n');
    const toService = async (from: HostName): Promise<boolean> => {
      const attempt: Attempt = { id: `${from} to the Service`, from: hosts[from][0], to: '10.99.0.1', protocol: 'TCP', port: 80 };
      return (await net.attempt([attempt], new Set())).size === 1;
    };
    const onlyPod2 = {
      podSelector: { matchLabels: { app: 'pod1' } },
      ingress: [{ from: [{ podSelector: { matchLabels: { app: 'pod2' } } }] }],
    };
    const toPod1 = { podSelector: { matchLabels: { app: 'pod3' } }, egress: [{ to: [{ ipBlock: { cidr: '10.99.0.1/32' } }] }] };
    const policies = [testPolicy('only-pod2', 'one', onlyPod2), testPolicy('service-address', 'one', toPod1)];
    await table.apply(fullScript(stateOf({ ...base, policies }).ruleset()));
    await net.exec(['nft', '-f', '-'], { stdin: dnat(hosts.pod1[0]) });
    assert.deepEqual(
      [await toService('pod1'), await toService('pod2'), await toService('pod3'), await toService('node')],
      [true, true, false, false],
    );
    await net.exec(['nft', 'delete', 'table', 'ip', 'svc']);
  });

  it('of a connection that was allowed when it began go on when a policy forbids new ones', async () => {
    await table.apply(fullScript(stateOf({ ...base, policies: [] }).ruleset()));
    const attempt: Attempt = { id: 'begun', from: hosts.pod2[0], to: hosts.pod1[0], protocol: 'TCP', port: 80 };
    assert.ok((await net.attempt([attempt], new Set(['begun']))).has('begun'));
    const policies = [testPolicy('deny', 'one', { podSelector: {} })];
    await table.apply(fullScript(stateOf({ ...base, policies }).ruleset()));
    const again = [
      { ...attempt, id: 'goes on', over: 'begun' },
      { ...attempt, id: 'new' },
    ];
    assert.deepEqual([...(await net.attempt(again, new Set(['goes on'])))], ['goes on']);
  });
});

/** Sources and targets in one namespace meet no rule of the node. */
const isSameHost = (a: HostName, b: HostName): boolean =>
  a === b || [a, b].every((name) => name === 'outside' || name === 'remote');

const blocks = [
  { cidr: '0.0.0.0/0' },
  { cidr: '10.0.0.0/24', except: ['10.0.0.12/32', '10.0.0.8/30'] },
  { cidr: '192.168.90.0/24', except: ['192.168.90.128/25'] },
  { cidr: '::/0', except: ['fd00:10::/64'] },
  { cidr: 'fd00:10::12/128' },
];

/** What the informers would tell. */
function change(state: PolicyState, before: World, now: World): void {
  for (const pod of before.pods) if (!now.pods.some((one) => keyOf(one) === keyOf(pod))) state.removePod(keyOf(pod));
  for (const policy of before.policies)
    if (!now.policies.some((one) => keyOf(one) === keyOf(policy))) state.removePolicy(keyOf(policy));
  for (const { metadata } of now.namespaces) state.putNamespace(metadata.name, metadata.labels ?? {});
  for (const pod of now.pods) state.putPod(policyPod(pod));
  for (const policy of now.policies) state.putPolicy(compilePolicy(policy));
}
