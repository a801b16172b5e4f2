import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { NetworkPolicy, NetworkPolicySpec } from '#api/types.generated.ts';
import { cpuMs } from '#test/cpu-time.ts';
import { create, rejects, systemMeta, update } from '../../strategy.testing.ts';
import { networkPolicyKind } from './strategy.ts';
import { validateNetworkPolicy } from './validation.ts';

const { strategy } = networkPolicyKind;
const policy = (spec: NetworkPolicySpec): NetworkPolicy => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: systemMeta('deny', 'ns'),
  spec,
});
const from = (...peers: NonNullable<NonNullable<NetworkPolicySpec['ingress']>[0]['from']>): NetworkPolicySpec => ({
  podSelector: {},
  ingress: [{ from: peers }],
});

describe('network policies', () => {
  const filledIn: [what: string, NetworkPolicySpec, after: Partial<NetworkPolicySpec>][] = [
    ['are for ingress', { podSelector: {} }, { policyTypes: ['Ingress'] }],
    ['with egress rules are for both', { podSelector: {}, egress: [{}] }, { policyTypes: ['Ingress', 'Egress'] }],
    ['keep the types that are given', { podSelector: {}, egress: [{}], policyTypes: ['Egress'] }, { policyTypes: ['Egress'] }],
    ['mean TCP', { ingress: [{ ports: [{ port: 80 }] }] }, { ingress: [{ ports: [{ port: 80, protocol: 'TCP' }] }] }],
  ];
  for (const [what, spec, after] of filledIn)
    it(what, async () => {
      const { object, errors } = await create(strategy, policy(spec));
      assert.deepEqual(errors, []);
      assert.deepEqual({ ...object.spec, ...after }, object.spec);
    });

  const block = (cidr: string, ...except: string[]) => from({ ipBlock: { cidr, except } });
  const at = 'spec.ingress[0].from[0]';
  const refused: [what: string, NetworkPolicySpec, errors: string[]][] = [
    ['a peer that is nobody', from({}), [`${at}: Required value: must specify a peer`]],
    [
      'a prefix beside a selector',
      from({ podSelector: {}, ipBlock: { cidr: '10.0.0.0/8' } }),
      [`${at}: Forbidden: may not specify both ipBlock and another peer`],
    ],
    ['no prefix', block(''), [`${at}.ipBlock.cidr: Required value`]],
    [
      'a prefix that is none',
      block('10.0.0.0'),
      [`${at}.ipBlock.cidr: Invalid value: "10.0.0.0": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)`],
    ],
    [
      'an exception outside of the prefix',
      block('10.0.0.0/8', '192.168.0.0/16', '10.0.0.0/8', 'fd00::/64'),
      [
        `${at}.ipBlock.except[0]: Invalid value: "192.168.0.0/16": must be a strict subset of \`cidr\``,
        `${at}.ipBlock.except[1]: Invalid value: "10.0.0.0/8": must be a strict subset of \`cidr\``,
        `${at}.ipBlock.except[2]: Invalid value: "fd00::/64": must be a strict subset of \`cidr\``,
      ],
    ],
    [
      'ports that are none',
      {
        ingress: [
          {
            ports: [
              { port: 0 },
              { port: 'No_Port' },
              { port: 90, endPort: 80 },
              { port: 'web', endPort: 80 },
              { endPort: 80 },
              { port: 1, protocol: 'ICMP' },
            ],
          },
        ],
      },
      [
        'spec.ingress[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive',
        'spec.ingress[0].ports[1].port: Invalid value: "No_Port": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)',
        'spec.ingress[0].ports[2].endPort: Invalid value: 90: must be greater than or equal to `port`',
        'spec.ingress[0].ports[3].endPort: Invalid value: 80: may not be specified when `port` is non-numeric',
        'spec.ingress[0].ports[4].endPort: Invalid value: 80: may not be specified when `port` is not specified',
        'spec.ingress[0].ports[5].protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP"',
      ],
    ],
    [
      'unknown types',
      { policyTypes: ['Sideways'] },
      ['spec.policyTypes[0]: Unsupported value: "Sideways": supported values: "Ingress", "Egress"'],
    ],
    [
      'three types',
      { policyTypes: ['Ingress', 'Egress', 'Ingress'] },
      ['spec.policyTypes: Invalid value: ["Ingress","Egress","Ingress"]: may not specify more than two policyTypes'],
    ],
  ];
  for (const [what, spec, errors] of refused)
    it(`cannot have ${what}`, async () => {
      await rejects(strategy, policy(spec), ...errors);
    });

  it('may keep a prefix that was once allowed', async () => {
    const old = policy(from({ ipBlock: { cidr: '10.1.2.3/8' } }));
    const kept = await update(strategy, old, ({ spec }) => {
      spec.podSelector = { matchLabels: { a: 'b' } };
    });
    assert.deepEqual(kept.errors, []);
    const changed = await update(strategy, old, (object) => {
      object.spec = from({ ipBlock: { cidr: '10.1.2.4/8' } });
    });
    assert.deepEqual(changed.errors, [
      `${at}.ipBlock.cidr: Invalid value: "10.1.2.4/8": must not have bits set beyond the prefix length`,
    ]);
  });

  it('of tens of thousands of prefixes are checked in a moment', () => {
    const except = Array.from({ length: 40_000 }, (_, index) => `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}/32`);
    const [now, old] = [policy(block('10.0.0.0/8', ...except)), policy(block('10.0.0.0/8', ...except))];
    const startMs = cpuMs();
    assert.deepEqual(validateNetworkPolicy(now, old), []);
    assert.ok(cpuMs() - startMs < 5000);
  });

  it('warn of prefixes in an unusual spelling', () => {
    assert.deepEqual(strategy.warnings?.(policy(block('10.1.2.3/8', 'FD00::/64', '010.0.0.0/9')), undefined), [
      `${at}.ipBlock.cidr: CIDR value "10.1.2.3/8" is ambiguous in this context (should be "10.0.0.0/8" or "10.1.2.3/32"?)`,
      `${at}.ipBlock.except[0]: IPv6 CIDR value "FD00::/64" should be in RFC 5952 canonical format ("fd00::/64")`,
      `${at}.ipBlock.except[1]: non-standard CIDR value "010.0.0.0/9" is invalid: use "10.0.0.0/9"`,
    ]);
  });
});
