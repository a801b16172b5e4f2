import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JsonValue } from '#api/json.ts';
import { conversionError } from './go-conversion.ts';

describe('conversionError', () => {
  for (const [spec, message] of [
    [{ replicas: 'x' }, 'unrecognized type: int32'],
    [{ replicas: 1.5 }, 'cannot convert float64 to int32'],
    [{ paused: 'x' }, 'unrecognized type: bool'],
    [{ template: [] }, 'cannot restore struct from: slice'],
    [{ template: { spec: { containers: 'x' } } }, 'cannot restore slice from string'],
    [{ template: { spec: { containers: [{ imagePullPolicy: 1 }] } } }, 'cannot convert int64 to v1.PullPolicy'],
    [{ template: { metadata: { labels: true } } }, 'cannot restore map from bool'],
    [{ template: { metadata: { labels: { a: 1 } } } }, 'cannot convert int64 to string'],
    [{ replicas: 3, paused: true, strategy: { rollingUpdate: { maxSurge: 1 } } }, undefined],
  ] as [JsonValue, string | undefined][]) {
    it(`says of ${JSON.stringify(spec)}: ${message}`, () => {
      assert.equal(conversionError({ spec }, { kind: 'ref', name: 'apps/v1.Deployment' }), message);
    });
  }
});
