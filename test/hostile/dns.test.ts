/**
 * The cluster's DNS server on real sockets, against any bytes that a pod or a resolver may send. Other clients are answered
 * meanwhile.
 */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import dnsPacket, { type DecodedPacket } from 'dns-packet';
import fc from 'fast-check';
import { pino } from 'pino';
import { createDnsServer, type DnsServerOptions } from '#agent/dns/dns-server.ts';
import { service, slice, testCluster } from '#agent/dns/objects.testing.ts';
import { frame, splitFrames } from '#agent/dns/tcp-frame.ts';
import { execFile } from '#agent/host/exec.ts';
import { systemClock } from '#client/clock.ts';
import { cpuMs } from '#test/cpu-time.ts';
import { freePort } from '#test/free-port.ts';

const stop = new AbortController();
const running: Promise<unknown>[] = [];
after(async () => {
  stop.abort();
  await Promise.all(running);
});

const web = 'web.testns.svc.cluster.local';
const outside = 'www.example.test';
/** The address of attackers. It differs from that of the clients that must be answered. */
const attacker = '127.0.0.2';
const cluster = testCluster(systemClock);
// The answer for this Service fills a message over TCP.
cluster.services.put(service('testns/many', { clusterIP: 'None', clusterIPs: ['None'] }));
const addresses = Array.from({ length: 1_000 }, (_, index) => ({ addresses: [`10.244.${index >> 8}.${index & 0xff}`] }));
cluster.endpointSlices.put(slice('testns/many', [], addresses));

async function startServer(options: Partial<DnsServerOptions> = {}): Promise<number> {
  const server = createDnsServer(
    { ...cluster, clock: systemClock, log: pino({ level: 'silent' }) },
    { clusterDomain: 'cluster.local', addresses: ['127.0.0.1'], port: await freePort(), upstream: { servers: [] }, ...options },
  );
  running.push(server.run(stop.signal));
  return (await server.listening)[0]?.port ?? 0;
}

const query = (name: string, id = 4711): Buffer =>
  dnsPacket.encode({ type: 'query', id, flags: dnsPacket.RECURSION_DESIRED, questions: [{ type: 'A', name }] });

/** Sends a question again until it is answered, as resolvers do: in a flood, some UDP packets are lost. */
async function ask(port: number, message = query(web), timeoutMs = 60_000): Promise<DecodedPacket & { rcode?: string }> {
  const socket = createSocket('udp4');
  let again: NodeJS.Timeout | undefined;
  try {
    const replied = once(socket, 'message', { signal: AbortSignal.timeout(timeoutMs) });
    const send = (): void => socket.send(message, port, '127.0.0.1', () => undefined);
    send();
    again = setInterval(send, 500);
    const [reply] = (await replied) as [Buffer];
    return dnsPacket.decode(reply);
  } finally {
    clearInterval(again);
    socket.close();
  }
}

const answers = async (port: number): Promise<void> => assert.equal((await ask(port)).answers?.length, 1);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
async function until(condition: () => boolean, withinMs = 60_000): Promise<void> {
  for (const startMs = performance.now(); !condition(); await pause(20))
    assert.ok(performance.now() - startMs < withinMs, `not within ${withinMs} ms: ${condition}`);
}

