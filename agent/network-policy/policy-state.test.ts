import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Namespace, NetworkPolicy, Pod } from '#api/types.generated.ts';
import { cpuMs } from '#test/cpu-time.ts';
import { compilePolicy } from './compiled-policy.ts';
import { policyPod } from './policy-pod.ts';
import { PolicyState } from './policy-state.ts';
import { FakeTable } from './policy-table.testing.ts';
import { changeScript, fullScript, isIntact, type PolicyRuleset } from './ruleset.ts';
import {
  pick,
  randomNamespaces,
  randomPod,
  randomPolicy,
  seededRandom,
  testNamespace,
  testPod,
  testPolicy,
} from './world.testing.ts';

/** The rules of a node for these objects. */
function rulesetOf(objects: { policies: NetworkPolicy[]; pods: Pod[]; namespaces?: Namespace[] }): PolicyRuleset {
  const state = new PolicyState('node');
  for (const { metadata } of objects.namespaces ?? []) state.putNamespace(metadata.name, metadata.labels ?? {});
  for (const pod of objects.pods) state.putPod(policyPod(pod));
  for (const policy of objects.policies) state.putPolicy(compilePolicy(policy));
  return state.ruleset();
}

/** The rules of the chain of a policy, without comments and hashes. */
function rulesOf(spec: NetworkPolicy['spec'], ips: string[] = ['10.0.0.1']): string[] {
  const { chains } = rulesetOf({ policies: [testPolicy('p', 'one', spec)], pods: [testPod('a', 'one', {}, { ips })] });
  const own = [...chains].filter(([name]) => name.endsWith('-one/p'));
  return own.flatMap(([name, rules]) =>
    rules.map((rule) => `${name.split('-')[0]}: ${rule.replace(/ comment ".*"/, '').replaceAll(/@pods-\w+/g, '@pods')}`),
  );
}

