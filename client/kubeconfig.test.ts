import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { loadKubeconfig, writeKubeconfig } from './kubeconfig.ts';

let folder = '';
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'kubeconfig-'));
});
after(() => rmSync(folder, { recursive: true }));

const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

const config = (user: string, cluster = 'server: https://10.0.0.1:6443'): string => `
apiVersion: v1
kind: Config
current-context: main
contexts:
- {name: main, context: {cluster: c, user: u}}
- {name: other, context: {cluster: c, user: u, namespace: apps}}
clusters:
- {name: c, cluster: {${cluster}}}
users:
- {name: u, user: {${user}}}
`;

describe('kubeconfig', () => {
  it('reads back what it wrote, for its owner only', () => {
    const path = join(folder, 'written');
    writeKubeconfig(path, { server: 'https://[::1]:6443', ca: 'CA', cert: 'CERT', key: 'KEY' });
    const loaded = loadKubeconfig(path);
    assert.deepEqual(
      [loaded.server, loaded.ca, loaded.cert, loaded.key, loaded.namespace],
      ['https://[::1]:6443', 'CA', 'CERT', 'KEY', 'default'],
    );
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });

  it('finds files relative to its own folder', () => {
    file('ca.pem', 'CA');
    const path = file('relative', config('tokenFile: tokens/t', 'server: https://x, certificate-authority: ca.pem'));
    assert.deepEqual([loadKubeconfig(path).ca, loadKubeconfig(path).tokenFile], ['CA', join(folder, 'tokens/t')]);
  });

  it('takes the context asked for', () => {
    assert.equal(loadKubeconfig(file('context', config('token: abc')), 'other').namespace, 'apps');
  });

  const errors: [string, string, string | undefined, RegExp][] = [
    ['an unknown context', config('token: abc'), 'nope', /context "nope" does not exist; the file has "main", "other"/],
    ['a missing server', config('token: abc', ''), undefined, /cluster "c" has no server/],
    ['a server that is no URL', config('token: abc', 'server: "10.0.0.1"'), undefined, /server "10.0.0.1" is not a URL/],
    [
      'a certificate without a key',
      config('client-certificate-data: QQ=='),
      undefined,
      /client-certificate without a client-key/,
    ],
    [
      'a missing certificate file',
      config('client-certificate: none.pem, client-key: none.key'),
      undefined,
      /unable to read client-certificate .*none.pem/,
    ],
    ['text that is not YAML', 'a: [', undefined, /not valid YAML/],
    ['an empty file', '', undefined, /empty or not a mapping/],
  ];
  for (const [name, text, context, message] of errors) {
    it(`says what is wrong with ${name}`, () => {
      const path = file('bad', text);
      assert.throws(
        () => loadKubeconfig(path, context),
        (error) => {
          assert.ok(error instanceof Error);
          assert.match(error.message, message);
          assert.ok(error.message.startsWith(path));
          return true;
        },
      );
    });
  }

  it('says that a file is absent', () => {
    assert.throws(() => loadKubeconfig(join(folder, 'absent')), /cannot read the kubeconfig: ENOENT/);
  });
});
