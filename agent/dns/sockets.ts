/**
 * The UDP and TCP sockets of the server. Each message gets at most one reply. A client that misbehaves must not delay other
 * clients.
 */

import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, isIPv6, type Server, type Socket } from 'node:net';
import type { Logger } from 'pino';
import { guardListener } from '#agent/host/listener.ts';
import type { Clock } from '#client/clock.ts';
import { untilAborted } from '#client/until-aborted.ts';
import type { Transport } from './forwarder.ts';
import { frame, splitFrames } from './tcp-frame.ts';

/** An address and port on which the server listens, UDP and TCP. */
export interface Listening {
  address: string;
  port: number;
}

/** What the sockets call and use. */
export interface SocketsDeps {
  /** Returns the reply to a message; undefined when there is to be none. Must not reject. */
  handle(message: Buffer, transport: Transport): Promise<Buffer | undefined>;
  log: Logger;
  clock: Clock;
}

/** Time in which a whole question must arrive, and in which a client must take its replies. */
const tcpIdleMs = 10_000;
const tcpLimits = { total: 1_000, perAddress: 100 };
/** Limit of questions of one connection that are answered at the same time; further ones wait. */
const maxInFlight = 16;
/** Limit of UDP replies that wait for the kernel. Beyond it replies are dropped, which UDP allows. */
const maxUdpQueue = 1_000;

/** Serves until `signal` aborts. @throws Error that names the address and port that could not be opened */
export async function serveSockets(
  deps: SocketsDeps,
  addresses: readonly string[],
  port: number,
  signal: AbortSignal,
  onListening: (at: readonly Listening[]) => void,
): Promise<void> {
  const close: (() => Promise<void>)[] = [];
  try {
    const at: Listening[] = [];
    for (const address of addresses) {
      const udp = await bindUdp(deps, address, port);
      close.push(() => new Promise((resolve) => udp.close(() => resolve())));
      // With port 0 the kernel chooses the port for UDP; TCP must use the same.
      const bound = udp.address().port;
      const tcp = await listenTcp(deps, address, bound);
      close.push(tcp.close);
      at.push({ address, port: bound });
    }
    onListening(at);
    await untilAborted(signal);
  } finally {
    for (const step of close.toReversed()) await step();
  }
}

async function bindUdp({ handle, log }: SocketsDeps, address: string, port: number): Promise<UdpSocket> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  let isOpen = true;
  const respond = async (message: Buffer, toPort: number, to: string): Promise<void> => {
    try {
      const reply = await handle(message, 'udp');
      // The socket may have been closed while the reply was made.
      if (reply !== undefined && isOpen && socket.getSendQueueCount() < maxUdpQueue)
        socket.send(reply, toPort, to, () => undefined);
    } catch (error) {
      log.debug({ err: error, client: to }, 'dns: a reply could not be sent');
    }
  };
  socket.on('message', (message, { address: from, port: fromPort }) => {
    // Nobody can listen on port 0, but a forged packet may have it as its source. Sending a reply there would fail.
    if (fromPort !== 0) void respond(message, fromPort, from);
  });
  socket.once('close', () => {
    isOpen = false;
  });
  const bound = once(socket, 'listening');
  socket.bind(port, address);
  await bound.catch((error: unknown) => Promise.reject(cannotListen('UDP', address, port, error)));
  // The kernel reports an error for one packet. The socket goes on to receive the next.
  socket.on('error', (error) => log.debug({ err: error, address }, 'dns: a packet could not be received'));
  return socket;
}

async function listenTcp(deps: SocketsDeps, address: string, port: number): Promise<{ close(): Promise<void> }> {
  const open = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    serveConnection(deps, socket);
  });
  const listening = once(server, 'listening');
  server.listen(port, address);
  await listening.catch((error: unknown) => Promise.reject(cannotListen('TCP', address, port, error)));
  guardListener(server, `dns on TCP ${address}`, deps, tcpLimits);
  return {
    close: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/**
 * Serves one TCP connection. It stops reading while questions wait for answers or answers wait for the client, so it holds no
 * more bytes than one read brings.
 */
function serveConnection({ handle, log, clock }: SocketsDeps, socket: Socket): void {
  const waiting: Buffer[] = [];
  let inFlight = 0;
  let isEnded = false;
  let hasServedThisTurn = false;
  let cancelDeadline = (): void => undefined;
  /** A whole question must arrive in time: a client that sends byte by byte cannot keep its connection open. */
  const expectQuestion = (): void => {
    cancelDeadline();
    cancelDeadline = clock.after(tcpIdleMs, () => (inFlight > 0 ? expectQuestion() : socket.destroy()));
  };

  async function respond(message: Buffer): Promise<void> {
    try {
      const reply = await handle(message, 'tcp');
      if (reply === undefined) socket.destroy();
      else if (socket.writable) socket.write(frame(reply));
    } catch (error) {
      log.debug({ err: error, client: socket.remoteAddress }, 'dns: a reply could not be sent');
      socket.destroy();
    }
    inFlight--;
    serveNext();
  }

  /**
   * Handles one question per turn of the event loop, so that a connection with many questions does not delay other connections.
   */
  function serveNext(): void {
    if (socket.destroyed) return;
    if (!hasServedThisTurn && inFlight < maxInFlight && !socket.writableNeedDrain) {
      const message = waiting.shift();
      if (message !== undefined) {
        inFlight++;
        hasServedThisTurn = true;
        setImmediate(() => {
          hasServedThisTurn = false;
          serveNext();
        });
        void respond(message);
      }
    }
    if (waiting.length > 0) socket.pause();
    else if (!isEnded) socket.resume();
    else if (inFlight === 0) socket.end();
  }

  const takeFrames = splitFrames((message) => {
    expectQuestion();
    waiting.push(message);
  });
  socket.on('data', (chunk: Buffer) => {
    takeFrames(chunk);
    serveNext();
  });
  socket.on('drain', serveNext);
  socket.on('end', () => {
    isEnded = true;
    serveNext();
  });
  // The client has broken off the connection. Nothing else is affected.
  socket.on('error', () => socket.destroy());
  socket.once('close', () => cancelDeadline());
  socket.setTimeout(tcpIdleMs, () => socket.destroy());
  expectQuestion();
}

function cannotListen(transport: string, address: string, port: number, error: unknown): Error {
  const why = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  const hint: Record<string, string> = {
    EADDRINUSE: 'another program has it; stop that one, or choose another address',
    EADDRNOTAVAIL: 'this machine does not have the address; add it to an interface first',
    EACCES: 'ports below 1024 need root',
  };
  return new Error(`dns: cannot listen on ${transport} ${address} port ${port}: ${hint[why] ?? why}`, { cause: error });
}