describe('the chain of a policy', () => {
  const cases: [name: string, spec: NonNullable<NetworkPolicy['spec']>, expected: string[]][] = [
    ['denies all ingress without rules', { podSelector: {} }, []],
    ['allows everything by an empty rule', { podSelector: {}, ingress: [{}] }, ['ingress: accept']],
    [
      'is about egress when it has egress rules',
      { podSelector: {}, egress: [{ ports: [{ port: 53, protocol: 'UDP' }] }] },
      ['egress: udp dport { 53 } accept'],
    ],
    [
      'says nothing of a direction that policyTypes does not name',
      { podSelector: {}, policyTypes: ['Egress'], ingress: [{}], egress: [{}] },
      ['egress: accept'],
    ],
    [
      'has one match for each peer and protocol',
      {
        podSelector: {},
        ingress: [
          {
            from: [
              { podSelector: { matchLabels: { a: 'b' } } },
              { ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16', '10.2.0.0/16'] } },
            ],
            ports: [{ port: 80 }, { port: 443 }, { protocol: 'SCTP', port: 7000, endPort: 7100 }],
          },
        ],
      },
      [
        'ingress: ip saddr @pods-4 tcp dport { 80, 443 } accept',
        'ingress: ip saddr @pods-4 sctp dport { 7000-7100 } accept',
        'ingress: ip saddr 10.0.0.0/8 ip saddr != { 10.1.0.0/16, 10.2.0.0/16 } tcp dport { 80, 443 } accept',
        'ingress: ip saddr 10.0.0.0/8 ip saddr != { 10.1.0.0/16, 10.2.0.0/16 } sctp dport { 7000-7100 } accept',
      ],
    ],
    [
      'merges ports that overlap, and takes a protocol without a port as all of its ports',
      {
        podSelector: {},
        ingress: [{ ports: [{ port: 80 }, { port: 80, endPort: 90 }, { port: 85, endPort: 99 }, { protocol: 'UDP' }] }],
      },
      ['ingress: tcp dport { 80-99 } accept', 'ingress: meta l4proto udp accept'],
    ],
    [
      'looks a named port up at the destination',
      { podSelector: {}, egress: [{ to: [{ podSelector: {} }], ports: [{ port: 'web' }] }], policyTypes: ['Egress'] },
      ['egress: ip daddr @pods-4 ip daddr . meta l4proto . th dport @port-tcp-web-4 accept'],
    ],
    [
      'allows nothing by a rule that it cannot read',
      {
        podSelector: {},
        ingress: [
          { from: [{ ipBlock: { cidr: '10.0.0.0/8; drop' } }] },
          { ports: [{ port: -5 }] },
          { ports: [{ port: 70_000 }, { port: 80 }] },
        ],
      },
      ['ingress: tcp dport { 80 } accept'],
    ],
  ];
  for (const [name, spec, expected] of cases) it(name, () => assert.deepEqual(rulesOf(spec), expected));

  it('has rules of both families for pods of both', () => {
    const spec = {
      podSelector: {},
      ingress: [{ from: [{ podSelector: {} }, { ipBlock: { cidr: 'fd00::/8' } }], ports: [{ port: 'web' }] }],
    };
    assert.deepEqual(rulesOf(spec, ['10.0.0.1', 'fd00::1']), [
      'ingress: ip saddr @pods-4 ip daddr . meta l4proto . th dport @port-tcp-web-4 accept',
      'ingress: ip6 saddr @pods-6 ip6 daddr . meta l4proto . th dport @port-tcp-web-6 accept',
      'ingress: ip6 saddr fd00::/8 ip6 daddr . meta l4proto . th dport @port-tcp-web-6 accept',
    ]);
  });

  it('is read in time that does not grow with the square of its exceptions', () => {
    const except = Array.from({ length: 10_000 }, (_, at) => `10.${at >> 8}.${at & 255}.0/24`);
    const startMs = cpuMs();
    const [rule = ''] = rulesOf({
      podSelector: {},
      ingress: [
        { from: [{ ipBlock: { cidr: '10.0.0.0/8', except: [...except, '10.0.1.2/32', '10.0.0.0/23', '10.0.0.0/24'] } }] },
      ],
    });
    assert.ok(cpuMs() - startMs < 2000, `${cpuMs() - startMs} ms`);
    assert.equal(rule.split(', ').length, 9_999);
    assert.match(rule, /10\.0\.0\.0\/23, 10\.0\.10\.0\/24/);
  });

  it('has no rule of so many peers and named ports that the kernel would be busy with it alone', () => {
    const from = Array.from({ length: 1000 }, (_, at) => ({ ipBlock: { cidr: `10.0.${at >> 8}.${at & 255}/32` } }));
    const named = Array.from({ length: 1000 }, (_, at) => ({ port: `p${at}` }));
    const numbers = Array.from({ length: 1000 }, (_, at) => ({ port: 2 * at + 1 }));
    const policy = testPolicy('p', 'one', {
      podSelector: {},
      ingress: [
        { from, ports: named },
        { from, ports: numbers },
      ],
    });
    const { problems, rules } = compilePolicy(policy);
    assert.deepEqual(problems, ['spec.ingress[0]: 1000000 pairs of a peer and a protocol or named port are more than 100000']);
    assert.equal(rules.Ingress?.length, 1);
  });

  it('looks named ports up in time that does not grow with their number times that of all pods', () => {
    const pods = Array.from({ length: 4000 }, (_, at) =>
      testPod(`a${at}`, 'one', {}, { ips: [`10.0.${at >> 8}.${at & 255}`], ports: [{ name: 'p7', containerPort: 80 }] }),
    );
    const ports = Array.from({ length: 8000 }, (_, at) => ({ port: `p${at}` }));
    const startMs = cpuMs();
    const { sets } = rulesetOf({ pods, policies: [testPolicy('p', 'one', { podSelector: {}, ingress: [{ ports }] })] });
    assert.ok(cpuMs() - startMs < 1500, `${cpuMs() - startMs} ms`);
    assert.equal(sets.get('port-tcp-p7-4')?.elements.elements().length, 4000);
  });

  it('names its policy in each rule, in what a comment can hold', () => {
    const name = `${'x'.repeat(250)}"`;
    const { chains } = rulesetOf({
      policies: [testPolicy(name, 'one', { podSelector: {}, ingress: [{}] })],
      pods: [testPod('a', 'one', {}, { ips: ['10.0.0.1'] })],
    });
    for (const [chain, rules] of chains) {
      assert.ok(chain.length <= 128);
      for (const rule of rules) assert.match(rule, /^jump \S+$|comment "[\w./, :~-]{1,127}"$/);
    }
  });
});

describe('the rules of a node', () => {
  const deny = testPolicy('deny', 'one', { podSelector: {} });

  it('are only those of policies that select a pod of this node, and of pods with a network of their own', () => {
    const pods = [
      testPod('away', 'one', {}, { ips: ['10.0.1.1'], nodeName: 'other' }),
      testPod('host', 'one', {}, { ips: ['192.168.0.1'], hostNetwork: true }),
      testPod('new', 'one', {}, { ips: [] }),
      testPod('free', 'two', {}, { ips: ['10.0.0.9'] }),
    ];
    assert.deepEqual(
      [...rulesetOf({ policies: [deny], pods }).maps.values()].flatMap((map) => [...map]),
      [],
    );
  });

  it('judge an address by its newest pod', () => {
    const old = testPod('old', 'one', {}, { ips: ['10.0.0.1'] });
    const young = testPod('young', 'two', {}, { ips: ['10.0.0.1'] });
    young.metadata.creationTimestamp = '2026-02-01T00:00:00Z';
    assert.equal(rulesetOf({ policies: [deny], pods: [old, young] }).maps.get('ingress-4')?.size, 0);
    young.metadata.creationTimestamp = '2025-02-01T00:00:00Z';
    assert.equal(rulesetOf({ policies: [deny], pods: [old, young] }).maps.get('ingress-4')?.size, 1);
  });

  it('forget a pod that has ended', () => {
    const done = testPod('done', 'one', {}, { ips: ['10.0.0.1'] });
    done.status = { ...done.status, phase: 'Succeeded' };
    assert.equal(rulesetOf({ policies: [deny], pods: [done] }).maps.get('ingress-4')?.size, 0);
  });

  it('follow any order of changes to what a full load gives, each script of which the kernel would take', async () => {
    for (let seed = 1; seed <= 12; seed++) await followChanges(seed);
  });

  it('of one more pod are its own elements alone', () => {
    const state = new PolicyState('node');
    state.putNamespace('one', {});
    for (let at = 0; at < 1_000; at++) {
      const spec = {
        podSelector: { matchLabels: { app: `a${at % 100}` } },
        ingress: [{ from: [{ podSelector: { matchLabels: { app: `b${at % 50}` } } }] }],
      };
      state.putPolicy(compilePolicy(testPolicy(`p${at}`, 'one', spec)));
    }
    for (let at = 0; at < 500; at++) {
      const pod = testPod(`pod${at}`, 'one', { app: `a${at % 100}` }, { ips: [`10.0.${at >> 8}.${at & 255}`] });
      state.putPod(policyPod(pod));
    }
    const before = state.ruleset();
    fullScript(before);
    state.putPod(policyPod(testPod('more', 'one', { app: 'b7' }, { ips: ['10.9.9.9'] })));
    const { text, garbage } = changeScript(before, state.ruleset());
    assert.match(text, /^add element inet tinkernetes-network-policy pods-\w+-4 \{ 10\.9\.9\.9 \}\n$/);
    assert.equal(garbage, '');
  });
});

async function followChanges(seed: number): Promise<void> {
  const random = seededRandom(seed);
  const state = new PolicyState('node');
  const world = {
    policies: new Map<string, NetworkPolicy>(),
    pods: new Map<string, Pod>(),
    namespaces: new Map<string, Namespace>(),
  };
  const table = new FakeTable();
  let written: PolicyRuleset | undefined;
  const dropPolicy = (name: string): void => {
    for (const [key, { metadata }] of world.policies) {
      if (metadata.name !== name) continue;
      world.policies.delete(key);
      state.removePolicy(key);
    }
  };
  const dropPod = (name: string): void => {
    for (const namespace of ['one', 'two']) {
      world.pods.delete(`${namespace}/${name}`);
      state.removePod(`${namespace}/${name}`);
    }
  };
  const change = (): void => {
    const number = Math.floor(random() * 6);
    switch (pick(random, ['policy', 'policy', 'pod', 'pod', 'namespace', 'policy gone', 'pod gone'])) {
      case 'policy': {
        const policy = randomPolicy(random, `p${number}`, [
          { cidr: '10.0.0.0/16', except: ['10.0.0.0/30'] },
          { cidr: 'fd00::/64' },
        ]);
        dropPolicy(policy.metadata.name);
        world.policies.set(`${policy.metadata.namespace}/${policy.metadata.name}`, policy);
        state.putPolicy(compilePolicy(policy));
        return;
      }
      case 'pod': {
        const ips = pick(random, [
          [`10.0.0.${number}`],
          [`10.0.0.${number}`, `fd00::${number}`],
          [`10.0.0.${Math.floor(random() * 6)}`],
          [],
        ]);
        const pod = randomPod(random, `pod${number}`, ips, pick(random, ['node', 'other']));
        dropPod(`pod${number}`);
        world.pods.set(`${pod.metadata.namespace}/${pod.metadata.name}`, pod);
        state.putPod(policyPod(pod));
        return;
      }
      case 'namespace':
        for (const namespace of randomNamespaces(random)) {
          world.namespaces.set(namespace.metadata.name, namespace);
          state.putNamespace(namespace.metadata.name, namespace.metadata.labels ?? {});
        }
        return;
      case 'policy gone':
        dropPolicy(`p${number}`);
        return;
      default:
        dropPod(`pod${number}`);
    }
  };
  for (let round = 0; round < 25; round++) {
    for (let at = 0; at < 1 + random() * 4; at++) change();
    const now = state.ruleset();
    if (written === undefined) await table.apply(fullScript(now));
    else {
      const { text, garbage } = changeScript(written, now);
      await table.apply(text);
      await table.apply(garbage);
    }
    written = now;
    const fresh = new FakeTable();
    const full = rulesetOf({
      policies: [...world.policies.values()],
      pods: [...world.pods.values()],
      namespaces: [...world.namespaces.values()],
    });
    await fresh.apply(fullScript(full));
    assert.deepEqual(table.content(), fresh.content(), `seed ${seed}, round ${round}`);
    assert.ok(isIntact(await table.read(), now));
  }
}

describe('a namespace', () => {
  it('that gets another label takes its pods into the sets of selectors', () => {
    const policy = testPolicy('p', 'one', {
      podSelector: {},
      ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: 'red' } } }] }],
    });
    const state = new PolicyState('node');
    state.putNamespace('one', {});
    state.putNamespace('two', { team: 'blue' });
    state.putPolicy(compilePolicy(policy));
    state.putPod(policyPod(testPod('a', 'one', {}, { ips: ['10.0.0.1'] })));
    state.putPod(policyPod(testPod('b', 'two', {}, { ips: ['10.0.0.2'] })));
    const before = state.ruleset();
    assert.doesNotMatch(fullScript(before), /pods-\w+-4 \{ 10/);
    state.putNamespace('two', testNamespace('two', { team: 'red' }).metadata.labels);
    assert.match(changeScript(before, state.ruleset()).text, /^add element \S+ \S+ pods-\w+-4 \{ 10\.0\.0\.2 \}\n$/);
  });
});
