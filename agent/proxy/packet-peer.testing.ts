/**
 * One peer of the packet tests, run inside a network namespace. It serves TCP and UDP, and connects to the addresses that it is
 * given. It talks JSON lines over the unix socket of its first argument (all namespaces share the file system).
 */
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';

/** A command of the test: one TCP connection, or one UDP datagram from a fixed source port. */
export interface PeerCommand {
  id: number;
  protocol: 'tcp' | 'udp';
  host: string;
  port: number;
  /** For UDP only. */
  sourcePort?: number;
}

export interface PeerReply {
  id: number;
  /** The name of the peer that answered, and the client address that it saw. */
  server?: string;
  seen?: string;
  /** The code of the error, or `TIMEOUT` after 3 s. */
  error?: string;
}

const timeoutMs = 3000;

async function main([socketPath = '', name = '', ...ports]: string[]): Promise<void> {
  await Promise.all(ports.map((port) => serve(name, Number(port))));
  const control = connect(socketPath);
  control.write(`${JSON.stringify({ name })}\n`);
  control.once('close', () => process.exit(0));
  createInterface({ input: control }).on('line', (line) => {
    const command = JSON.parse(line) as PeerCommand;
    const ask = command.protocol === 'tcp' ? askTcp : askUdp;
    void ask(command).then((reply) => control.write(`${JSON.stringify({ ...reply, id: command.id })}\n`));
  });
}

async function serve(name: string, port: number): Promise<void> {
  const answer = (seen: string | undefined): string => JSON.stringify({ server: name, seen });
  const tcp = createServer((socket) => socket.on('error', () => undefined).end(answer(socket.remoteAddress)));
  const udp = createSocket('udp4', (_message, from) => udp.send(answer(from.address), from.port, from.address));
  await new Promise<void>((resolve) => tcp.listen(port, '0.0.0.0', resolve));
  await new Promise<void>((resolve) => udp.bind(port, '0.0.0.0', resolve));
}

type Answer = Omit<PeerReply, 'id'>;

function askTcp({ host, port }: PeerCommand): Promise<Answer> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    let text = '';
    socket.setTimeout(timeoutMs, () => {
      socket.destroy();
      resolve({ error: 'TIMEOUT' });
    });
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.on('error', (error: NodeJS.ErrnoException) => resolve({ error: error.code ?? error.message }));
    socket.on('end', () => {
      socket.end();
      resolve(JSON.parse(text) as Answer);
    });
  });
}

function askUdp({ host, port, sourcePort }: PeerCommand): Promise<Answer> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    const finish = (answer: Answer): void => {
      clearTimeout(timer);
      socket.close(() => resolve(answer));
    };
    const timer = setTimeout(() => finish({ error: 'TIMEOUT' }), timeoutMs);
    socket.on('message', (message) => finish(JSON.parse(message.toString()) as Answer));
    socket.on('error', (error: NodeJS.ErrnoException) => finish({ error: error.code ?? error.message }));
    socket.bind(sourcePort ?? 0, () => socket.connect(port, host, () => socket.send('?')));
  });
}

await main(process.argv.slice(2));
