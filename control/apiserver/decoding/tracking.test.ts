import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { stringifyExact } from '#api/int64.ts';
import type { KubeObject } from '#api/meta.ts';
import { createObjectPatcher } from '../patch/object-patcher.ts';
import { BodyDecoder } from './body-decoder.ts';
import { trackIn } from './tracking.ts';

const type = { apiVersion: 'v1', kind: 'ConfigMap', type: 'core/v1.ConfigMap' };
const configMap = (data: Record<string, string>): KubeObject =>
  ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', namespace: 'default' }, data }) as unknown as KubeObject;
const facts = { problems: [] };
const jsonBytes = (value: unknown): Uint8Array<ArrayBuffer> => new TextEncoder().encode(stringifyExact(value));

describe('work on large stored objects', () => {
  const patcher = createObjectPatcher();
  const stored = configMap({ a: 'b', c: 'd' });

  it('records the same managedFields in the thread as in the event loop', async (t) => {
    const decoder = new BodyDecoder();
    t.after(() => decoder.close());
    const request = { typeName: type.type, fieldManager: 'me', subresource: '', resetFields: undefined, nowMs: 0 };
    for (const live of [undefined, stored]) {
      const [here, there] = [configMap({ a: 'x', e: 'f' }), configMap({ a: 'x', e: 'f' })];
      patcher.trackManagedFields({ ...request, object: here, live });
      await trackIn(decoder)({ ...request, object: there, live });
      assert.deepEqual(there, here);
    }
  });

  it('patches and applies in the thread, and passes on what is refused', async (t) => {
    const decoder = new BodyDecoder();
    t.after(() => decoder.close());
    const patch = (contentType: 'application/json-patch+json' | 'application/merge-patch+json', body: unknown) =>
      decoder.run({
        kind: 'patching',
        body: jsonBytes(body),
        current: jsonBytes(stored),
        contentType,
        type,
        validation: 'Warn',
        facts,
      });
    const merged = await patch('application/merge-patch+json', { data: { a: null, unknown: 'v' }, odd: 1 });
    assert.deepEqual(merged, { value: configMap({ c: 'd', unknown: 'v' }), problems: ['unknown field "odd"'] });
    const replaced = await patch('application/json-patch+json', [{ op: 'replace', path: '/data/a', value: 'x' }]);
    assert.deepEqual(replaced.value, configMap({ a: 'x', c: 'd' }));
    await assert.rejects(patch('application/json-patch+json', [{ op: 'test', path: '/data/a', value: 'x' }]), { code: 422 });

    const options = { typeName: type.type, fieldManager: 'me', force: false, subresource: '', resetFields: undefined, nowMs: 0 };
    const configuration = configMap({ a: 'y' });
    const applied = await decoder.run({
      kind: 'applying',
      body: jsonBytes(configuration),
      current: jsonBytes(stored),
      request: { ...options, force: true },
      type,
      validation: 'Warn',
    });
    const expected = patcher.applyServerSide({ ...options, force: true, configuration: configuration as never, live: stored });
    assert.deepEqual(applied.value, JSON.parse(JSON.stringify(expected)));
  });
});