describe('the cluster’s DNS and hostile clients', { timeout: 240_000 }, () => {
  let port: number;
  before(async () => {
    port = await startServer();
  });

  it('survives a packet from port 0, to which no answer can be sent', async (test) => {
    const folder = await mkdtemp(join(tmpdir(), 'hostile-dns-'));
    test.after(() => rm(folder, { recursive: true }));
    const program = join(folder, 'udp-port-0');
    await execFile(['gcc', '-O1', '-o', program, new URL('udp-port-0.c', import.meta.url).pathname]);
    for (const message of [query(web), query(outside), Buffer.from('nonsense'), Buffer.alloc(12, 0)])
      await execFile([program, '127.0.0.1', String(port)], { stdin: message });
    await answers(port);
  });

  it('answers after any bytes, over UDP and TCP', async () => {
    const good = query(web);
    const near = fc.tuple(fc.nat(40), fc.nat(255), fc.uint8Array({ maxLength: 60 })).map(([at, value, tail]) => {
      const message = Buffer.concat([good, tail]);
      message[at % message.length] = value;
      return message;
    });
    const any = fc.oneof(
      near,
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    );
    const udp = createSocket('udp4');
    const overTcp = async (message: Buffer): Promise<void> => {
      const socket = connect({ port, host: '127.0.0.1', localAddress: attacker }).on('error', () => undefined);
      socket.end(message).resume();
      await once(socket, 'close');
    };
    await fc.assert(
      fc.asyncProperty(any, fc.boolean(), async (message, framed) => {
        await new Promise<void>((resolve) => udp.send(message, port, '127.0.0.1', () => resolve()));
        await overTcp(framed ? frame(message) : message);
        await answers(port);
      }),
      { numRuns: 150 },
    );
    udp.close();
  });

  it('closes a connection that sends no whole question in time, even when it sends single bytes', async () => {
    const dripping = connect({ port, host: '127.0.0.1', localAddress: attacker }).on('error', () => undefined);
    const closed = once(dripping.resume(), 'close');
    const drip = setInterval(() => dripping.write(Buffer.of(1)), 500);
    const startMs = performance.now();
    try {
      await closed;
    } finally {
      clearInterval(drip);
    }
    assert.ok(performance.now() - startMs < 60_000);
  });

  it('limits the connections of one address, and accepts those of others', async () => {
    const sockets = Array.from({ length: 400 }, () =>
      connect({ port, host: '127.0.0.1', localAddress: attacker }).on('error', () => undefined),
    );
    let closed = 0;
    for (const socket of sockets) socket.resume().once('close', () => closed++);
    await until(() => closed >= 300);
    const socket = connect(port, '127.0.0.1');
    const reply = once(socket, 'data');
    socket.write(frame(query(web)));
    await reply;
    socket.destroy();
    for (const one of sockets) one.destroy();
  });

  it('stops reading while its answers are not read', async () => {
    const before = process.memoryUsage();
    const greedy = Array.from({ length: 20 }, () => connect({ port, host: '127.0.0.1', localAddress: attacker }).pause());
    // Each answer has 40 KB; all of them would be 1.6 GB.
    const flood = Buffer.concat(Array.from({ length: 2_000 }, () => frame(query('many.testns.svc.cluster.local'))));
    for (const socket of greedy) socket.on('error', () => undefined).write(flood);
    for (let round = 0; round < 5; round++) {
      await answers(port);
      await pause(100);
    }
    const now = process.memoryUsage();
    const grownBytes = now.rss - before.rss;
    for (const socket of greedy) socket.destroy();
    assert.ok(grownBytes < 300e6, `${Math.round(grownBytes / 1e6)} MB more`);
  });

  it('answers all that was asked before the client closed its half', async () => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    let replies = 0;
    socket.on(
      'data',
      splitFrames(() => replies++),
    );
    socket.end(Buffer.concat(Array.from({ length: 300 }, (_, id) => frame(query(web, id)))));
    await once(socket, 'end');
    socket.end();
    assert.equal(replies, 300);
  });
});

