/** Test support: clients of a streaming URL, over a WebSocket with the channels of `v4.channel.k8s.io`, and over SPDY. */
import { request } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex, Readable } from 'node:stream';
import { type ClientOptions, WebSocket } from 'ws';
import { createSpdySession, type SpdySession } from './streaming/spdy.ts';

export interface Channels {
  /** The text received on a channel so far: 0 stdin, 1 stdout, 2 stderr, 3 status, 4 resize; or a port's data and error. */
  text(channel: number): string;
  write(channel: number, data: string): void;
  close(): void;
  closed: Promise<void>;
}

export async function openChannels(url: URL, dial: (url: URL) => Promise<Duplex>): Promise<Channels> {
  const stream = await dial(url);
  const options: ClientOptions = {
    createConnection: (() => stream) as unknown as NonNullable<ClientOptions['createConnection']>,
  };
  const socket = new WebSocket(new URL(url.href.replace(/^http/, 'ws')), ['v4.channel.k8s.io'], options);
  const received = new Map<number, Buffer[]>();
  socket.on('message', (data: Buffer) => {
    const channel = data[0] ?? 0;
    received.set(channel, [...(received.get(channel) ?? []), data.subarray(1)]);
  });
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  socket.on('error', () => undefined); // `close` follows.
  return {
    text: (channel) => Buffer.concat(received.get(channel) ?? []).toString('utf8'),
    write: (channel, data) => socket.send(Buffer.concat([Buffer.from([channel]), Buffer.from(data)])),
    close: () => socket.close(),
    closed,
  };
}

/** Opens the client side of an SPDY session on a streaming URL. The server side is containerd's Go library, or ours. */
export async function openSpdy(url: URL, dial: (url: URL) => Promise<Duplex>, protocol: string): Promise<SpdySession> {
  const stream = await dial(url);
  const upgrade = request(url, {
    method: 'POST',
    headers: { Connection: 'Upgrade', Upgrade: 'SPDY/3.1', 'X-Stream-Protocol-Version': protocol },
    createConnection: () => stream as Socket,
  });
  upgrade.end();
  return await new Promise((resolve, reject) => {
    upgrade.once('error', reject);
    upgrade.once('response', (response) => reject(new Error(`upgrade was answered with ${response.statusCode}`)));
    upgrade.once('upgrade', (_response, socket, head) => resolve(createSpdySession(socket, { role: 'client' }, head)));
  });
}

/** The text of a stream until its end. */
export async function textOf(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
