/**
 * One host of the packet tests, run inside a network namespace. It listens on the test's ports, begins connections when it is told to, and
 * tells what arrives. It talks JSON lines over the unix socket of its first argument (all namespaces share the file system).
 */
import { createSocket } from 'node:dgram';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

/** A connection that a peer is told to begin. */
export interface Attempt {
  id: string;
  from: string;
  to: string;
  protocol: 'TCP' | 'UDP';
  port: number;
  /** The ID of an attempt whose connection is still open: no new one is begun. */
  over?: string;
}

/** Connections that are still open, by ID. */
const open = new Map<string, Socket>();

const [socketPath = '', name = '', ...ports] = process.argv.slice(2);
const control = connect(socketPath);
const tell = (message: object): void => void control.write(`${JSON.stringify(message)}\n`);
control.once('close', () => process.exit(0));

for (const port of ports.map(Number)) {
  // What comes is the attempt's ID. It is never answered, so that to the connection tracker each datagram is a new connection.
  const udp = createSocket({ type: 'udp6' }, (message) => tell({ arrived: message.toString() }));
  await new Promise<void>((resolve) => udp.bind(port, '::', resolve));
  const tcp = createServer((socket) => {
    socket.on('error', () => undefined).on('data', (data) => tell({ arrived: data.toString() }));
  });
  await new Promise<void>((resolve) => tcp.listen(port, '::', resolve));
}
tell({ name });

createInterface({ input: control }).on('line', (line) => {
  for (const { id, from, to, protocol, port, over } of JSON.parse(line) as Attempt[]) {
    if (over !== undefined) open.get(over)?.write(id);
    else if (protocol === 'TCP') {
      const socket = connect({ host: to, port, localAddress: from });
      socket.on('error', () => undefined).on('connect', () => open.set(id, socket) && socket.write(id));
      // Nobody waits any more for what was dropped; what was begun stays open.
      setTimeout(() => open.get(id) !== socket && socket.destroy(), 900);
    } else {
      const socket = createSocket(to.includes(':') ? 'udp6' : 'udp4');
      socket.on('error', () => undefined).bind(0, from, () => socket.send(id, port, to, () => socket.close()));
    }
  }
});
