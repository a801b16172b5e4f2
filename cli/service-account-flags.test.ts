import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Command } from 'commander';
import {
  addServiceAccountFlags,
  type ServiceAccountFlags,
  serviceAccountOptions,
  serviceAccountWarnings,
} from './service-account-flags.ts';

const optionsOf = (...args: string[]): ReturnType<typeof serviceAccountOptions> => {
  const command = addServiceAccountFlags(new Command()).exitOverride();
  return serviceAccountOptions(command.parse(args, { from: 'user' }).opts<ServiceAccountFlags>(), 'cluster.local');
};

describe('the flags of service-account tokens', () => {
  let folder: string;
  const keys = [1, 2].map(() =>
    generateKeyPairSync('ec', {
      namedCurve: 'P-256',
      privateKeyEncoding: { type: 'sec1', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    }),
  );
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'token-flags-'));
    for (const [index, { privateKey, publicKey }] of keys.entries()) {
      writeFileSync(join(folder, `${index}.pub`), publicKey);
      writeFileSync(join(folder, `${index}.key`), privateKey);
    }
  });
  after(() => rmSync(folder, { recursive: true }));

  it('leave the keys of the data folder and the issuer of the cluster', () => {
    const { issuer, otherIssuers, ...rest } = optionsOf();
    assert.deepEqual([issuer, otherIssuers], ['https://kubernetes.default.svc.cluster.local', []]);
    assert.ok(!('publicKey' in rest) && !('privateKey' in rest) && !('audiences' in rest));
    assert.deepEqual([rest.maxExpirationSeconds, rest.extendExpiration], [0, true]);
  });

  it('name several issuers, audiences and key files', () => {
    const [one, two] = [join(folder, '0.pub'), join(folder, '1.pub')];
    const options = optionsOf(
      '--service-account-issuer=https://a',
      '--service-account-issuer=https://b',
      '--api-audiences=x,y',
      `--service-account-key-file=${one}`,
      `--service-account-key-file=${two}`,
      `--service-account-signing-key-file=${join(folder, '1.key')}`,
      '--service-account-max-token-expiration=2h',
      '--service-account-extend-token-expiration=false',
      '--service-account-jwks-uri=https://k/keys',
    );
    assert.deepEqual([options.issuer, options.otherIssuers, options.audiences], ['https://a', ['https://b'], ['x', 'y']]);
    assert.equal(options.publicKey, keys.map(({ publicKey }) => publicKey).join('\n'));
    assert.equal(options.privateKey, keys[1]?.privateKey);
    assert.deepEqual([options.maxExpirationSeconds, options.extendExpiration], [7200, false]);
    assert.equal(options.jwksUri, 'https://k/keys');
  });

  const wrong: [args: string[], message: RegExp][] = [
    [['--service-account-issuer='], /^service-account-issuer should not be an empty string$/],
    [['--service-account-issuer=http://[:'], /^service-account-issuer "http:\/\/\[:" contained a ':' but was not a valid URL/],
    [['--service-account-issuer=a', '--service-account-issuer=a'], /^service-account-issuer "a" is already specified$/],
    [['--service-account-jwks-uri=http://k'], /^service-account-jwks-uri requires https scheme, parsed as: http:\/\/k$/],
    [['--service-account-max-token-expiration=59m'], /must be between 1 hour and 2\^32 seconds/],
    [['--service-account-signing-key-file=x'], /--service-account-signing-key-file needs --service-account-key-file/],
    [['--service-account-key-file=/nowhere'], /error reading public key file \/nowhere: ENOENT/],
    [['--service-account-key-file=/dev/null'], /\/dev\/null: data does not contain any valid RSA or ECDSA public keys/],
  ];
  for (const [args, message] of wrong)
    it(`${args.join(' ')}: refused`, () => {
      assert.throws(() => optionsOf(...args), { message });
    });

  it('warn of lives that are longer than the longest', () => {
    assert.equal(serviceAccountWarnings(optionsOf('--service-account-max-token-expiration=1h')).length, 2);
    assert.equal(serviceAccountWarnings(optionsOf('--service-account-max-token-expiration=2h')).length, 1);
    assert.deepEqual(serviceAccountWarnings(optionsOf()), []);
  });
});
