import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import dnsPacket from 'dns-packet';
import fc from 'fast-check';
import { cpuMs } from '#test/cpu-time.ts';
import { fitReply, parseQuery } from './message.ts';
import { frame, splitFrames } from './tcp-frame.ts';
import { answersQuestion, hasShortPointers, readQuestion } from './wire.ts';

const header = (counts: readonly number[], flags = 0x0100): Buffer => {
  const bytes = Buffer.alloc(12);
  [4711, flags, ...counts].forEach((value, index) => bytes.writeUInt16BE(value, index * 2));
  return bytes;
};
const question = (...labels: (string | Buffer)[]): Buffer =>
  Buffer.concat([
    ...labels.map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label as string)])),
    Buffer.of(0, 0, 1, 0, 1),
  ]);
const opt = (udpBytes = 1_232, version = 0): Buffer =>
  Buffer.concat([Buffer.of(0, 0, 41), Buffer.from([udpBytes >> 8, udpBytes & 0xff]), Buffer.of(0, version, 0, 0, 0, 0)]);
const good = Buffer.concat([header([1, 0, 0, 0]), question('web', 'test')]);

/**
 * A message with 64 KiB of pointers, each of which points to the one before. Some thousand names at the end begin at the last
 * pointer.
 */
function pointerChain(questions: number, flags = 0x0100): Buffer {
  const chain: number[] = [0, 0];
  while (chain.length < 16_000) {
    const target = 12 + chain.length - 2;
    chain.push(0xc0 | (target >> 8), target & 0xff);
  }
  const top = 12 + chain.length - 2;
  const names = Array.from({ length: questions }, () => [0xc0 | (top >> 8), top & 0xff, 0, 1, 0, 1]).flat();
  return Buffer.concat([header([questions, 0, 0, 0], flags), Buffer.from(chain), Buffer.from(names)]);
}

describe('a DNS query of any bytes', () => {
  const malformed: [string, Buffer][] = [
    ['counts what is not there', Buffer.concat([header([1, 0, 0, 1]), question('a')])],
    ['counts 65,535 questions', Buffer.concat([header([0xffff, 0, 0, 0]), question('a')])],
    ['counts 65,535 records', Buffer.concat([header([1, 0xffff, 0xffff, 0xffff]), question('a')])],
    ['has a name that points at itself', Buffer.concat([header([1, 0, 0, 0]), Buffer.of(0xc0, 12, 0, 1, 0, 1)])],
    ['has a name that points into the header', Buffer.concat([header([1, 0, 0, 0]), Buffer.of(0xc0, 0, 0, 1, 0, 1)])],
    [
      'has a label that is too long',
      Buffer.concat([header([1, 0, 0, 0]), Buffer.of(64), Buffer.alloc(64, 'a'), Buffer.alloc(5)]),
    ],
    ['has a name that is too long', Buffer.concat([header([1, 0, 0, 0]), question(...Array.from({ length: 128 }, () => 'ab'))])],
    ['has two EDNS records', Buffer.concat([header([1, 0, 0, 2]), question('a'), opt(), opt()])],
    ['has EDNS of a name', Buffer.concat([header([1, 0, 0, 1]), question('a'), Buffer.of(1, 97), opt()])],
    ['has a record that ends too early', Buffer.concat([header([1, 0, 0, 1]), question('a'), opt().subarray(0, 10)])],
    ['has a chain of pointers', pointerChain(5_000)],
  ];
  for (const [name, message] of malformed) {
    it(`is answered FORMERR when it ${name}`, () => {
      const parsed = parseQuery(message);
      assert.equal(parsed.kind, 'reject');
      if (parsed.kind === 'reject') assert.equal(parsed.reply.readUInt16BE(2) & 0x0f, 1);
    });
  }

  it('may have labels of any bytes, which the reply repeats unchanged', () => {
    const odd = Buffer.concat([header([1, 0, 0, 1]), question(Buffer.alloc(63, 0xff), 'a.b', 'test'), opt(4_096, 0)]);
    const parsed = parseQuery(odd);
    assert.equal(parsed.kind, 'query');
    if (parsed.kind !== 'query') return;
    assert.deepEqual(parsed.query.edns, { udpBytes: 4_096, version: 0 });
    assert.deepEqual(parsed.query.questionBytes, question(Buffer.alloc(63, 0xff), 'a.b', 'test'));
  });

  it('is parsed in linear time', () => {
    const near = fc
      .tuple(fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 8 }), fc.uint8Array({ maxLength: 2_000 }))
      .map(([changes, tail]) => {
        const message = Buffer.concat([good, tail]);
        for (const [at, value] of changes) message[at % message.length] = value;
        return message;
      });
    const any = fc.uint8Array({ maxLength: 2_000 }).map((bytes) => Buffer.from(bytes));
    const startMs = cpuMs();
    fc.assert(
      fc.property(fc.oneof(near, any), (message) => {
        const parsed = parseQuery(message);
        const reply = Buffer.concat([message]);
        if (reply.length > 2) reply[2] = 0x80;
        const own = reply.length >= 12 ? readQuestion(reply)?.bytes : undefined;
        if (own !== undefined) answersQuestion(reply, own);
        hasShortPointers(reply);
        return ['query', 'reject', 'ignore'].includes(parsed.kind);
      }),
      { numRuns: 2_000 },
    );
    const large = [
      pointerChain(8_000),
      Buffer.alloc(65_535, 0xc0),
      Buffer.alloc(65_535, 1),
      Buffer.concat([good, Buffer.alloc(60_000, 1)]),
    ];
    for (const message of large) {
      parseQuery(message);
      hasShortPointers(message);
    }
    assert.ok(cpuMs() - startMs < 5_000, `${cpuMs() - startMs} ms`);
  });
});

