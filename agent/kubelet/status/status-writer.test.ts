import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { conflict, notFound } from '#api/status.ts';
import type { Pod, PodStatus } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import { FakeClock } from '#client/clock.ts';
import { createClient } from '#client/rest-client.ts';
import { aPod } from '../pods.testing.ts';
import { createStatusWriter } from './status-writer.ts';

interface Server {
  requests: string[];
  /** Thrown by the next requests, in order; undefined: the request succeeds. */
  failures: (Error | undefined)[];
  pod: Pod;
}

function setUp(): Server & { clock: FakeClock; writer: ReturnType<typeof createStatusWriter> } {
  const server: Server = { requests: [], failures: [], pod: aPod({}, { status: { phase: 'Pending' } }) };
  const answer = (): void => {
    const failure = server.failures.shift();
    if (failure !== undefined) throw failure;
  };
  const pods = {
    async patch(_name: unknown, patch: { body: { status: PodStatus } }) {
      server.requests.push(`patch ${JSON.stringify(patch.body.status)}`);
      answer();
      const revision = `${Number(server.pod.metadata.resourceVersion) + 1}`;
      server.pod = {
        ...server.pod,
        metadata: { ...server.pod.metadata, resourceVersion: revision },
        status: { ...server.pod.status, ...patch.body.status },
      };
      return server.pod;
    },
    async delete(_name: unknown, options: { gracePeriodSeconds: number; preconditions: { uid: string } }) {
      server.requests.push(`delete ${options.gracePeriodSeconds} ${options.preconditions.uid}`);
      answer();
    },
  };
  const clock = new FakeClock();
  const client = { resource: () => pods } as unknown as Client;
  const writer = createStatusWriter({ client, clock, log: pino({ level: 'silent' }) });
  return Object.assign(server, { clock, writer });
}

describe('status writer', () => {
  it('writes what changed, and the same status only once', async () => {
    const { writer, clock, requests, pod } = setUp();
    writer.set(pod, { phase: 'Running' });
    writer.set(pod, { phase: 'Running' });
    await clock.advance(0);
    writer.set(pod, { phase: 'Running' });
    await clock.advance(0);
    assert.deepEqual(requests, ['patch {"phase":"Running"}']);
  });
  it('waits for nothing more once it has stopped, also when its last request fails', async (t) => {
    const server = setUp();
    const { writer, clock, pod } = server;
    server.failures = [new Error('connect ECONNREFUSED')];
    const after = t.mock.method(clock, 'after');
    writer.set(pod, { phase: 'Running' });
    await writer.stop();
    assert.equal(after.mock.callCount(), 0);
  });
  it('tries again when the server is away, and then sends the newest only', async () => {
    const server = setUp();
    const { writer, clock, requests, pod } = server;
    server.failures = [new Error('connect ECONNREFUSED'), new Error('connect ECONNREFUSED')];
    writer.set(pod, { phase: 'Running' });
    await clock.advance(0);
    writer.set(pod, { phase: 'Running', podIP: '10.0.0.1' });
    await clock.advance(30_000);
    assert.deepEqual(requests, [
      'patch {"phase":"Running"}',
      'patch {"phase":"Running","podIP":"10.0.0.1"}',
      'patch {"phase":"Running","podIP":"10.0.0.1"}',
    ]);
    assert.equal(server.pod.status?.podIP, '10.0.0.1');
  });
  it('deletes an ended pod after its last status', async () => {
    const { writer, clock, requests, pod } = setUp();
    writer.set(pod, { phase: 'Failed' });
    writer.finish(pod);
    await clock.advance(0);
    assert.deepEqual(requests, ['patch {"phase":"Failed"}', 'delete 0 uid-1']);
  });
  it('deletes it again when the first try did not get through', async () => {
    const server = setUp();
    server.failures = [new Error('timeout')];
    server.writer.finish(server.pod);
    await server.clock.advance(10_000);
    assert.deepEqual(server.requests, ['delete 0 uid-1', 'delete 0 uid-1']);
  });
  const gone: [string, Error][] = [
    ['gone', notFound({ group: '', name: 'pods' }, 'web')],
    ['another of the same name', conflict({ group: '', name: 'pods' }, 'web', 'Precondition failed')],
  ];
  for (const [name, error] of gone) {
    it(`stops when the pod is ${name}`, async () => {
      const server = setUp();
      server.failures = [error];
      server.writer.set(server.pod, { phase: 'Running' });
      await server.clock.advance(60_000);
      assert.equal(server.requests.length, 1);
    });
  }
  it('forgets on request what it could not write', async () => {
    const server = setUp();
    server.failures = [new Error('away'), new Error('away')];
    server.writer.set(server.pod, { phase: 'Running' });
    await server.clock.advance(0);
    server.writer.forget('uid-1');
    await server.clock.advance(60_000);
    assert.equal(server.requests.length, 1);
  });
});

describe('over the wire', () => {
  it('an integer beyond 2^53 that came with the pod goes back as it came', async () => {
    const sent: string[] = [];
    const text = (pod: Pod): string => JSON.stringify(pod).replace('"generation":1', '"generation":9007199254740993');
    const client = createClient(
      async ({ method, body }) => {
        if (method === 'PATCH') sent.push(Buffer.from(body ?? []).toString('utf8'));
        return { status: 200, headers: {}, body: [Buffer.from(text(aPod()))] as never };
      },
      { userAgent: 'kubelet' },
    );
    const clock = new FakeClock();
    const writer = createStatusWriter({ client, clock, log: pino({ level: 'silent' }) });
    const pod = await client.resource('pods').get({ namespace: 'shop', name: 'web' });
    writer.set(pod, { phase: 'Running', observedGeneration: pod.metadata.generation });
    await clock.advance(0);
    assert.deepEqual(sent, ['{"metadata":{"uid":"uid-1"},"status":{"phase":"Running","observedGeneration":9007199254740993}}']);
  });

  it("writes a static pod's status to its mirror pod, anew to each new one, and to nothing while there is none", async () => {
    const server = setUp();
    const { writer, clock, requests, pod } = server;
    const { resourceVersion: _version, ...metadata } = pod.metadata;
    const annotations = { 'kubernetes.io/config.source': 'file' };
    const fixed: Pod = { ...pod, metadata: { ...metadata, uid: 'hash', annotations } as unknown as Pod['metadata'] };
    const mirror = (uid: string): Pod => ({ ...pod, metadata: { ...pod.metadata, uid }, status: { phase: 'Pending' } });
    writer.set(fixed, { phase: 'Running' });
    await clock.advance(20_000);
    assert.deepEqual(requests, []);
    server.pod = mirror('one');
    writer.mirrored('hash', mirror('one'));
    await clock.advance(0);
    writer.mirrored('hash', mirror('one'));
    await clock.advance(0);
    assert.deepEqual(requests, ['patch {"phase":"Running"}']);
    writer.mirrored('hash', undefined);
    writer.mirrored('hash', mirror('two'));
    await clock.advance(0);
    assert.deepEqual(requests, ['patch {"phase":"Running"}', 'patch {"phase":"Running"}']);
  });
});
