import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import dnsPacket, { type Answer, type DecodedPacket, type Packet } from 'dns-packet';
import fc from 'fast-check';
import { pino } from 'pino';
import { systemClock } from '#client/clock.ts';
import { freePort } from '#test/free-port.ts';
import { createDnsServer, type DnsServerOptions } from './dns-server.ts';
import { service, slice, testCluster } from './objects.testing.ts';
import { nodeResolvConf, parseNameservers } from './resolv-conf.ts';
import { serveSockets } from './sockets.ts';
import { frame, splitFrames } from './tcp-frame.ts';

const cluster = testCluster(systemClock);
const stop = new AbortController();
const running: Promise<unknown>[] = [];
after(async () => {
  stop.abort();
  await Promise.all(running);
});

const t = 'testns.svc.cluster.local';
const many = Array.from({ length: 60 }, (_, index) => ({ addresses: [`10.244.1.${index + 1}`] }));
cluster.services.put(service('testns/many', { clusterIP: 'None', clusterIPs: ['None'] }));
cluster.endpointSlices.put(slice('testns/many', [], many));

/** Starts a resolver that stands for the world outside: it uses real sockets and knows one name. */
async function startUpstream(): Promise<number> {
  const reply = (message: Buffer): Buffer => {
    const query = dnsPacket.decode(message);
    const name = query.questions?.[0]?.name ?? '';
    const known = name.toLowerCase() === 'www.example.test';
    const answers: Answer[] =
      known && query.questions?.[0]?.type === 'A' ? [{ type: 'A', name, ttl: 60, data: '192.0.2.53' }] : [];
    return dnsPacket.encode({
      type: 'response',
      id: query.id ?? 0,
      flags: known ? 0x180 : 0x183,
      questions: query.questions ?? [],
      answers,
    });
  };
  const { promise, resolve } = Promise.withResolvers<number>();
  // The same port for UDP and TCP: one that the kernel chose for UDP may be taken for TCP.
  const port = await freePort();
  running.push(
    serveSockets(
      { handle: async (message) => reply(message), log: pino({ level: 'silent' }), clock: systemClock },
      ['127.0.0.1'],
      port,
      stop.signal,
      ([at]) => resolve(at?.port ?? 0),
    ),
  );
  return await promise;
}

async function startServer(options: Partial<DnsServerOptions>, log = pino({ level: 'silent' })): Promise<number> {
  const server = createDnsServer(
    { ...cluster, clock: systemClock, log },
    { clusterDomain: 'cluster.local', addresses: ['127.0.0.1'], port: await freePort(), ...options },
  );
  running.push(server.run(stop.signal));
  const [at] = await server.listening;
  return at?.port ?? 0;
}

async function overUdp(port: number, message: Buffer): Promise<DecodedPacket & { rcode?: string }> {
  const socket = createSocket('udp4');
  try {
    const replied = once(socket, 'message');
    socket.send(message, port, '127.0.0.1');
    const [reply] = (await replied) as [Buffer];
    return dnsPacket.decode(reply);
  } finally {
    socket.close();
  }
}

