import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ConfigMap } from '#api/types.generated.ts';
import { rejects, systemMeta, update } from '../../strategy.testing.ts';
import { configMapKind } from './strategy.ts';

describe('config maps', () => {
  const map = (more: Partial<ConfigMap>): ConfigMap => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: systemMeta('m', 'ns'),
    ...more,
  });
  const keyText =
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

  it('refuse bad keys, keys twice and more than a mebibyte', async () => {
    await rejects(configMapKind.strategy, map({ data: { 'a/b': '' } }), `data[a/b]: Invalid value: "a/b": ${keyText}`);
    await rejects(
      configMapKind.strategy,
      map({ data: { a: 'x' }, binaryData: { a: 'eA==' } }),
      'data[a]: Invalid value: "a": duplicate of key present in binaryData',
    );
    await rejects(
      configMapKind.strategy,
      map({ data: { a: 'x'.repeat(1048577) } }),
      '[]: Too long: may not be more than 1048576 bytes',
    );
    await rejects(configMapKind.strategy, map({ binaryData: { a: Buffer.alloc(1048576).toString('base64') } }));
  });

  it('stay as they are once immutable', async () => {
    const { errors } = await update(configMapKind.strategy, map({ immutable: true, data: { a: '1' } }), (object) => {
      delete object.immutable;
      object.data = { a: '2' };
    });
    assert.deepEqual(errors, [
      'immutable: Forbidden: field is immutable when `immutable` is set',
      'data: Forbidden: field is immutable when `immutable` is set',
    ]);
  });
});