describe('the cluster’s DNS and hostile resolvers', { timeout: 240_000 }, () => {
  const stops: (() => void)[] = [];
  after(() => stops.forEach((one) => one()));

  /** Starts a resolver on UDP and TCP of one port, with `onQuery` as its behaviour. */
  async function resolver(onQuery: (query: Buffer, reply: (bytes: Buffer) => void, raw?: Socket) => void): Promise<number> {
    const udp = createSocket('udp4');
    // The same port for UDP and TCP: one that the kernel chose for UDP may be taken for TCP.
    udp.bind(await freePort(), '127.0.0.1');
    await once(udp, 'listening');
    udp.on('message', (message, from) => onQuery(message, (bytes) => udp.send(bytes, from.port, from.address)));
    const tcp: Server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on(
        'data',
        splitFrames((message) => onQuery(message, (bytes) => socket.write(frame(bytes)), socket)),
      );
    });
    tcp.listen(udp.address().port, '127.0.0.1');
    await once(tcp, 'listening');
    stops.push(
      () => udp.close(),
      () => tcp.close(),
    );
    return (tcp.address() as AddressInfo).port;
  }
  const serverBefore = (upstream: number, timeoutMs = 30_000, maxConcurrent = 1_000): Promise<number> =>
    startServer({
      upstream: { servers: [{ address: '127.0.0.1', port: upstream }] },
      upstreamTimeoutMs: timeoutMs,
      maxConcurrent,
    });
  const replyTo = (message: Buffer, data: string): Buffer => {
    const { id = 0, questions = [] } = dnsPacket.decode(message);
    const name = questions[0]?.name ?? '';
    return dnsPacket.encode({ type: 'response', id, flags: 0x180, questions, answers: [{ type: 'A', name, ttl: 60, data }] });
  };
  const changed = (bytes: Buffer, change: (copy: Buffer) => void): Buffer => {
    const copy = Buffer.from(bytes);
    change(copy);
    return copy;
  };

  const forged: [string, (good: Buffer) => Buffer][] = [
    ['another id', (good) => changed(good, (copy) => copy.writeUInt16BE(good.readUInt16BE(0) ^ 1, 0))],
    ['another question', (good) => changed(good, (copy) => copy.write('xxx', 13))],
    ['a query', (good) => changed(good, (copy) => copy.writeUInt16BE(0x0100, 2))],
    ['half a message', (good) => good.subarray(0, 20)],
    ['half a record', (good) => good.subarray(0, -2)],
    ['counts of 65,535', (good) => changed(good, (copy) => copy.fill(0xff, 4, 12))],
    ['nothing', () => Buffer.alloc(0)],
    ['noise', () => Buffer.alloc(300, 0xc0)],
  ];
  for (const [name, forge] of forged) {
    it(`waits for the true reply when ${name} comes before it, and gives up in time when none comes`, async () => {
      let isTrue = true;
      const upstream = await resolver((message, reply) => {
        const good = replyTo(message, '192.0.2.53');
        reply(forge(good));
        if (isTrue) setTimeout(() => reply(good), 20);
      });
      const found = await ask(await serverBefore(upstream, 30_000), query(outside));
      assert.deepEqual(
        found.answers?.map((record) => 'data' in record && record.data),
        ['192.0.2.53'],
      );
      isTrue = false;
      const port = await serverBefore(upstream, 300);
      assert.equal((await ask(port, query(outside))).rcode, 'SERVFAIL');
      assert.equal((await ask(port, query('outside.testns.svc.cluster.local'))).rcode, 'SERVFAIL');
      await answers(port);
    });
  }

  it('forwards no more than its client accepts', async () => {
    const port = await serverBefore(
      await resolver((message, reply) => reply(Buffer.concat([replyTo(message, '192.0.2.53'), Buffer.alloc(4_000)]))),
    );
    const found = await ask(port, query(outside));
    assert.deepEqual([found.flag_tc, found.answers?.length], [true, 0]);
  });

  it('is not blocked by an ExternalName whose reply has long chains of pointers', async () => {
    const pointerMaze = (message: Buffer): Buffer => {
      const good = replyTo(message, '192.0.2.53');
      const start = good.length;
      // One record of pointers, each to the one before, and thousands of names that begin at the last pointer.
      const chain: number[] = [0, 0];
      for (let at = start + 11; chain.length < 12_000; at += 2) chain.push(0xc0 | (at >> 8), at & 0xff);
      const top = start + 11 + chain.length - 2;
      const holder = Buffer.concat([
        Buffer.of(0, 0, 16, 0, 1, 0, 0, 0, 0, chain.length >> 8, chain.length & 0xff),
        Buffer.from(chain),
      ]);
      const record = Buffer.of(0xc0 | (top >> 8), top & 0xff, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 1, 2, 3, 4);
      const records = Array.from({ length: 3_000 }, () => record);
      return changed(Buffer.concat([good, holder, ...records]), (copy) => copy.writeUInt16BE(3_002, 6));
    };
    const upstream = await resolver((message, reply, raw) =>
      raw === undefined
        ? reply(changed(replyTo(message, '192.0.2.53'), (copy) => copy.writeUInt16BE(0x8380, 2)))
        : reply(pointerMaze(message)),
    );
    const port = await serverBefore(upstream);
    const startMs = cpuMs();
    await Promise.all(Array.from({ length: 30 }, () => ask(port, query('outside.testns.svc.cluster.local'))));
    assert.ok(cpuMs() - startMs < 5_000, `${cpuMs() - startMs} ms`);
  });

  it('limits the forwarded questions: further ones are refused at once, and cluster names are still answered', async () => {
    // Few questions, so that a busy machine can send all of them before the first one times out.
    const port = await serverBefore(await resolver(() => undefined), 4_000, 100);
    const udp = createSocket('udp4');
    udp.bind(0, attacker);
    const rcodes = new Map<string, number>();
    udp.on('message', (reply) => {
      const { rcode = '' } = dnsPacket.decode(reply) as { rcode?: string };
      rcodes.set(rcode, (rcodes.get(rcode) ?? 0) + 1);
    });
    let id = 0;
    const flood = setInterval(() => {
      for (let count = 0; count < 20; count++) udp.send(query(outside, id++ & 0xffff), port, '127.0.0.1', () => undefined);
    }, 50);
    try {
      await until(() => (rcodes.get('REFUSED') ?? 0) > 0);
      await answers(port);
    } finally {
      clearInterval(flood);
      udp.close();
    }
    // When the resolver's time is over, the questions end. New questions are then forwarded, and time out in turn.
    let rcode: string | undefined;
    for (const startMs = performance.now(); rcode !== 'SERVFAIL'; { rcode } = await ask(port, query(outside)))
      assert.ok(performance.now() - startMs < 60_000, `${rcode}`);
    await answers(port);
  });
});
