import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nodePortAddresses } from './node-port-addresses.ts';

const local = ['127.0.0.1', '192.168.0.2', '10.1.2.3', '192.168.0.2', '::1', 'fd00::2', 'fe80::1'];
const cases: [ranges: string[], family: 'IPv4' | 'IPv6', selected: string[] | undefined][] = [
  [[], 'IPv4', undefined],
  [['fd00::/8'], 'IPv4', undefined],
  [['0.0.0.0/0', '10.0.0.0/8'], 'IPv4', undefined],
  [['not a range'], 'IPv4', undefined],
  [['192.168.0.0/16', '10.1.2.0/24'], 'IPv4', ['10.1.2.3', '192.168.0.2']],
  [['10.2.0.0/16'], 'IPv4', []],
  [['fd00::/8', '10.0.0.0/8'], 'IPv6', ['fd00::2']],
];

describe('nodePortAddresses', () => {
  for (const [ranges, family, selected] of cases)
    it(`${JSON.stringify(ranges)} of ${family}`, () => assert.deepEqual(nodePortAddresses(ranges, family, local), selected));
});
