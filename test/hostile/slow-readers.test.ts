/** Clients that request much data and read nothing: their memory is bounded, and other clients are served meanwhile. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { tinkerNodeFlags } from '#lab/program.ts';
import { collectable, ServerProcess } from './server-process.ts';
import { askWithoutReading } from './silent-client.ts';

const objects = 800;
const path = '/api/v1/namespaces/default/configmaps';
/**
 * A third of a response: a response that is built as a whole would use its full size. Shared memory changes by some hundred KiB
 * meanwhile.
 */
const maxEachBytes = (objects * 6_000) / 3;

describe('clients that do not read', { timeout: 1_800_000 }, () => {
  let server: ServerProcess;
  before(async () => {
    server = await ServerProcess.start([], [...tinkerNodeFlags, ...collectable]);
    await each(async (name) => {
      const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { text: 'x'.repeat(5_500) } };
      assert.equal((await server.request('POST', path, body)).status, 201);
    });
  });
  after(() => server.stop());

  async function each(work: (name: string) => Promise<void>): Promise<void> {
    const names = Array.from({ length: objects }, (_, index) => `map-${index}`);
    const worker = async (): Promise<void> => {
      for (let name = names.pop(); name !== undefined; name = names.pop()) await work(name);
    };
    await Promise.all(Array.from({ length: 20 }, worker));
  }

  /** `readers` is smaller when building the response takes long. */
  const questions: Record<string, { target: string; headers: Record<string, string>; readers: number }> = {
    'a watch from revision 0': { target: `${path}?watch=1&resourceVersion=0`, readers: 20, headers: {} },
    'a watch in protobuf': {
      target: `${path}?watch=1&resourceVersion=0`,
      readers: 20,
      headers: { accept: 'application/vnd.kubernetes.protobuf;stream=watch' },
    },
    'a list': { target: path, readers: 20, headers: {} },
    'a list, indented': { target: `${path}?pretty=true`, readers: 10, headers: {} },
    'a list in YAML': { target: path, readers: 8, headers: { accept: 'application/yaml' } },
    'a list in protobuf': { target: path, readers: 20, headers: { accept: 'application/vnd.kubernetes.protobuf' } },
    'a Table': {
      target: `${path}?includeObject=Object`,
      readers: 10,
      headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' },
    },
    'a list, compressed': { target: path, readers: 20, headers: { 'accept-encoding': 'gzip' } },
  };
  for (const protocol of ['HTTP/1.1', 'HTTP/2'] as const) {
    for (const [what, { target, headers, readers }] of Object.entries(questions)) {
      it(`cost little with ${what} over ${protocol}`, async () => {
        const sockets: TLSSocket[] = [];
        const ask = async (count: number): Promise<void> => {
          for (let index = 0; index < count; index++) {
            const socket = await askWithoutReading(server, target, headers, protocol === 'HTTP/2' ? 'h2' : 'http/1.1');
            sockets.push(socket);
          }
          await delay(500);
          // This request is served after the work on the others.
          assert.equal((await server.request('GET', '/api/v1/namespaces/default')).status, 200);
        };
        // The first group fills the shared caches, which stay filled.
        await ask(readers);
        const start = await server.unsharedBytes();
        await ask(readers);
        const each = ((await server.unsharedBytes()) - start) / readers;
        for (const socket of sockets) socket.destroy();
        assert.ok(each < maxEachBytes, `${(each / 1024).toFixed(0)} KiB each`);
      });
    }
  }
});
