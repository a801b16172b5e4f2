/** Hands questions about the world outside to the node's resolvers, message by message, unchanged but for the id. */
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import type { Clock } from '#client/clock.ts';
import type { Upstream } from './resolv-conf.ts';
import { frame, splitFrames } from './tcp-frame.ts';

export type Transport = 'udp' | 'tcp';

export interface Forwarder {
  /**
   * The first reply of a resolver, asked one after the other, the one that answered last before the others; its id is that
   * of `message`.
   * @throws UpstreamError when none has answered
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

const idBytes = 2;
const headerBytes = 12;
/** As many as kubeadm lets CoreDNS have at once (`max_concurrent`). */
const maxConcurrent = 1_000;

/** @param timeoutMs how long one resolver has */
export function createForwarder(clock: Clock, upstreams: () => Promise<readonly Upstream[]>, timeoutMs: number): Forwarder {
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
        failures.push(`${upstream.address}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    throw new UpstreamError(
      failures.length === 0 ? 'the node has no resolvers to ask' : `no resolver answered: ${failures.join('; ')}`,
    );
  }

  return {
    async forward(message, transport) {
      if (running >= maxConcurrent)
        throw new UpstreamError(`more than ${maxConcurrent} questions are waiting for the node's resolvers`);
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
  const isReply = (reply: Buffer): boolean =>
    reply.length >= headerBytes && reply.subarray(0, idBytes).equals(query.subarray(0, idBytes)) && (reply[2] ?? 0) >= 0x80;
  const reply = Buffer.from(await (transport === 'udp' ? overUdp : overTcp)(clock, upstream, query, isReply, timeoutMs));
  message.copy(reply, 0, 0, idBytes);
  return reply;
}

type Ask = (
  clock: Clock,
  upstream: Upstream,
  query: Buffer,
  isReply: (reply: Buffer) => boolean,
  timeoutMs: number,
) => Promise<Buffer>;

const overUdp: Ask = (clock, { address, port }, query, isReply, timeoutMs) =>
  new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(address.split('%')[0] ?? '') ? 'udp6' : 'udp4');
    const finish = (settle: () => void): void => {
      cancel();
      socket.close();
      settle();
    };
    const fail = (error: Error): void => finish(() => reject(error));
    const cancel = clock.after(timeoutMs, () => fail(new Error(`no answer within ${timeoutMs} ms`)));
    socket.once('error', fail);
    socket.on('message', (reply) => {
      if (isReply(reply)) finish(() => resolve(reply));
    });
    // Connected: the kernel drops what does not come from the resolver, and tells when nobody listens there.
    socket.once('connect', () => socket.send(query));
    socket.connect(port, address);
  });

const overTcp: Ask = (clock, { address, port }, query, isReply, timeoutMs) =>
  new Promise((resolve, reject) => {
    const socket = connect(port, address);
    const finish = (settle: () => void): void => {
      cancel();
      socket.destroy();
      settle();
    };
    const cancel = clock.after(timeoutMs, () => finish(() => reject(new Error(`no answer within ${timeoutMs} ms`))));
    socket.once('error', (error) => finish(() => reject(error)));
    socket.once('close', () => finish(() => reject(new Error('connection closed without an answer'))));
    socket.on(
      'data',
      splitFrames((reply) => {
        if (isReply(reply)) finish(() => resolve(reply));
      }),
    );
    socket.write(frame(query));
  });
