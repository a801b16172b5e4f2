import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ConfigMap, Secret } from '#api/types.generated.ts';
import { aPod } from '../pods.testing.ts';
import type { Payload } from './atomic-writer.ts';
import { payloadContext } from './payload.ts';
import { configMapPayload } from './plugins/config-map.ts';
import { downwardPayload } from './plugins/downward-api.ts';
import { secretPayload } from './plugins/secret.ts';

describe('a volume whose files show one large value many times', () => {
  const count = 1000;
  const large = 'x'.repeat(10_000);
  const metadata = { name: 'o', uid: 'o', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' };
  const configMap: ConfigMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { key: large } };
  const secret: Secret = { apiVersion: 'v1', kind: 'Secret', metadata, data: { key: btoa(large) } };
  const sources = {
    objects: { configMap: async () => configMap, secret: async () => secret },
    tokens: { token: async () => '', forget: () => undefined },
  };
  const facts = { nodeName: 'n1', hostIps: [], podIps: [], allocatable: {} };
  const context = payloadContext({ pod: aPod({}, { metadata: { annotations: { a: large } } }), facts, defaultMode: 0o644 });
  const source = (index: number) => ({ name: 'o', items: [{ key: 'key', path: `file-${index}` }] });
  const cases: [string, (index: number) => Promise<Payload>][] = [
    [
      'the pod',
      async (index) => downwardPayload(context, [{ path: `${index}`, fieldRef: { fieldPath: 'metadata.annotations' } }]),
    ],
    ['a ConfigMap', (index) => configMapPayload(sources, context, source(index))],
    ['a Secret', (index) => secretPayload(sources, context, source(index))],
  ];
  for (const [of, payload] of cases) {
    it(`of ${of} holds it once`, async () => {
      const payloads = await Promise.all(Array.from({ length: count }, (_, index) => payload(index)));
      const contents = payloads.flatMap((files) => [...files.values()].map(({ data }) => data));
      assert.equal(contents.length, count);
      assert.equal(new Set(contents).size, 1);
      assert.ok((contents[0]?.length ?? 0) >= large.length);
    });
  }
});
