import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Node } from '#api/types.generated.ts';
import { validateNode } from '../kinds/core/node/validation.ts';
import { texts } from '../kinds/strategy.testing.ts';
import { validateEndpointIp } from './ip.ts';

const loopback = 'may not be in the loopback range (127.0.0.0/8, ::1/128)';
const linkLocal = 'may not be in the link-local range (169.254.0.0/16, fe80::/10)';
const multicast = 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)';

describe('addresses of endpoints', () => {
  const cases: [address: string, why: string[]][] = [
    ['10.0.0.1', []],
    ['010.0.0.1', []],
    ['fd00::1', []],
    ['x', ['must be a valid IP address']],
    ['fe80::1%eth0', ['must be a valid IP address']],
    ['127.1.2.3', [loopback]],
    ['127.001.2.3', [loopback]],
    ['::1', [loopback]],
    ['0.0.0.0', ['may not be unspecified (0.0.0.0)']],
    ['0:0::0', ['may not be unspecified (0:0::0)']],
    ['169.254.169.254', [linkLocal]],
    ['fe80::1', [linkLocal]],
    ['febf::1', [linkLocal]],
    ['224.0.0.251', [multicast]],
    ['ff02::1', [multicast]],
    ['ff12::1', [multicast]],
    ['ff05::1', []],
  ];
  for (const [address, why] of cases)
    it(`${address}: ${why.join() || 'fine'}`, () =>
      assert.deepEqual(
        texts(validateEndpointIp(address, 'ip')),
        why.map((text) => `ip: Invalid value: ${JSON.stringify(address)}: ${text}`),
      ));
});

describe('nodes', () => {
  const node = (spec: Node['spec'], status: Node['status'] = {}): Node =>
    ({
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'n', uid: 'u', resourceVersion: '', creationTimestamp: '' },
      spec,
      status,
    }) as Node;
  const cases: [what: string, node: Node, errors: RegExp[]][] = [
    ['one range', node({ podCIDRs: ['10.0.0.0/24'] }), []],
    ['one of each family', node({ podCIDRs: ['10.0.0.0/24', 'fd00::/64'] }), []],
    [
      'two of a family',
      node({ podCIDRs: ['10.0.0.0/24', '10.0.1.0/24'] }),
      [/may specify no more than one CIDR for each IP family/],
    ],
    [
      'one that is none',
      node({ podCIDRs: ['10.0.0.0/24', 'x'] }),
      [
        /must be a valid CIDR value/,
        /Internal error: invalid PodCIDRs\. failed to check with dual stack with error:invalid CIDR\[1\]: <nil> \(invalid CIDR address: x\)/,
        /no more than one/,
      ],
    ],
    ['features in order', node({}, { declaredFeatures: ['Abc', 'Abd/x'] }), []],
    [
      'a feature twice',
      node({}, { declaredFeatures: ['Abc', 'Abc'] }),
      [/status\.declaredFeatures\[1\]: Duplicate value: "Abc"/],
    ],
    ['features unsorted', node({}, { declaredFeatures: ['B', 'A'] }), [/must be sorted alphabetically/]],
    [
      'a feature without a name',
      node({}, { declaredFeatures: ['abc'] }),
      [/invalid feature name "abc": must start with an UpperCamelCase segment/],
    ],
  ];
  for (const [what, object, errors] of cases)
    it(`with ${what}`, () => {
      const found = texts(validateNode(object));
      assert.equal(found.length, errors.length, found.join('\n'));
      errors.forEach((pattern, index) => assert.match(found[index] ?? '', pattern));
    });
});
