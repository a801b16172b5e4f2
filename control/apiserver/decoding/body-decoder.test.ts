import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { maxValues } from '#api/codec/limits.ts';
import { ApiError } from '#api/status.ts';
import { BodyDecoder } from './body-decoder.ts';
import { type DecodeJob, runDecodeJob } from './decode-job.ts';

const expected = { apiVersion: 'v1', kind: 'ConfigMap', type: 'core/v1.ConfigMap' };
const object = (body: string | Uint8Array, contentType: string): DecodeJob => ({
  kind: 'object',
  body: Buffer.from(body),
  contentType,
  expected,
  validation: 'Warn',
});
const configMap = (data: string): string => `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":${data}}`;

describe('the body decoder', () => {
  const decoder = new BodyDecoder();
  after(() => decoder.close());

  async function statusOf(job: DecodeJob): Promise<string> {
    try {
      await decoder.run(job);
      return '';
    } catch (error) {
      assert.ok(error instanceof ApiError, String(error));
      return `${error.code} ${error.message}`;
    }
  }

  it('gives the same for large bodies as for small ones, in order', async () => {
    const jobs = [
      object(configMap(`{"a":"${'x'.repeat(100_000)}"}`), 'application/json'),
      object('kind: ConfigMap\napiVersion: v1\nmetadata: &m {name: a}\nunknown: *m\n', 'application/yaml'),
      object(configMap('{"a":"b"}'), 'application/json'),
      { kind: 'patch', body: Buffer.from(`{"a":"${'x'.repeat(50_000)}","a":1}`), contentType: 'application/merge-patch+json' },
    ] as DecodeJob[];
    const results = await Promise.all(jobs.map((job) => decoder.run(job)));
    assert.deepEqual(
      results,
      jobs.map((job) => runDecodeJob(job)).map((result) => JSON.parse(JSON.stringify(result))),
    );
    assert.deepEqual(results[1]?.problems, ['unknown field "unknown"']);
  });

  it('hands errors over as they are', async () => {
    const text = `${'# long\n'.repeat(10_000)}a: b: c`;
    assert.match(
      await statusOf(object(text, 'application/yaml')),
      /^400 the object provided is unrecognized .*yaml: line 10001: mapping values/,
    );
  });

  it('refuses bodies that become too many values, of every format', async () => {
    const count = maxValues + 1;
    const protobuf = Buffer.concat([
      Buffer.from('k8s\0\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12', 'latin1'),
      Buffer.from([
        ((4 * count) & 0x7f) | 0x80,
        (((4 * count) >> 7) & 0x7f) | 0x80,
        (((4 * count) >> 14) & 0x7f) | 0x80,
        (4 * count) >> 21,
      ]),
      Buffer.alloc(4 * count, Buffer.from([0x12, 0x02, 0x0a, 0x00])),
    ]);
    for (const [body, type] of [
      [`{"kind":"ConfigMap","metadata":{"managedFields":[{"fieldsV1":[${'0,'.repeat(count)}0]}]}}`, 'application/json'],
      [protobuf, 'application/vnd.kubernetes.protobuf'],
    ] as const)
      assert.match(await statusOf(object(body, type)), /^413 Request entity too large: limit is/);
  });

  it('refuses what waits when it ends', async () => {
    const ending = new BodyDecoder();
    const waiting = ending.run(object(configMap(`{"a":"${'x'.repeat(100_000)}"}`), 'application/json'));
    ending.close();
    await assert.rejects(waiting, { message: 'the server is shutting down' });
  });
});
