import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import type { Event } from '#api/types.generated.ts';
import { FakeApi, status } from './api.testing.ts';
import { FakeClock } from './clock.ts';
import { createEventRecorder } from './event-recorder.ts';
import { createClient } from './rest-client.ts';
import type { Transport } from './transport.ts';

const log = pino({ level: 'silent' });
const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'ns', uid: 'u1', resourceVersion: '3', creationTimestamp: '' },
};

function setUp() {
  const api = new FakeApi();
  const clock = new FakeClock();
  const client = createClient(api.transport, { userAgent: 'test' });
  const recorder = createEventRecorder({ client, clock, log, component: 'kubelet', host: 'node-1' });
  const stored = async (): Promise<Event[]> => (await client.resource('events').list()).items;
  return { api, clock, recorder, stored };
}

describe('event recorder', () => {
  it('stores an event as kubectl describe reads it', async () => {
    const { clock, recorder, stored } = setUp();
    recorder.event(pod, 'Normal', 'Started', 'Started container web');
    await clock.advance(0);
    const [event] = await stored();
    assert.match(event?.metadata.name ?? '', /^web\.[0-9a-f]{16}$/);
    assert.deepEqual(
      {
        namespace: event?.metadata.namespace,
        about: event?.involvedObject,
        source: event?.source,
        count: event?.count,
        first: event?.firstTimestamp,
      },
      {
        namespace: 'ns',
        about: { apiVersion: 'v1', kind: 'Pod', namespace: 'ns', name: 'web', uid: 'u1', resourceVersion: '3' },
        source: { component: 'kubelet', host: 'node-1' },
        count: 1,
        first: '2026-01-01T00:00:00Z',
      },
    );
  });

  it('puts events about cluster-scoped objects into the namespace default', async () => {
    const { clock, recorder, stored } = setUp();
    recorder.event({ kind: 'Node', name: 'node-1', uid: 'node-1', apiVersion: 'v1' }, 'Normal', 'Starting', 'x');
    await clock.advance(0);
    assert.equal((await stored())[0]?.metadata.namespace, 'default');
  });

  it('counts the same event instead of storing it again', async () => {
    const { clock, recorder, stored } = setUp();
    for (let n = 0; n < 3; n++) {
      recorder.event(pod, 'Warning', 'BackOff', 'Back-off restarting failed container');
      await clock.advance(10_000);
    }
    const events = await stored();
    assert.deepEqual(
      events.map(({ count, firstTimestamp, lastTimestamp }) => [count, firstTimestamp, lastTimestamp]),
      [[3, '2026-01-01T00:00:00Z', '2026-01-01T00:00:20Z']],
    );
  });

  it('merges the tenth and further messages of one reason', async () => {
    const { clock, recorder, stored } = setUp();
    for (let n = 1; n <= 12; n++) recorder.event(pod, 'Warning', 'Unhealthy', `failure ${n}`);
    await clock.advance(0);
    const events = await stored();
    assert.equal(events.length, 10);
    const merged = events.find(({ message }) => message?.startsWith('(combined'));
    assert.deepEqual([merged?.message, merged?.count], ['(combined from similar events): failure 12', 3]);
  });

  it('drops a flood about one object after 25, and lets one through every five minutes', async () => {
    const { api, clock, recorder } = setUp();
    for (let n = 0; n < 40; n++) recorder.event(pod, 'Normal', 'Same', 'same');
    await clock.advance(0);
    assert.equal(api.requests.length, 25);
    await clock.advance(300_000);
    for (let n = 0; n < 5; n++) recorder.event(pod, 'Normal', 'Same', 'same');
    await clock.advance(0);
    assert.equal(api.requests.length, 26);
    assert.equal((api.requests.at(-1)?.body as { count: number } | undefined)?.count, 41);
  });

  it('goes on with other objects after it dropped the flood about one', async () => {
    const { clock, recorder, stored } = setUp();
    for (let n = 0; n < 30; n++) {
      recorder.event(pod, 'Warning', 'BackOff', 'Back-off');
      await clock.advance(10);
    }
    recorder.event({ ...pod, metadata: { ...pod.metadata, name: 'calm', uid: 'u2' } }, 'Normal', 'Started', 'Started container');
    await clock.advance(0);
    assert.deepEqual((await stored()).map(({ reason }) => reason).sort(), ['BackOff', 'Started']);
  });

  it('stores anew what the server has forgotten, with its count', async () => {
    const { api, clock, recorder, stored } = setUp();
    recorder.event(pod, 'Normal', 'Same', 'same');
    await clock.advance(0);
    const name = (await stored())[0]?.metadata.name;
    await createClient(api.transport, { userAgent: 'test' })
      .resource('events')
      .delete({ namespace: 'ns', name: name ?? '' });
    recorder.event(pod, 'Normal', 'Same', 'same');
    await clock.advance(0);
    assert.deepEqual(
      (await stored()).map(({ count }) => count),
      [2],
    );
  });

  it('tries again while the server is away, and gives up at once where it refuses', async () => {
    const { api, clock, recorder, stored } = setUp();
    api.intercept = () => new Error('ECONNREFUSED');
    recorder.event(pod, 'Normal', 'Kept', 'kept');
    await clock.advance(25_000);
    api.intercept = undefined;
    await clock.advance(10_000);
    assert.deepEqual(
      (await stored()).map(({ reason }) => reason),
      ['Kept'],
    );
    api.intercept = () => status(403, 'Forbidden', 'no');
    recorder.event(pod, 'Normal', 'Refused', 'refused');
    await clock.advance(60_000);
    api.intercept = undefined;
    await clock.advance(60_000);
    assert.deepEqual(
      (await stored()).map(({ reason }) => reason),
      ['Kept'],
    );
  });

  it('flushes at shutdown without waiting for a server that is away', async () => {
    const { api, recorder, stored } = setUp();
    recorder.event(pod, 'Normal', 'Last', 'last words');
    await recorder.flush();
    assert.equal((await stored()).length, 1);
    api.intercept = () => new Error('ECONNREFUSED');
    recorder.event(pod, 'Normal', 'Lost', 'lost');
    await recorder.flush();
  });

  it('loses no event of one who waits for room, however slow the server is, and sends several at a time', async () => {
    const api = new FakeApi();
    const clock = new FakeClock();
    const client = createClient(api.transport, { userAgent: 'test' });
    let [open, most] = [0, 0];
    const slow: Transport = async (request) => {
      most = Math.max(most, ++open);
      await new Promise(setImmediate);
      open--;
      return await api.transport(request);
    };
    const recorder = createEventRecorder({
      client: createClient(slow, { userAgent: 'test' }),
      clock,
      log,
      component: 'default-scheduler',
      atOnce: 8,
    });
    for (let index = 0; index < 3000; index++) {
      await recorder.room(new AbortController().signal);
      recorder.event({ ...pod, metadata: { ...pod.metadata, name: `p${index}`, uid: `u${index}` } }, 'Normal', 'Scheduled', 'x');
    }
    await recorder.flush();
    assert.equal((await client.resource('events').list()).items.length, 3000);
    assert.equal(most, 8);
  });

  it('waits for room no longer than its caller', async () => {
    const { api, recorder } = setUp();
    api.intercept = () => new Error('ECONNREFUSED');
    for (let index = 0; index < 600; index++) recorder.event(pod, 'Normal', `R${index}`, 'x');
    const abort = new AbortController();
    const waiting = recorder.room(abort.signal);
    abort.abort();
    await waiting;
    await recorder.flush();
  });
});
