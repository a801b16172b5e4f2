import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FlagError, FlagSet } from './flag-set.ts';
import { type ProxyFlags, proxySections } from './kube-proxy-flags.ts';

describe('--nodeport-addresses of kube-proxy', () => {
  const flags = new FlagSet<ProxyFlags>('kube-proxy', '', proxySections());
  const read = (...values: string[]) =>
    flags.parse(values.map((value) => `--nodeport-addresses=${value}`)).flags.nodeportAddresses;

  it('takes networks, and primary alone', () => {
    assert.deepEqual(read('10.0.0.0/8,fd00::/8', '192.168.0.0/16'), ['10.0.0.0/8', 'fd00::/8', '192.168.0.0/16']);
    assert.deepEqual(read('primary'), ['primary']);
    assert.equal(read(), undefined);
  });

  // A range that is left out would open node ports on all addresses.
  for (const [title, values] of Object.entries({ 'an address': ['10.0.0.1'], 'primary with others': ['primary', '10.0.0.0/8'] }))
    it(`refuses ${title}`, () => assert.throws(() => read(...values), FlagError));
});
