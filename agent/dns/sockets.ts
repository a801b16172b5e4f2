/** UDP and TCP sockets of the server: every message in, at most one reply out. Whoever sends them, and however: the others are served. */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, isIPv6, type Server, type Socket } from 'node:net';
import type { Logger } from 'pino';
import { guardListener } from '#agent/host/listener.ts';
import type { Clock } from '#client/clock.ts';
import type { Transport } from './forwarder.ts';
import { frame, splitFrames } from './tcp-frame.ts';

export interface Listening {
  address: string;
  port: number;
}

export interface SocketsDeps {
  /** Undefined: no reply. */
  handle(message: Buffer, transport: Transport): Promise<Buffer | undefined>;
  log: Logger;
  clock: Clock;
}

/** For a whole question to come, and for a client to take what waits for it. */
const tcpIdleMs = 10_000;
const tcpLimits = { total: 1_000, perAddress: 100 };
/** Questions of one connection that are being answered; the rest waits. */
const maxInFlight = 16;
/** Replies that the kernel has not taken yet; a reply over UDP may always be lost. */
const maxUdpQueue = 1_000;

/** Serves until `signal` aborts. @throws an error that names address and port when one cannot be had */
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
      // With port 0 the kernel chooses for UDP; TCP has to follow.
      const bound = udp.address().port;
      const tcp = await listenTcp(deps, address, bound);
      close.push(tcp.close);
      at.push({ address, port: bound });
    }
    onListening(at);
    if (!signal.aborted) await once(signal, 'abort');
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
      // The client may be gone, or the socket closing.
      if (reply !== undefined && isOpen && socket.getSendQueueCount() < maxUdpQueue)
        socket.send(reply, toPort, to, () => undefined);
    } catch (error) {
      log.debug({ err: error, client: to }, 'dns: a reply could not be sent');
    }
  };
  socket.on('message', (message, { address: from, port: fromPort }) => {
    // Port 0 is nobody's: a packet that claims it can be made, an answer to it cannot be sent.
    if (fromPort !== 0) void respond(message, fromPort, from);
  });
  socket.once('close', () => {
    isOpen = false;
  });
  const bound = once(socket, 'listening');
  socket.bind(port, address);
  await bound.catch((error: unknown) => Promise.reject(cannotListen('UDP', address, port, error)));
  // The kernel's word about one packet; the socket receives the next.
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

/** Reads on only while the questions before are answered, and the answers taken: what waits here is bounded by what one read brings. */
function serveConnection({ handle, log, clock }: SocketsDeps, socket: Socket): void {
  const waiting: Buffer[] = [];
  let inFlight = 0;
  let isEnded = false;
  let isTurnTaken = false;
  let cancelDeadline = (): void => undefined;
  /** Bytes that come one by one keep no connection: a whole question has to come in time. */
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

  /** One question in a turn of the event loop: however many wait here, those of others come between. */
  function serveNext(): void {
    if (socket.destroyed) return;
    if (!isTurnTaken && inFlight < maxInFlight && !socket.writableNeedDrain) {
      const message = waiting.shift();
      if (message !== undefined) {
        inFlight++;
        isTurnTaken = true;
        setImmediate(() => {
          isTurnTaken = false;
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
  // A client that breaks off is its own affair.
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
