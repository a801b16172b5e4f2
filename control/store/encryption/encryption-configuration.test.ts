import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseEncryptionConfiguration } from './encryption-configuration.ts';

const secret = Buffer.alloc(32, 1).toString('base64');
const parse = (resources: unknown) =>
  parseEncryptionConfiguration(
    JSON.stringify({ apiVersion: 'apiserver.config.k8s.io/v1', kind: 'EncryptionConfiguration', resources }),
  );
const one = (names: string[], ...providers: object[]) => [{ resources: names, providers }];
const kms = (more: object) =>
  one(['secrets'], { kms: { apiVersion: 'v2', name: 'k', endpoint: 'unix:///run/kms.sock', ...more } });

describe('encryption configurations', () => {
  it('may have all providers, groups and wildcards', () => {
    const keys = [{ name: 'a', secret }];
    const all = [
      { aescbc: { keys } },
      { aesgcm: { keys } },
      { secretbox: { keys } },
      { kms: { apiVersion: 'v2', name: 'k', endpoint: 'unix:///@kms', timeout: '5s' } },
      { identity: {} },
    ];
    for (const names of [['secrets', 'deployments.apps'], ['*.'], ['*.apps'], ['*.*']])
      assert.equal(parse(one(names, ...all)).resources.length, 1);
    assert.equal(parse([...one(['secrets'], { identity: {} }), ...one(['*.*'], { identity: {} })]).resources.length, 2);
  });

  const wrong: [what: string, resources: unknown, message: RegExp][] = [
    ['nothing', [], /^resources: Required value: at least one resources is required$/],
    ['no provider', one(['secrets']), /^resources\[0\]\.providers: Required value/],
    ['an unknown provider', one(['secrets'], { rot13: {} }), /unknown field "resources\[0\]\.providers\[0\]\.rot13"/],
    ['an empty provider', one(['secrets'], {}), /provider does not contain any of the expected providers/],
    [
      'two in one',
      one(['secrets'], { identity: {}, aesgcm: { keys: [] } }),
      /more than one provider specified in a single element/,
    ],
    [
      'no keys',
      one(['secrets'], { aescbc: { keys: [] } }),
      /^resources\[0\]\.providers\[0\]\.aescbc\.keys: Required value: at least one keys is required$/,
    ],
    [
      'a key without a name',
      one(['secrets'], { aescbc: { keys: [{ name: '', secret }] } }),
      /keys\[0\]\.name: Required value: name is a mandatory field for a key$/,
    ],
    [
      'a key that is no base64',
      one(['secrets'], { aescbc: { keys: [{ name: 'a', secret: 'a?' }] } }),
      /keys\[0\]\.secret: Invalid value: "REDACTED": secrets must be base64 encoded$/,
    ],
    [
      'a short key',
      one(['secrets'], { secretbox: { keys: [{ name: 'a', secret: 'AAAA' }] } }),
      /"REDACTED": secret is not of the expected length, got 3, expected one of \[32\]$/,
    ],
    [
      'a star',
      one(['*'], { identity: {} }),
      /use '\*\.' to encrypt all the resources from core API group or \*\.\* to encrypt all resources$/,
    ],
    ['capitals', one(['Secrets'], { identity: {} }), /resource name should not contain capital letters$/],
    [
      'a resource of all groups',
      one(['secrets.*'], { identity: {} }),
      /encrypting the same resource across groups is not supported$/,
    ],
    ['events of the new group', one(['events.events.k8s.io'], { identity: {} }), /Use 'events' instead in the config file$/],
    ['a resource twice', one(['secrets', 'secrets'], { identity: {} }), /the same resource cannot be specified multiple times$/],
    ['an overlap', one(['secrets', '*.'], { identity: {} }), /using overlapping resources/],
    [
      'a hidden entry',
      [...one(['*.'], { identity: {} }), ...one(['secrets'], { identity: {} })],
      /^resource "secrets" is masked by earlier rule "\*\."$/,
    ],
    [
      'a KMS over the network',
      kms({ endpoint: 'tcp://1.2.3.4' }),
      /unsupported scheme "tcp" for KMS provider, only unix is supported$/,
    ],
    ['a KMS without time', kms({ timeout: '0s' }), /timeout should be a positive value$/],
    ['a KMS of the first version', kms({ apiVersion: 'v1' }), /KMSv1 is deprecated/],
    ['a KMS with a colon', kms({ name: 'a:b' }), /invalid KMS provider name a:b, must not contain ':'$/],
    [
      'two KMS of one name',
      [...kms({}), ...one(['configmaps'], { kms: { apiVersion: 'v2', name: 'k', endpoint: 'unix:///x' } })],
      /duplicate KMS provider name k, names must be unique$/,
    ],
  ];
  for (const [what, resources, message] of wrong)
    it(`may not have ${what}`, () => assert.throws(() => parse(resources), { message }));

  it('never tell a key', () => {
    const resources = one(['secrets'], { aescbc: { keys: [{ name: 'a', secret: 'c2VjcmV0' }] } });
    assert.throws(
      () => parse(resources),
      (error) => !(error as Error).message.includes('c2VjcmV0'),
    );
  });
});
