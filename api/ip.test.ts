import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  contains,
  containsIp,
  familyOf,
  formatCidr,
  ipAddress,
  isMapped,
  joinHostPort,
  mustParseCidr,
  overlap,
  parseCidr,
  parseCidrSloppy,
  parseIp,
  parseIpSloppy,
  parseNetwork,
} from './ip.ts';
import { type IpScope, scopeOf } from './ip-scope.ts';

describe('addresses', () => {
  const cases: [text: unknown, strict: string | undefined, sloppy: string | undefined][] = [
    ['10.0.0.1', '10.0.0.1', '10.0.0.1'],
    ['255.255.255.255', '255.255.255.255', '255.255.255.255'],
    ['010.002.000.1', undefined, '10.2.0.1'],
    ['0000010.0.0.1', undefined, '10.0.0.1'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1', '2001:db8::1'],
    ['::', '::', '::'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3', '1:0:0:2::3'],
    ['00001::2', undefined, '1::2'],
    ['::ffff:10.0.0.1', '::ffff:a00:1', '10.0.0.1'],
    ['::ffff:a00:1', '::ffff:a00:1', '10.0.0.1'],
    ['::ffff:010.0.0.1', undefined, '10.0.0.1'],
    ['64:ff9b::10.0.0.1', '64:ff9b::a00:1', '64:ff9b::a00:1'],
    ['fe80::1%eth0', undefined, undefined],
    ['10.0.0', undefined, undefined],
    ['10.0.0.256', undefined, undefined],
    ['10.0.0.1.2', undefined, undefined],
    ['0x10.0.0.1', undefined, undefined],
    [' 10.0.0.1', undefined, undefined],
    ['10.0.0.1/8', undefined, undefined],
    ['1::2::3', undefined, undefined],
    ['12345::', undefined, undefined],
    ['[::1]', undefined, undefined],
    ['', undefined, undefined],
    [167772161, undefined, undefined],
    [undefined, undefined, undefined],
    [`${'0'.repeat(100_000)}.0.0.x`, undefined, undefined],
  ];
  for (const [text, strict, sloppy] of cases)
    it(`reads ${JSON.stringify(text)?.slice(0, 40)}`, () => {
      assert.equal(parseIp(text)?.text, strict);
      assert.equal(parseIpSloppy(text)?.text, sloppy);
    });

  it('can be converted to numbers and back', () => {
    for (const text of [
      '10.96.0.255',
      '0.0.0.0',
      '::',
      '::1',
      '2001:db8::ff00:42:8329',
      'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
    ]) {
      const ip = parseIp(text);
      assert.ok(ip);
      assert.deepEqual(ipAddress(ip.family, ip.value), ip);
    }
    assert.equal(parseIp('255.255.255.255')?.value, 2n ** 32n - 1n);
    assert.equal(ipAddress('IPv4', (parseIp('10.96.0.255')?.value ?? 0n) + 1n).text, '10.96.1.0');
  });

  const scopes: [address: string, scope: IpScope][] = [
    ['0.0.0.0', 'unspecified'],
    ['::', 'unspecified'],
    ['::ffff:0.0.0.0', 'unspecified'],
    ['127.1.2.3', 'loopback'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['::1', 'loopback'],
    ['169.254.169.254', 'link-local'],
    ['febf::1', 'link-local'],
    ['fec0::1', 'global'],
    ['224.0.0.251', 'link-local multicast'],
    ['ff12::1', 'link-local multicast'],
    ['224.0.1.1', 'multicast'],
    ['ff05::1', 'multicast'],
    ['255.255.255.255', 'broadcast'],
    ['10.0.0.1', 'global'],
    ['fd00::1', 'global'],
  ];
  for (const [address, scope] of scopes)
    it(`${address} is ${scope}`, () => {
      const ip = parseIp(address);
      assert.equal(ip && scopeOf(ip), scope);
    });

  it('knows IPv4 within IPv6', () => {
    const mapped = (text: string): boolean | undefined => {
      const ip = parseIp(text);
      return ip && isMapped(ip);
    };
    assert.deepEqual(['::ffff:1.2.3.4', '::fffe:1.2.3.4', '1.2.3.4', '::1.2.3.4'].map(mapped), [true, false, false, false]);
  });

  it('are joined with a port', () => {
    assert.equal(joinHostPort('10.0.0.1', 80), '10.0.0.1:80');
    assert.equal(joinHostPort('fd00::1', '80'), '[fd00::1]:80');
  });
});

describe('CIDRs', () => {
  const cases: [text: unknown, strict: string | undefined, sloppy: string | undefined][] = [
    ['10.244.0.0/16', '10.244.0.0/16', '10.244.0.0/16'],
    ['0.0.0.0/0', '0.0.0.0/0', '0.0.0.0/0'],
    ['fd00:10:244::/56', 'fd00:10:244::/56', 'fd00:10:244::/56'],
    ['2001:db8::1/128', '2001:db8::1/128', '2001:db8::1/128'],
    ['10.1.2.3/16', '10.1.0.0/16', '10.1.0.0/16'],
    ['2001:DB8::1/32', '2001:db8::/32', '2001:db8::/32'],
    ['010.0.0.0/8', undefined, '10.0.0.0/8'],
    ['10.0.0.0/08', undefined, '10.0.0.0/8'],
    ['10.0.0.0/0008', undefined, '10.0.0.0/8'],
    ['10.244.0.0', undefined, undefined],
    ['10.244.0.0/', undefined, undefined],
    ['10.244.0.0/33', undefined, undefined],
    ['10.244.0.0/-1', undefined, undefined],
    ['10.244.0.0/8/8', undefined, undefined],
    ['10.244.0.0/1e1', undefined, undefined],
    ['fd00::/129', undefined, undefined],
    ['fe80::%eth0/64', undefined, undefined],
    ['10.244/16', undefined, undefined],
    [' 10.244.0.0/16', undefined, undefined],
    ['', undefined, undefined],
    [7, undefined, undefined],
  ];
  for (const [text, strict, sloppy] of cases)
    it(`reads ${JSON.stringify(text)}`, () => {
      const [one, other] = [parseCidr(text), parseCidrSloppy(text)];
      assert.equal(one && formatCidr(one), strict);
      assert.equal(other && formatCidr(other), sloppy);
      assert.equal(parseNetwork(text) !== undefined, strict === text && strict !== undefined);
    });

  it('that must be one are refused in Go’s words', () => {
    assert.throws(() => mustParseCidr('10.244.0.0/33'), new RangeError('invalid CIDR address: 10.244.0.0/33'));
    assert.equal(formatCidr(mustParseCidr('10.0.0.0/8')), '10.0.0.0/8');
  });

  const pairs: [outer: string, inner: string, contains: boolean, overlap: boolean][] = [
    ['10.0.0.0/8', '10.9.0.0/16', true, true],
    ['10.9.0.0/16', '10.0.0.0/8', false, true],
    ['10.0.0.0/16', '10.1.0.0/16', false, false],
    ['10.0.0.0/16', '10.0.0.0/16', true, true],
    ['0.0.0.0/0', '255.255.255.255/32', true, true],
    ['0.0.0.0/0', '::/0', false, false],
    ['fd00::/8', 'fdff:ffff::/64', true, true],
    ['fd00::/64', 'fd00:0:0:1::/64', false, false],
  ];
  for (const [outer, inner, isWithin, shares] of pairs)
    it(`${inner} in ${outer}: ${isWithin}`, () => {
      const [a, b] = [mustParseCidr(outer), mustParseCidr(inner)];
      assert.deepEqual([contains(a, b), overlap(a, b), overlap(b, a)], [isWithin, shares, shares]);
      const first = ipAddress(b.family, b.first);
      assert.equal(containsIp(a, first), shares && (isWithin || a.first === b.first));
    });

  it('have a family', () => {
    assert.deepEqual(['10.0.0.1', '10.0.0.0/8', 'fd00::1', 'fd00::/8'].map(familyOf), ['IPv4', 'IPv4', 'IPv6', 'IPv6']);
  });
});
