/**
 * Sends questions about names outside the cluster to the node's resolvers. A message is passed on unchanged, except for its id.
 */

import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { errorText } from '#api/error-text.ts';
import type { Clock } from '#client/clock.ts';
import type { Upstream } from './resolv-conf.ts';
import { frame, splitFrames } from './tcp-frame.ts';
import { answersQuestion, headerBytes, readQuestion } from './wire.ts';

/** The transport protocol of a DNS message. */
export type Transport = 'udp' | 'tcp';

/** Forwards questions, see {@link createForwarder}. */
export interface Forwarder {
  /**
   * Asks the resolvers one after the other and returns the first reply, with the id of `message`. The resolver that answered last
   * is asked first. @throws UpstreamError when no resolver has answered, OverloadError when none was asked
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

/** The limit of concurrent questions is reached, so this question was not sent. Asking another resolver would not help. */
export class OverloadError extends UpstreamError {}

const idBytes = 2;
/** Limits of a {@link Forwarder}. */
export interface ForwarderLimits {
  /** Time that each resolver has to answer. */
  timeoutMs: number;
  /** Limit of questions that wait for a reply at one time. Further questions fail with {@link OverloadError}. */
  maxConcurrent: number;
}

/** Makes a forwarder. It calls `upstreams` for the node's resolvers at each question. */
export function createForwarder(
  clock: Clock,
  upstreams: () => Promise<readonly Upstream[]>,
  { timeoutMs, maxConcurrent }: ForwarderLimits,
): Forwarder {
  let running = 0;
  /**
   * The resolver that answered last is asked first. Otherwise a dead resolver that stands first in resolv.conf would cost its
   * timeout at every question.
   */
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

/** Each question gets a new random id and a new source port. An attacker who forges a reply has to guess both (RFC 5452). */
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

/** What a received message is. `other`: it does not answer our question, or is broken; the true reply may still come. */
type Verdict = 'reply' | 'refusal' | 'other';

function judge(bytes: Buffer, query: Buffer, question: Buffer): Verdict {
  const isOurs = bytes.length >= headerBytes && bytes.readUInt16BE(0) === query.readUInt16BE(0) && (bytes[2] ?? 0) >= 0x80;
  if (!isOurs) return 'other';
  // A server that could not read the question replies with an error code (FORMERR, NOTIMP) and without the question.
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
      // A socket may report several errors, but close() may be called only once.
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
    // The socket is connected: the kernel then drops messages from other addresses, and reports an error when the resolver's port
    // is closed.
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
