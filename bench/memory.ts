/**
 * `npm run bench -- memory [objects] [part of a question's name]`: measures the memory that a server keeps while clients do not
 * read, and after a load has ended. It reports and does not assert; test/hostile/slow-readers.test.ts has the bounds.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { tinkerNodeFlags } from '#lab/program.ts';
import { collectable, ServerProcess } from '#test/hostile/server-process.ts';
import { askWithoutReading } from '#test/hostile/silent-client.ts';

const objects = Number(process.argv[3] ?? 4_000);
const wanted = process.argv[4] ?? '';
const crowds = [50, 100, 200];
const path = '/api/v1/namespaces/default/configmaps';
const mib = (bytes: number): string => `${(bytes / (1 << 20)).toFixed(0).padStart(5)} MiB`;
const kib = (bytes: number): string => `${(bytes / 1024).toFixed(0)} KiB`;
const protobuf = 'application/vnd.kubernetes.protobuf';

const questions: Record<string, { target: string; headers: Record<string, string> }> = {
  'a connection': { target: '/livez', headers: {} },
  'a watch': { target: `${path}?watch=1&resourceVersion=0`, headers: {} },
  'a watch in protobuf': {
    target: `${path}?watch=1&resourceVersion=0`,
    headers: { accept: `${protobuf};stream=watch` },
  },
  'a list': { target: path, headers: {} },
  'a list in protobuf': { target: path, headers: { accept: protobuf } },
  'a list, compressed': { target: path, headers: { 'accept-encoding': 'gzip' } },
  'a Table': { target: path, headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' } },
};

const server = await ServerProcess.start([], [...tinkerNodeFlags, ...collectable]);
const report = (what: string): void => console.log(`${mib(server.residentBytes())}  ${what}`);

async function each(work: (name: string) => Promise<{ status: number; text: string }>): Promise<void> {
  const names = Array.from({ length: objects }, (_, index) => `map-${index}`);
  const start = performance.now();
  const workers = Array.from({ length: 64 }, async () => {
    for (let name = names.pop(); name !== undefined; name = names.pop()) {
      const { status, text } = await work(name);
      if (status >= 300) throw new Error(text);
    }
  });
  await Promise.all(workers);
  console.log(`           (${((objects / (performance.now() - start)) * 1000).toFixed(0)} a second)`);
}

/** Adds clients in groups and keeps the earlier ones. The first group fills the shared caches. */
async function slope(what: string, protocol: 'http/1.1' | 'h2'): Promise<void> {
  const question = questions[what] ?? { target: '/livez', headers: {} };
  const sockets: TLSSocket[] = [];
  const points: { clients: number; own: number; resident: number }[] = [];
  for (const clients of crowds) {
    while (sockets.length < clients) sockets.push(await askWithoutReading(server, question.target, question.headers, protocol));
    await delay(1_000);
    points.push({ clients, own: await server.unsharedBytes(), resident: server.residentBytes() });
  }
  const costs = points.slice(1).map((point, index) => {
    const before = points[index] ?? point;
    const count = point.clients - before.clients;
    return `${kib((point.own - before.own) / count)} (resident ${kib((point.resident - before.resident) / count)})`;
  });
  console.log(`           ${what} over ${protocol} that nobody reads: ${costs.join(', then ')} each`);
  for (const socket of sockets) socket.destroy();
  await delay(300);
}

try {
  await delay(1_000);
  report('at the start');
  await each((name) =>
    server.request('POST', path, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { text: 'x'.repeat(2_000) } }),
  );
  report(`${objects} ConfigMaps of 2 KB made`);
  for (const what of Object.keys(questions).filter((name) => name.includes(wanted)))
    for (const protocol of ['http/1.1', 'h2'] as const) await slope(what, protocol);
  report('they have left');
  await each((name) => server.request('DELETE', `${path}/${name}`));
  report('all deleted');
  if (wanted === '') {
    for (const [waitS, sinceS] of [
      [30, 30],
      [90, 120],
    ] as const) {
      await delay(waitS * 1_000);
      report(`${sinceS} s later`);
    }
  }
} finally {
  await server.stop();
}
