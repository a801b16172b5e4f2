import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ipWarnings, validateCidr, validateEndpointIp, validateIp } from './ip.ts';
import { semanticEqual } from './semantic-equal.ts';
import { unifiedDiff } from './unified-diff.ts';

describe('addresses', () => {
  const problem = (errors: { message: string }[]): string | undefined =>
    errors[0]?.message.replace(/^Invalid value: "[^"]*": /, '');

  for (const [ip, expected] of [
    ['10.0.0.1', undefined],
    ['2001:db8::1', undefined],
    ['2001:DB8:0::1', undefined],
    ['', 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'],
    ['10.0.0', 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'],
    ['10.0.0.256', 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'],
    ['fe80::1%eth0', 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'],
    ['10.0.0.01', 'must not have leading 0s'],
    ['::ffff:10.0.0.1', 'must not be an IPv4-mapped IPv6 address'],
    ['::FFFF:a00:1', 'must not be an IPv4-mapped IPv6 address'],
    ['::ffff:10.0.0.01', 'must not have leading 0s'],
  ] as const) {
    it(`judges ${JSON.stringify(ip)}`, () => assert.equal(problem(validateIp(ip, 'f')), expected));
  }

  it('accepts what the old object had', () => assert.deepEqual(validateIp('10.0.0.01', 'f', new Set(['10.0.0.01'])), []));

  for (const [cidr, expected] of [
    ['10.0.0.0/8', undefined],
    ['2001:db8::/64', undefined],
    ['0.0.0.0/0', undefined],
    ['10.0.0.0', 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'],
    ['10.0.0.0/33', 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'],
    ['10.0.0.1/24', 'must not have bits set beyond the prefix length'],
    ['2001:db8::1/64', 'must not have bits set beyond the prefix length'],
    ['::ffff:10.0.0.0/104', 'must not have an IPv4-mapped IPv6 address'],
    ['10.00.0.0/24', 'must not have leading 0s in IP or prefix length'],
    ['10.0.0.0/08', 'must not have leading 0s in IP or prefix length'],
  ] as const) {
    it(`judges ${cidr}`, () => assert.equal(problem(validateCidr(cidr, 'f')), expected));
  }

  it('knows which addresses no service can reach', () => {
    const reachable = ['10.0.0.1', '2001:db8::1', '224.0.1.1'];
    const unreachable = ['0.0.0.0', '::', '127.1.2.3', '::1', '169.254.1.1', 'fe80::1', '224.0.0.5', 'ff02::1', 'x'];
    assert.deepEqual(
      reachable.map((ip) => validateEndpointIp(ip, 'f').length),
      [0, 0, 0],
    );
    assert.deepEqual(
      unreachable.map((ip) => validateEndpointIp(ip, 'f').length),
      unreachable.map(() => 1),
    );
  });

  it('spells IPv6 as RFC 5952 does, and says so', () => {
    assert.deepEqual(ipWarnings('2001:DB8::1', 'f'), [
      'f: IPv6 address "2001:DB8::1" should be in RFC 5952 canonical format ("2001:db8::1")',
    ]);
    assert.deepEqual(ipWarnings('10.0.0.1', 'f'), []);
    assert.deepEqual(ipWarnings('no address', 'f'), []);
    // What an old object may still hold.
    for (const text of ['010.0.0.1', '::ffff:10.0.0.1'])
      assert.deepEqual(ipWarnings(text, 'f'), [`f: non-standard IP address "${text}" is invalid: use "10.0.0.1"`]);
  });
});

describe('semantic equality', () => {
  for (const [what, a, b, expected] of [
    ['absent and empty lists', { a: [] }, {}, true],
    ['absent and empty maps', { a: {} }, {}, true],
    ['absent and false', { hostNetwork: false }, {}, true],
    ['absent and zero of a pointer', { replicas: 0 }, {}, false],
    ['absent and false of a pointer', { automountServiceAccountToken: false }, {}, false],
    ['an empty emptyDir and none', { emptyDir: {} }, {}, false],
    ['keys in another order', { a: 1, b: 2 }, { b: 2, a: 1 }, true],
    ['lists in another order', [1, 2], [2, 1], false],
    ['a list and a map', { a: [1] }, { a: { 0: 1 } }, false],
    ['text and number', { a: '1' }, { a: 1 }, false],
  ] as const) {
    it(`finds ${what} ${expected ? 'equal' : 'different'}`, () => {
      assert.equal(semanticEqual(a, b), expected);
      assert.equal(semanticEqual(b, a), expected);
    });
  }
});

describe('unified diff', () => {
  it('shows changes with three lines of context, far ones apart', () => {
    const before = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`k${index}`, index]));
    const after = { ...before, k2: 'x', k17: 'y' };
    assert.equal(
      unifiedDiff(before, after),
      [
        '@@ -1,7 +1,7 @@',
        ' {',
        '  "k0": 0,',
        '  "k1": 1,',
        '- "k2": 2,',
        '+ "k2": "x",',
        '  "k3": 3,',
        '  "k4": 4,',
        '  "k5": 5,',
        '@@ -16,7 +16,7 @@',
        '  "k14": 14,',
        '  "k15": 15,',
        '  "k16": 16,',
        '- "k17": 17,',
        '+ "k17": "y",',
        '  "k18": 18,',
        '  "k19": 19',
        ' }',
        '',
      ].join('\n'),
    );
  });

  it('shows what was added and removed', () => {
    assert.equal(unifiedDiff({ a: [1, 2] }, { a: [1, 3, 2] }), '@@ -1,6 +1,7 @@\n {\n  "a": [\n   1,\n+  3,\n   2\n  ]\n }\n');
    assert.equal(unifiedDiff({ a: 1 }, { a: 1 }), '');
  });
});
