/**
 * Clients that ask for much and read nothing: what each of them costs. All are clients of one server and stay until the end; a first crowd
 * fills what all share, and then each kind of client comes on top of those before. Answers are large and clients few, so that one that is
 * made as a whole, for one client in nine, is found.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { tinkerNodeFlags } from '#lab/program.ts';
import { collectable, ServerProcess } from './server-process.ts';
import { askWithoutReading } from './silent-client.ts';

const objects = 300;
const objectBytes = 30_000;
const path = '/api/v1/namespaces/default/configmaps';
/** Of each kind. */
const clients = 8;
/** An answer is 9 MB; pieces, buffers of TLS and of the compressor, and what the measurement is off by, are some 500 KiB. */
const maxEachBytes = 1 << 20;

interface Question {
  target: string;
  headers: Record<string, string>;
  /** How answers go out over HTTP/2 does not depend on what they say. */
  alsoHttp2?: boolean;
}

const watchPath = `${path}?watch=1&resourceVersion=0`;
const protobuf = 'application/vnd.kubernetes.protobuf';
const questions: Record<string, Question> = {
  'a watch from revision 0': { target: watchPath, headers: {}, alsoHttp2: true },
  'a watch in protobuf': { target: watchPath, headers: { accept: `${protobuf};stream=watch` } },
  'a list': { target: path, headers: {}, alsoHttp2: true },
  'a list, indented': { target: `${path}?pretty=true`, headers: {} },
  'a list in YAML': { target: path, headers: { accept: 'application/yaml' } },
  'a list in protobuf': { target: path, headers: { accept: protobuf } },
  'a Table': {
    target: `${path}?includeObject=Object`,
    headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' },
  },
  'a list, compressed': { target: path, headers: { 'accept-encoding': 'gzip' } },
};
const cases = Object.entries(questions).flatMap(([what, question]) =>
  (question.alsoHttp2 === true ? (['http/1.1', 'h2'] as const) : (['http/1.1'] as const)).map((protocol) => ({
    ...question,
    what,
    protocol,
  })),
);

describe('clients that do not read', { timeout: 1_800_000 }, () => {
  let server: ServerProcess;
  const sockets: TLSSocket[] = [];
  before(async () => {
    server = await ServerProcess.start([], [...tinkerNodeFlags, ...collectable]);
    for (let index = 0; index < objects; index++) {
      const text = `${index}-${randomText(objectBytes)}`;
      const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `map-${index}` }, data: { text } };
      assert.equal((await server.request('POST', path, body)).status, 201);
    }
    for (const one of cases) await ask(one, 2);
    heldBytes = await settledBytes();
  });
  after(async () => {
    for (const socket of sockets) socket.destroy();
    await server.stop();
  });

  let heldBytes: number;

  async function ask({ target, headers, protocol }: (typeof cases)[number], count: number): Promise<void> {
    for (let index = 0; index < count; index++) sockets.push(await askWithoutReading(server, target, headers, protocol));
  }

  async function settledBytes(): Promise<number> {
    await server.untilIdle();
    return await server.unsharedBytes();
  }

  for (const one of cases) {
    it(`cost little with ${one.what} over ${one.protocol}`, async () => {
      const crowd = async (): Promise<number> => {
        const before = heldBytes;
        await ask(one, clients);
        heldBytes = await settledBytes();
        return (heldBytes - before) / clients;
      };
      let eachBytes = await crowd();
      // Something that all share may have come at the same time; what clients cost, the next ones cost again.
      if (eachBytes > maxEachBytes) eachBytes = await crowd();
      assert.ok(eachBytes < maxEachBytes, `${(eachBytes / 1024).toFixed(0)} KiB each`);
    });
  }
});

/** Text that cannot be compressed to nothing. */
function randomText(length: number): string {
  let text = '';
  while (text.length < length) text += Math.random().toString(36).slice(2);
  return text.slice(0, length);
}
