import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { workerResolvers } from './resolvers.ts';

describe("a worker's resolvers", () => {
  let scratch: string;
  before(() => {
    scratch = mkdtempSync(join(tmpdir(), 'tinker-resolvers-'));
  });
  after(() => rmSync(scratch, { recursive: true }));

  const stub = 'nameserver 127.0.0.53\noptions edns0 trust-ad\n';
  const cases: [string, string, string | undefined, 'machine' | 'resolved', object | undefined][] = [
    [
      "the machine's, where they are reached from elsewhere",
      'nameserver 192.0.2.1\n',
      'nameserver 192.0.2.9\n',
      'machine',
      undefined,
    ],
    [
      'those that systemd-resolved asks, where it is the resolver',
      stub,
      'nameserver fe80::1%2\nnameserver 192.0.2.9\n',
      'resolved',
      { from: ['127.0.0.53'], to: '192.0.2.9' },
    ],
    ["the machine's, where nothing else is known", stub, undefined, 'machine', undefined],
  ];
  for (const [index, [name, machineText, resolvedText, expected, redirect]] of cases.entries()) {
    it(`are ${name}`, () => {
      const files = { machine: join(scratch, `machine-${index}`), resolved: join(scratch, `resolved-${index}`) };
      writeFileSync(files.machine, machineText);
      if (resolvedText !== undefined) writeFileSync(files.resolved, resolvedText);
      const { resolvConf, ...rest } = workerResolvers(files);
      assert.deepEqual([resolvConf, rest.redirect], [files[expected], redirect]);
    });
  }
});
