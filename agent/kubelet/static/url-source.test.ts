import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import type { Pod } from '#api/types.generated.ts';
import { podManifests } from '#cli/pod-manifest.ts';
import { FakeClock } from '#client/clock.ts';
import { askForManifests, type ManifestAnswer, UrlSource } from './url-source.ts';

const pod = (name: string): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: { containers: [{ name: 'c', image: 'b' }] },
});
const answer = (value: unknown, status = 200): ManifestAnswer => ({
  status,
  statusText: `${status} X`,
  body: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
});

async function pass(clock: FakeClock, ms: number): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  await clock.advance(ms);
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe('manifests behind a URL', () => {
  it('are one pod or a list; what fails or cannot be used leaves the pods as they are', async () => {
    const list = { apiVersion: 'v1', kind: 'PodList', items: [pod('one'), pod('two')] };
    const answers: (ManifestAnswer | Error)[] = [
      answer(pod('one')),
      answer(pod('one')),
      answer(list),
      new Error('refused'),
      answer('', 404),
      answer('{'),
      answer(''),
      answer(pod('three')),
    ];
    const told: string[][] = [];
    const lines: string[] = [];
    const clock = new FakeClock();
    const source = new UrlSource(
      {
        ask: async () => {
          const next = answers.shift() ?? answer(pod('three'));
          if (next instanceof Error) throw next;
          return next;
        },
        manifests: podManifests,
        clock,
        log: pino({ level: 'info' }, { write: (line: string) => void lines.push((JSON.parse(line) as { msg: string }).msg) }),
        found: (pods: readonly Pod[]) => void told.push(pods.map(({ metadata }) => metadata.name)),
      },
      { url: 'http://manifests/', headers: {}, nodeName: 'n1', everyMs: 20_000 },
    );
    const stop = new AbortController();
    const running = source.run(stop.signal);
    for (let turn = 0; turn < 8; turn++) await pass(clock, 20_000);
    stop.abort();
    await pass(clock, 20_000);
    await running;
    assert.deepEqual(told, [['one-n1'], ['one-n1', 'two-n1'], [], ['three-n1']]);
    assert.deepEqual(lines, [...Array(3).fill('Failed to read pods from URL'), 'Successfully read pods from URL']);
  });

  it('are asked for with headers, and answers beyond the limit are refused', async () => {
    const server = createServer((request, response) => response.end(request.headers['x-token'] ?? 'none'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const { signal } = new AbortController();
    try {
      const { status, body } = await askForManifests(url, { 'X-Token': ['secret'] }, 100, signal);
      assert.equal(status, 200);
      assert.equal(Buffer.from(body).toString(), 'secret');
      await assert.rejects(askForManifests(url, { 'X-Token': ['secret'] }, 3, signal), /its answer is larger than 3 bytes/);
    } finally {
      server.close();
    }
  });
});