describe('a reply of a resolver', () => {
  const own = question('WEB', 'test');
  const reply = Buffer.concat([
    header([1, 1, 0, 0], 0x8180),
    question('web', 'Test'),
    Buffer.of(0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 1, 2, 3, 4),
  ]);
  const cases: [string, Buffer, boolean][] = [
    ['repeats the question in other letters', reply, true],
    ['answers another one', Buffer.concat([header([1, 0, 0, 0], 0x8180), question('web', 'best')]), false],
    ['has no question', header([0, 0, 0, 0], 0x8180), false],
    ['is cut off', reply.subarray(0, -1), false],
    ['counts more than it has', Buffer.concat([header([1, 9, 0, 0], 0x8180), reply.subarray(12)]), false],
  ];
  for (const [name, bytes, expected] of cases)
    it(`that ${name} is ${expected ? 'accepted' : 'refused'}`, () => assert.equal(answersQuestion(bytes, own), expected));

  it('is not decoded when its names point from pointer to pointer', () => {
    assert.equal(hasShortPointers(reply), true);
    assert.equal(hasShortPointers(pointerChain(1, 0x8180)), false);
  });

  it('that is too long for the client is cut to its question, with TC set', () => {
    const parsed = parseQuery(Buffer.concat([header([1, 0, 0, 0]), own]));
    assert.equal(parsed.kind, 'query');
    if (parsed.kind !== 'query') return;
    const long = Buffer.concat([reply, Buffer.alloc(2_000)]);
    const cut = dnsPacket.decode(fitReply(long, parsed.query, 512));
    assert.deepEqual([cut.flag_tc, cut.questions?.[0]?.name, cut.answers?.length], [true, 'WEB.test', 0]);
    assert.equal(fitReply(reply, parsed.query, 512), reply);
  });
});

describe('frames of DNS over TCP', () => {
  it('are found whole, whatever pieces the stream comes in', () =>
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 10 }),
        fc.array(fc.integer({ min: 1, max: 50 })),
        (messages, sizes) => {
          const bytes = Buffer.concat(messages.map((message) => frame(Buffer.from(message))));
          const found: Buffer[] = [];
          const take = splitFrames((message) => found.push(message));
          for (let offset = 0, turn = 0; offset < bytes.length; turn++) {
            const size = sizes[turn % Math.max(1, sizes.length)] ?? 7;
            take(bytes.subarray(offset, offset + size));
            offset += size;
          }
          assert.deepEqual(
            found,
            messages.map((message) => Buffer.from(message)),
          );
        },
      ),
    ));

  it('take linear time also when they come byte by byte', () => {
    const startMs = cpuMs();
    let length = 0;
    const take = splitFrames((message) => (length += message.length));
    for (let round = 0; round < 4; round++) for (const byte of frame(Buffer.alloc(65_535))) take(Buffer.of(byte));
    assert.equal(length, 4 * 65_535);
    assert.ok(cpuMs() - startMs < 3_000);
  });
});
