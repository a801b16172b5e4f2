/** UDP and TCP sockets of the server: every message in, at most one reply out. */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, isIPv6, type Server, type Socket } from 'node:net';
import type { Transport } from './forwarder.ts';
import { frame, splitFrames } from './tcp-frame.ts';

export interface Listening {
  address: string;
  port: number;
}

/** Undefined: no reply. */
export type Handle = (message: Buffer, transport: Transport) => Promise<Buffer | undefined>;

const tcpIdleMs = 10_000;
const tcpConnections = 1_000;

/** Serves until `signal` aborts. @throws an error that names address and port when one cannot be had; a socket's later failure */
export async function serveSockets(
  handle: Handle,
  addresses: readonly string[],
  port: number,
  signal: AbortSignal,
  onListening: (at: readonly Listening[]) => void,
): Promise<void> {
  const close: (() => Promise<void>)[] = [];
  const { promise: failed, reject: fail } = Promise.withResolvers<never>();
  failed.catch(() => undefined);
  try {
    const at: Listening[] = [];
    for (const address of addresses) {
      const udp = await bindUdp(handle, address, port, fail);
      close.push(() => new Promise((resolve) => udp.close(() => resolve())));
      // With port 0 the kernel chooses for UDP; TCP has to follow.
      const bound = udp.address().port;
      const tcp = await listenTcp(handle, address, bound, fail);
      close.push(tcp.close);
      at.push({ address, port: bound });
    }
    onListening(at);
    if (!signal.aborted) await Promise.race([once(signal, 'abort'), failed]);
  } finally {
    for (const step of close.toReversed()) await step();
  }
}

async function bindUdp(handle: Handle, address: string, port: number, fail: (error: Error) => void): Promise<UdpSocket> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  socket.on('message', (message, { address: from, port: fromPort }) => {
    void handle(message, 'udp').then((reply) => {
      // The client may be gone, or the socket closing: a reply over UDP may always be lost.
      if (reply !== undefined && isOpen) socket.send(reply, fromPort, from, () => undefined);
    });
  });
  let isOpen = true;
  socket.once('close', () => {
    isOpen = false;
  });
  const bound = once(socket, 'listening');
  socket.bind(port, address);
  await bound.catch((error: unknown) => Promise.reject(cannotListen('UDP', address, port, error)));
  socket.on('error', fail);
  return socket;
}

async function listenTcp(
  handle: Handle,
  address: string,
  port: number,
  fail: (error: Error) => void,
): Promise<{ close(): Promise<void> }> {
  const open = new Set<Socket>();
  const server: Server = createServer((socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    // A client that breaks off is its own affair.
    socket.on('error', () => undefined);
    socket.setTimeout(tcpIdleMs, () => socket.destroy());
    const onMessage = (message: Buffer): void =>
      void handle(message, 'tcp').then((reply) => {
        if (reply === undefined) socket.destroy();
        else if (socket.writable) socket.write(frame(reply));
      });
    socket.on('data', splitFrames(onMessage));
  });
  server.maxConnections = tcpConnections;
  const listening = once(server, 'listening');
  server.listen(port, address);
  await listening.catch((error: unknown) => Promise.reject(cannotListen('TCP', address, port, error)));
  server.on('error', fail);
  return {
    close: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
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