async function overTcp(port: number, ...messages: Buffer[]): Promise<DecodedPacket[]> {
  const socket = connect(port, '127.0.0.1');
  const replies: DecodedPacket[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onReply = (reply: Buffer): void => {
    if (replies.push(dnsPacket.decode(reply)) === messages.length) resolve();
  };
  socket.on('data', splitFrames(onReply)).once('error', reject);
  // The bytes arrive in pieces of odd sizes, as a network may deliver them.
  const bytes = Buffer.concat(messages.map(frame));
  socket.write(bytes.subarray(0, 3));
  socket.write(bytes.subarray(3));
  await promise;
  socket.destroy();
  return replies;
}

const query = (name: string, type: 'A' | 'AAAA' = 'A', more: Partial<Packet> = {}): Buffer =>
  dnsPacket.encode({ type: 'query', id: 4711, flags: dnsPacket.RECURSION_DESIRED, questions: [{ type, name }], ...more });
const edns = (udpPayloadSize: number): Partial<Packet> => ({
  additionals: [
    { type: 'OPT', name: '.', udpPayloadSize, extendedRcode: 0, ednsVersion: 0, flags: 0, flag_do: false, options: [] },
  ],
});

describe('DNS server on real sockets', { timeout: 240_000 }, () => {
  let port: number;
  const resolver = new Resolver({ timeout: 30_000, tries: 1 });
  before(async () => {
    const upstream = await startUpstream();
    port = await startServer({ upstream: { servers: [{ address: '127.0.0.1', port: upstream }] } });
    resolver.setServers([`127.0.0.1:${port}`]);
  });

  it('answers Node’s own resolver', async () => {
    assert.deepEqual(await resolver.resolve4(`web.${t}`), ['10.0.0.1']);
    assert.deepEqual(await resolver.resolve6(`dual.${t}`), ['fd00::3']);
    assert.deepEqual((await resolver.resolve4(`pets.${t}`)).toSorted(), ['10.244.0.6', '10.244.0.7']);
    const [srv] = await resolver.resolveSrv(`_http._tcp.web.${t}`);
    assert.deepEqual([srv?.name, srv?.port, srv?.weight], [`web.${t}`, 80, 100]);
    assert.deepEqual(await resolver.resolveTxt('dns-version.cluster.local'), [['1.1.0']]);
    assert.deepEqual(await resolver.reverse('10.0.0.1'), [`web.${t}`]);
    assert.equal((await resolver.resolveSoa('cluster.local')).nsname, 'ns.dns.cluster.local');
    await assert.rejects(resolver.resolve4(`nobody.${t}`), { code: 'ENOTFOUND' });
    await assert.rejects(resolver.resolve6(`web.${t}`), { code: 'ENODATA' });
  });

  it('asks the node’s resolvers for names outside the cluster, also for the target of an ExternalName', async () => {
    assert.deepEqual(await resolver.resolve4('www.example.test'), ['192.0.2.53']);
    await assert.rejects(resolver.resolve4('unknown.example.test'), { code: 'ENOTFOUND' });
    assert.deepEqual(await resolver.resolve4(`outside.${t}`), ['192.0.2.53']);
    assert.deepEqual(await resolver.resolveCname(`outside.${t}`), ['www.example.test']);
    const [reply] = await overTcp(port, query('www.example.test'));
    assert.equal(reply?.id, 4711);
  });

  it('repeats the question’s spelling unchanged and is authoritative for its zone', async () => {
    const reply = await overUdp(port, query('wEb.TESTns.svc.cluster.local'));
    assert.deepEqual([reply.id, reply.flag_aa, reply.flag_ra, reply.flag_rd], [4711, true, true, true]);
    assert.deepEqual(
      [reply.questions?.[0]?.name, reply.answers?.[0]?.name],
      ['wEb.TESTns.svc.cluster.local', 'wEb.TESTns.svc.cluster.local'],
    );
  });

  it('truncates a reply that exceeds the client’s UDP size, sets TC, and sends all of it over TCP', async () => {
    const sizes = await Promise.all(
      [{}, edns(1_232), edns(65_535)].map(async (more) => {
        const reply = await overUdp(port, query(`many.${t}`, 'A', more));
        assert.equal(reply.flag_tc, true);
        assert.equal(
          reply.additionals?.some(({ type }) => type === 'OPT'),
          'additionals' in more,
        );
        return reply.answers?.length ?? 0;
      }),
    );
    const [plain = 0, large = 0, largest] = sizes;
    assert.ok(plain > 0 && plain < large && large < 60 && largest === large, sizes.join());
    assert.equal((await resolver.resolve4(`many.${t}`)).length, 60);
  });

  it('takes several questions on one TCP connection', async () => {
    const replies = await overTcp(port, query(`web.${t}`), query(`nobody.${t}`));
    assert.deepEqual(
      replies.map(({ answers }) => answers?.length),
      [1, 0],
    );
  });

  it('rotates the order of the addresses', async () => {
    const firsts = new Set<string>();
    for (let round = 0; round < 60; round++) firsts.add((await resolver.resolve4(`pets.${t}`))[0] ?? '');
    assert.deepEqual([...firsts].toSorted(), ['10.244.0.6', '10.244.0.7']);
  });

  const rejected: [name: string, message: Buffer, rcode: string][] = [
    ['no question', dnsPacket.encode({ type: 'query', id: 4711, questions: [] }), 'FORMERR'],
    [
      'two questions',
      dnsPacket.encode({
        type: 'query',
        id: 4711,
        questions: [
          { type: 'A', name: 'a' },
          { type: 'A', name: 'b' },
        ],
      }),
      'FORMERR',
    ],
    ['a question cut off', query(`web.${t}`).subarray(0, 20), 'FORMERR'],
    [
      'another operation',
      dnsPacket.encode({ type: 'query', id: 4711, flags: 5 << 11, questions: [{ type: 'SOA', name: 'cluster.local' }] }),
      'NOTIMP',
    ],
    [
      'another class',
      dnsPacket.encode({ type: 'query', id: 4711, questions: [{ type: 'TXT', name: 'version.bind', class: 'CH' }] }),
      'REFUSED',
    ],
    ...(['AXFR', 'IXFR'] as const).map((type): [string, Buffer, string] => [
      `the transfer of a zone (${type})`,
      dnsPacket.encode({ type: 'query', id: 4711, questions: [{ type, name: 'cluster.local' }] }),
      'REFUSED',
    ]),
    [
      'the transfer of somebody else’s zone',
      dnsPacket.encode({ type: 'query', id: 4711, questions: [{ type: 'AXFR', name: 'example.test' }] }),
      'REFUSED',
    ],
  ];
  for (const [name, message, rcode] of rejected) {
    it(`answers ${name} with ${rcode}`, async () => {
      const reply = await overUdp(port, message);
      assert.deepEqual([reply.id, reply.rcode], [4711, rcode]);
    });
  }

  it('keeps answering after messages of any bytes', async () => {
    const socket = createSocket('udp4');
    const near = fc.tuple(fc.nat(60), fc.nat(255)).map(([at, value]) => {
      const message = query(`web.${t}`, 'A', edns(1_232));
      message[at % message.length] = value;
      return message;
    });
    const any = fc.oneof(
      near,
      fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
    );
    // After each message a good question is sent. Its answer shows that the server has finished with the message before it.
    const sent = (message: Buffer): Promise<void> =>
      new Promise((resolve) => socket.send(message, port, '127.0.0.1', () => resolve()));
    const survives = async (message: Buffer): Promise<void> => {
      await sent(message);
      assert.equal((await overUdp(port, query(`web.${t}`))).answers?.length, 1);
    };
    await fc.assert(fc.asyncProperty(any, survives), { numRuns: 300 });
    socket.close();
  });
});

describe('DNS server and its upstream', { timeout: 240_000 }, () => {
  it('answers SERVFAIL for outside names when there is no resolver, and still answers cluster names', async (test) => {
    const directory = await mkdtemp(join(tmpdir(), 'tdns-'));
    test.after(() => rm(directory, { recursive: true }));
    const resolvConf = join(directory, 'resolv.conf');
    await writeFile(resolvConf, '# nothing here\n');
    const port = await startServer({ upstream: { resolvConf } });
    assert.equal((await overUdp(port, query('www.example.test'))).rcode, 'SERVFAIL');
    assert.equal((await overUdp(port, query(`outside.${t}`))).rcode, 'SERVFAIL');
    assert.equal((await overUdp(port, query(`web.${t}`))).rcode, 'NOERROR');
  });

  it('goes on to the next resolver when one does not answer', async () => {
    const silent = createSocket('udp4');
    silent.bind(0, '127.0.0.1');
    await once(silent, 'listening');
    const servers = [silent.address().port, await startUpstream()].map((port) => ({ address: '127.0.0.1', port }));
    const port = await startServer({ upstream: { servers }, upstreamTimeoutMs: 2_000 });
    let queryCount = 0;
    silent.on('message', (message) => {
      if (dnsPacket.decode(message).questions?.[0]?.name === 'www.example.test') queryCount++;
    });
    const reply = await overUdp(port, query('www.example.test'));
    assert.equal(reply.answers?.length, 1);
    // The resolver that answered last is asked first from then on, so a dead resolver costs its timeout once and not at each
    // question.
    await overUdp(port, query('www.example.test'));
    silent.close();
    assert.equal(queryCount, 1);
  });

  it('notices that its resolvers send questions back to it', async () => {
    const { promise: noticed, resolve: notice } = Promise.withResolvers<string>();
    const log = pino({ level: 'error' }, { write: notice });
    let own = 0;
    // A resolver that forwards every question back to the server under test.
    const relayPort = await freePort();
    const relay = await new Promise<number>((resolve) => {
      const handle = async (message: Buffer): Promise<Buffer> => dnsPacket.encode(await overUdp(own, message));
      running.push(
        serveSockets({ handle, log, clock: systemClock }, ['127.0.0.1'], relayPort, stop.signal, ([at]) =>
          resolve(at?.port ?? 0),
        ),
      );
    });
    own = await startServer({ upstream: { servers: [{ address: '127.0.0.1', port: relay }] } }, log);
    assert.match(await noticed, /send questions back to this server/);
    assert.equal((await overUdp(own, query('www.example.test'))).rcode, 'SERVFAIL');
  });

  it('names the address that it cannot listen on', async () => {
    const port = await startServer({ upstream: { servers: [] } });
    await assert.rejects(
      createDnsServer(
        { ...cluster, clock: systemClock, log: pino({ level: 'silent' }) },
        { clusterDomain: 'cluster.local', addresses: ['127.0.0.1'], port },
      ).run(stop.signal),
      new RegExp(`cannot listen on UDP 127.0.0.1 port ${port}: another program has it`),
    );
  });

  it('uses the servers behind systemd-resolved, because a pod cannot reach its stub address', async (test) => {
    const directory = await mkdtemp(join(tmpdir(), 'tdns-'));
    test.after(() => rm(directory, { recursive: true }));
    const [usual, behindStub] = [join(directory, 'usual'), join(directory, 'behind')];
    await writeFile(usual, 'nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch .\n');
    assert.equal(await nodeResolvConf(usual, behindStub), usual);
    await writeFile(behindStub, 'nameserver 192.0.2.1\n');
    assert.equal(await nodeResolvConf(usual, behindStub), behindStub);
    await writeFile(usual, 'nameserver 192.0.2.2\nnameserver 127.0.0.53\n');
    assert.equal(await nodeResolvConf(usual, behindStub), usual);
  });

  it('reads nameserver lines as resolvers do', () => {
    const text =
      'search a b\nnameserver 10.0.0.2\n  nameserver fe80::1%eth0\n#nameserver 1.1.1.1\nnameserver nonsense\noptions ndots:5\n';
    assert.deepEqual(
      parseNameservers(text).map(({ address }) => address),
      ['10.0.0.2', 'fe80::1%eth0'],
    );
  });
});
