import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Secret } from '#api/types.generated.ts';
import { create, rejects, systemMeta, update } from '../../strategy.testing.ts';
import { secretKind } from './strategy.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('secrets', () => {
  const secret = (more: Partial<Secret>): Secret => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: systemMeta('s', 'ns'),
    ...more,
  });

  it('fold stringData into data', async () => {
    const { object, errors } = await create(
      secretKind.strategy,
      secret({ data: { a: base64('1'), b: base64('2') }, stringData: { b: '3', c: 'ä' } }),
    );
    assert.deepEqual(errors, []);
    assert.deepEqual(object, secret({ type: 'Opaque', data: { a: base64('1'), b: base64('3'), c: base64('ä') } }));
  });

  for (const [type, data, ...expected] of [
    ['kubernetes.io/tls', {}, 'data[tls.crt]: Required value', 'data[tls.key]: Required value'],
    ['kubernetes.io/basic-auth', {}, 'data[username]: Required value', 'data[password]: Required value'],
    ['kubernetes.io/basic-auth', { username: base64('u') }],
    ['kubernetes.io/ssh-auth', { 'ssh-privatekey': '' }, 'data[ssh-privatekey]: Required value'],
    ['kubernetes.io/dockerconfigjson', {}, 'data[.dockerconfigjson]: Required value'],
    [
      'kubernetes.io/dockerconfigjson',
      { '.dockerconfigjson': base64('') },
      'data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": unexpected end of JSON input',
    ],
    ['kubernetes.io/dockerconfigjson', { '.dockerconfigjson': base64('{"auths":{}}') }],
    ['kubernetes.io/service-account-token', {}, 'metadata.annotations[kubernetes.io/service-account.name]: Required value'],
    ['example.com/own', {}],
  ] as [string, Record<string, string>, ...string[]][]) {
    it(`of type ${type} ${expected.length === 0 ? 'are accepted' : 'need their keys'}`, async () => {
      await rejects(secretKind.strategy, secret({ type, data }), ...expected);
    });
  }

  it('keep their type, and their data once immutable', async () => {
    const { errors } = await update(
      secretKind.strategy,
      secret({ type: 'Opaque', immutable: true, data: { a: base64('1') } }),
      (object) => {
        object.type = 'example.com/own';
        object.data = {};
      },
    );
    assert.deepEqual(errors, [
      'type: Invalid value: "example.com/own": field is immutable',
      'data: Forbidden: field is immutable when `immutable` is set',
    ]);
  });

  it('are selected by type', () => {
    assert.deepEqual(secretKind.strategy.fields?.(secret({ type: 'Opaque' })), { type: 'Opaque' });
  });
});
