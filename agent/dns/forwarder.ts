/** Hands questions about the world outside to the node's resolvers, message by message, unchanged but for the id. */

import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { errorText } from '#api/error-text.ts';
import type { Clock } from '#client/clock.ts';
import type { Upstream } from './resolv-conf.ts';
import { frame, splitFrames } from './tcp-frame.ts';
import { answersQuestion, headerBytes, readQuestion } from './wire.ts';

export type Transport = 'udp' | 'tcp';

export interface Forwarder {
  /**
   * The first reply of a resolver, asked one after the other, the one that answered last before the others; its id is that
   * of `message`.
   * @throws UpstreamError when none has answered, OverloadError when none was asked
   */
  forward(message: Buffer, transport: Transport): Promise<Buffer>;
}

/** No resolver could be asked, or none has answered in time. */
export class UpstreamError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'UpstreamError';
  }
}

/** As many questions are under way as may be: this one was not asked, and asking the next resolver would not help. */
export class OverloadError extends UpstreamError {}

const idBytes = 2;
export interface ForwarderLimits {
  /** How long one resolver has. */
  timeoutMs: number;
  /** Questions that are under way at one time; more are not asked. */
  maxConcurrent: number;
}

export function createForwarder(
  clock: Clock,
  upstreams: () => Promise<readonly Upstream[]>,
  { timeoutMs, maxConcurrent }: ForwarderLimits,
): Forwarder {
  let running = 0;
  /** A dead resolver that stands first in resolv.conf would cost every question its whole time. */
  let lastToAnswer: string | undefined;

  async function ask(message: Buffer, transport: Transport): Promise<Buffer> {
    const failures: string[] = [];
    const known = await upstreams();
    const isLast = (upstream: Upstream): boolean => keyOf(upstream) === lastToAnswer;
    for (const upstream of [...known.filter(isLast), ...known.filter((other) => !isLast(other))]) {
      try {
        const reply = await askOne(clock, upstream, message, transport, timeoutMs);
        lastToAnswer = keyOf(upstream);
        return reply;
      } catch (error) {
        failures.push(`${upstream.address}: ${errorText(error)}`);
      }
    }
    throw new UpstreamError(
      failures.length === 0 ? 'the node has no resolvers to ask' : `no resolver answered: ${failures.join('; ')}`,
    );
  }

  return {
    async forward(message, transport) {
      if (running >= maxConcurrent)
        throw new OverloadError(`more than ${maxConcurrent} questions are waiting for the node's resolvers`);
      running++;
      try {
        return await ask(message, transport);
      } finally {
        running--;
      }
    },
  };
}

const keyOf = ({ address, port }: Upstream): string => `${address} ${port}`;

/** A fresh id and a fresh port for each question: a forged reply has to guess both (RFC 5452). */
async function askOne(
  clock: Clock,
  upstream: Upstream,
  message: Buffer,
  transport: Transport,
  timeoutMs: number,
): Promise<Buffer> {
  const query = Buffer.from(message);
  query.writeUInt16BE(randomInt(0x10000), 0);
  const question = readQuestion(query)?.bytes;
  if (question === undefined) throw new Error('not a question');
  const reply = Buffer.from(
    await (transport === 'udp' ? overUdp : overTcp)(clock, upstream, query, (bytes) => judge(bytes, query, question), timeoutMs),
  );
  message.copy(reply, 0, 0, idBytes);
  return reply;
}

/** `other`: it is none of ours, or broken; the true one may still come. */
type Verdict = 'reply' | 'refusal' | 'other';

function judge(bytes: Buffer, query: Buffer, question: Buffer): Verdict {
  const isOurs = bytes.length >= headerBytes && bytes.readUInt16BE(0) === query.readUInt16BE(0) && (bytes[2] ?? 0) >= 0x80;
  if (!isOurs) return 'other';
  // A server that could not even read the question answers with a code and no question (FORMERR, NOTIMP).
  if (bytes.readUInt16BE(4) === 0 && ((bytes[3] ?? 0) & 0x0f) !== 0) return 'refusal';
  return answersQuestion(bytes, question) ? 'reply' : 'other';
}

type Ask = (
  clock: Clock,
  upstream: Upstream,
  query: Buffer,
  verdict: (reply: Buffer) => Verdict,
  timeoutMs: number,
) => Promise<Buffer>;

const refusal = (reply: Buffer): Error => new Error(`refused with code ${(reply[3] ?? 0) & 0x0f}`);

const overUdp: Ask = (clock, { address, port }, query, verdict, timeoutMs) =>
  new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(address.split('%')[0] ?? '') ? 'udp6' : 'udp4');
    let isOpen = true;
    const finish = (settle: () => void): void => {
      // Errors may follow each other, and a socket closes once only.
      if (!isOpen) return;
      isOpen = false;
      cancel();
      socket.close();
      settle();
    };
    const fail = (error: Error): void => finish(() => reject(error));
    const cancel = clock.after(timeoutMs, () => fail(new Error(`no answer within ${timeoutMs} ms`)));
    socket.on('error', fail);
    socket.on('message', (reply) => {
      const kind = verdict(reply);
      if (kind === 'reply') finish(() => resolve(reply));
      else if (kind === 'refusal') fail(refusal(reply));
    });
    // Connected: the kernel drops what does not come from the resolver, and tells when nobody listens there.
    socket.once('connect', () => {
      if (isOpen) socket.send(query, (error) => error && fail(error));
    });
    socket.connect(port, address);
  });

const overTcp: Ask = (clock, { address, port }, query, verdict, timeoutMs) =>
  new Promise((resolve, reject) => {
    const socket = connect(port, address);
    const finish = (settle: () => void): void => {
      cancel();
      socket.destroy();
      settle();
    };
    const fail = (error: Error): void => finish(() => reject(error));
    const cancel = clock.after(timeoutMs, () => fail(new Error(`no answer within ${timeoutMs} ms`)));
    socket.on('error', fail);
    socket.once('close', () => fail(new Error('connection closed without an answer')));
    socket.on(
      'data',
      splitFrames((reply) => {
        const kind = verdict(reply);
        if (kind === 'reply') finish(() => resolve(reply));
        else if (kind === 'refusal') fail(refusal(reply));
      }),
    );
    socket.write(frame(query));
  });
