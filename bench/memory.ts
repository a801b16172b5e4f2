/**
 * `npm run bench -- memory [objects]`: what a server keeps in memory while clients do not read, and after a load has gone. A report, no
 * assertion; test/hostile/slow-readers.test.ts holds the bounds.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { tinkerNodeFlags } from '#lab/program.ts';
import { ServerProcess } from '#test/hostile/server-process.ts';

const objects = Number(process.argv[3] ?? 20_000);
const readers = 200;
const path = '/api/v1/namespaces/default/configmaps';
const server = await ServerProcess.start([], tinkerNodeFlags);
const mib = (bytes: number): string => `${(bytes / (1 << 20)).toFixed(0).padStart(5)} MiB`;
const say = (what: string): void => console.log(`${mib(server.residentBytes())}  ${what}`);

async function each(work: (name: string) => Promise<{ status: number; text: string }>): Promise<void> {
  const names = Array.from({ length: objects }, (_, index) => `map-${index}`);
  const start = performance.now();
  const workers = Array.from({ length: 50 }, async () => {
    for (let name = names.pop(); name !== undefined; name = names.pop()) {
      const { status, text } = await work(name);
      if (status >= 300) throw new Error(text);
    }
  });
  await Promise.all(workers);
  console.log(`           (${((objects / (performance.now() - start)) * 1000).toFixed(0)} a second)`);
}

/** Asks and never reads the answer. */
async function notReading(what: string, target: string, headers = ''): Promise<void> {
  const before = server.residentBytes();
  const sockets: TLSSocket[] = [];
  for (let index = 0; index < readers; index++) {
    const socket = await server.dial('admin');
    socket.pause();
    socket.write(`GET ${target} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`);
    sockets.push(socket);
  }
  await delay(3_000);
  const { status } = await server.request('GET', '/livez');
  const cost = (server.residentBytes() - before) / readers;
  console.log(`           ${readers} ${what} that nobody reads: ${(cost / 1024).toFixed(0)} KiB each (livez ${status})`);
  for (const socket of sockets) socket.destroy();
  await delay(1_000);
}

try {
  say('at the start');
  await each((name) =>
    server.request('POST', path, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { text: 'x'.repeat(1_000) } }),
  );
  say(`${objects} ConfigMaps made`);
  await notReading('connections', '/livez');
  await notReading('watches from revision 0', `${path}?watch=1&resourceVersion=0`);
  await notReading(
    'watches as protobuf',
    `${path}?watch=1&resourceVersion=0`,
    'Accept: application/vnd.kubernetes.protobuf;stream=watch\r\n',
  );
  await notReading('lists', path);
  await notReading('lists, compressed', path, 'Accept-Encoding: gzip\r\n');
  await notReading('Tables', path, 'Accept: application/json;as=Table;v=v1;g=meta.k8s.io\r\n');
  say('they have left');
  await each((name) => server.request('DELETE', `${path}/${name}`));
  say('all deleted');
  for (const seconds of [10, 20, 30, 60]) {
    await delay(seconds * 1_000);
    say(`${seconds} s later`);
  }
} finally {
  await server.stop();
}
