/** Clients that ask for much and read nothing: what they cost and that others are served meanwhile. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { tinkerNodeFlags } from '#lab/program.ts';
import { flags, frame, frameTypes, get, headerBlock, preface } from './http2-frames.ts';
import { collectable, ServerProcess } from './server-process.ts';

const objects = 800;
const path = '/api/v1/namespaces/default/configmaps';
/** Everything together: what one answer takes that is made as a whole. */
const answerBytes = objects * 6_000;

describe('clients that do not read', { timeout: 600_000 }, () => {
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

  /** `readers`: fewer where making the answer takes long. */
  const questions: Record<string, { target: string; headers: Record<string, string>; readers: number }> = {
    'a watch from revision 0': { target: `${path}?watch=1&resourceVersion=0`, readers: 20, headers: {} },
    'a watch in protobuf': {
      target: `${path}?watch=1&resourceVersion=0`,
      readers: 20,
      headers: { accept: 'application/vnd.kubernetes.protobuf;stream=watch' },
    },
    'a list': { target: path, readers: 20, headers: {} },
    'a list, indented': { target: `${path}?pretty=true`, readers: 6, headers: {} },
    'a list in YAML': { target: path, readers: 4, headers: { accept: 'application/yaml' } },
    'a list in protobuf': { target: path, readers: 20, headers: { accept: 'application/vnd.kubernetes.protobuf' } },
    'a Table': {
      target: `${path}?includeObject=Object`,
      readers: 6,
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
            const socket = await server.dial('admin', protocol === 'HTTP/2' ? 'h2' : 'http/1.1');
            socket.pause();
            if (protocol === 'HTTP/2') {
              const block = headerBlock([...get(target), ...Object.entries(headers)]);
              // A window as large as can be: nothing but the connection holds the answer back.
              const widen = frame(frameTypes.windowUpdate, 0, 0, Buffer.from([0x3f, 0xff, 0, 0]));
              const settings = frame(frameTypes.settings, 0, 0, Buffer.from([0, 4, 0x3f, 0xff, 0, 0]));
              const request = frame(frameTypes.headers, flags.endHeaders | flags.endStream, 1, block);
              socket.write(Buffer.concat([preface, settings, widen, request]));
            } else {
              const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
              socket.write(`GET ${target} HTTP/1.1\r\nHost: x\r\n${lines.join('')}\r\n`);
            }
            sockets.push(socket);
          }
          await delay(500);
          // The requests of this connection stand behind the work on those.
          assert.equal((await server.request('GET', '/api/v1/namespaces/default')).status, 200);
        };
        // The first crowd fills what is shared and what the allocator keeps; it stays.
        await ask(readers);
        const start = await server.collectedBytes();
        await ask(readers);
        const each = ((await server.collectedBytes()) - start) / readers;
        for (const socket of sockets) socket.destroy();
        // An answer made as a whole costs itself, and once more as it waits encrypted; the allocator's own comings and goings cost some.
        assert.ok(each < answerBytes / 2, `${(each / 1024).toFixed(0)} KiB each`);
      });
    }
  }
});
