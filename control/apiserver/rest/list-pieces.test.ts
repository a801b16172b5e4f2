import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { decodeProtobuf } from '#api/codec/protobuf.ts';
import type { JsonValue } from '#api/json.ts';
import type { KubeObject } from '#api/meta.ts';
import type { TransportResponse } from '#client/transport.ts';
import { CachedObject } from '../cache/cached-object.ts';
import { withoutType } from '../cache/object-json.ts';
import { compressed } from '../serving/compression.ts';
import { collectionPieces, listPieces, pieceBytes } from './list-pieces.ts';
import { bytesResponse, piecesResponse } from './responses.ts';
import { encodeAny } from './wire.ts';

const texts = [
  '',
  'a',
  'two\nlines\n',
  '\n\n  indented\n\nlast',
  ' leading',
  'yes',
  '2026-01-01',
  'x'.repeat(40_000),
  '- a\n- b',
  'tab\t"quoted" \\',
];
const objects = texts.map(
  (text, index): KubeObject =>
    ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: {
        name: `m${index}`,
        namespace: 'default',
        uid: `${index}`,
        creationTimestamp: null,
        resourceVersion: '1',
      } as unknown as KubeObject['metadata'],
      data: { [text === '' ? 'none' : text.slice(0, 5)]: text, list: text },
    }) as unknown as KubeObject,
);
const plain = objects.map((object) => withoutType(object));
const cached = objects.map((object) => new CachedObject(`/registry/configmaps/default/${object.metadata.name}`, 1, object));
const list = { apiVersion: 'v1', kind: 'ConfigMapList', itemType: 'core/v1.ConfigMap' };
const metadata = { resourceVersion: '7', continue: 'token' };

describe('pieces of a list', () => {
  for (const count of [0, 1, objects.length]) {
    for (const format of ['json', 'yaml'] as const) {
      for (const pretty of [false, true]) {
        it(`are together what ${format}${pretty ? ', pretty,' : ''} of ${count} items is as a whole`, () => {
          const whole = encodeAny(
            { kind: list.kind, apiVersion: 'v1', metadata, items: plain.slice(0, count) as JsonValue[] },
            { format, pretty },
          );
          const pieces = [...listPieces(cached.slice(0, count), metadata, list, { format, pretty })];
          assert.equal(Buffer.concat(pieces).toString(), Buffer.from(whole).toString());
        });
      }
    }
    it(`are a protobuf list of ${count} items`, () => {
      const pieces = [...listPieces(cached.slice(0, count), metadata, list, { format: 'protobuf', pretty: false })];
      const { object } = decodeProtobuf(Buffer.concat(pieces));
      assert.deepEqual([object['metadata'], (object['items'] as unknown[] | undefined)?.length ?? 0], [metadata, count]);
    });
  }

  it('have keys of the envelope on both sides of the list, in YAML', () => {
    const envelope = { kind: 'Table', apiVersion: 'v1', metadata: {}, columnDefinitions: [{ name: 'a' }], zone: 'z' };
    const rows = plain.map((object) => ({ cells: [object['data'] as JsonValue, null], object }));
    for (const pretty of [false, true]) {
      for (const format of ['json', 'yaml'] as const) {
        const pieces = [...collectionPieces(envelope, 'zrows', rows, (row) => row, { format, pretty })];
        assert.equal(
          Buffer.concat(pieces).toString(),
          Buffer.from(encodeAny({ ...envelope, zrows: rows }, { format, pretty })).toString(),
        );
      }
    }
  });

  it('are small, whatever the objects are', () => {
    for (const format of ['json', 'yaml', 'protobuf'] as const)
      for (const piece of listPieces(cached, metadata, list, { format, pretty: false }))
        assert.ok(piece.length <= 4 * pieceBytes);
  });

  it('let others in while the lengths of a long list in protobuf are found out', () => {
    const many = Array.from({ length: 40 }, () => cached).flat();
    const pieces = [...listPieces(many, metadata, list, { format: 'protobuf', pretty: false })];
    const pauses = pieces.findIndex((piece) => piece.length > 0);
    assert.ok(pauses > 4, `${pauses} pauses`);
    const { object } = decodeProtobuf(Buffer.concat(pieces));
    assert.equal((object['items'] as unknown[]).length, many.length);
  });

  it('are made when they are asked for', async () => {
    let made = 0;
    const many = Array.from({ length: 10_000 }, (_, index) => index);
    const make = (index: number): JsonValue => {
      made++;
      return { index, text: 'x'.repeat(1_000) };
    };
    const envelope = { kind: 'List', apiVersion: 'v1', metadata: {} };
    const { body } = await piecesResponse(
      200,
      'application/json',
      collectionPieces(envelope, 'items', many, make, { format: 'json', pretty: false }),
    );
    const reader = body[Symbol.asyncIterator]();
    await reader.next();
    assert.ok(made < 100, `${made}`);
    await reader.return?.();
    assert.ok(made < 100, `${made}`);
  });
});

describe('compressed', () => {
  const ask = { method: 'GET', path: '/', headers: { 'accept-encoding': 'gzip' } };
  const bytesOf = async ({ body }: TransportResponse): Promise<Buffer> => {
    const pieces: Uint8Array[] = [];
    for await (const piece of body) pieces.push(piece);
    return Buffer.concat(pieces);
  };
  const response = (body: AsyncIterable<Uint8Array>): TransportResponse => ({
    status: 200,
    headers: { 'content-type': 'text/plain' },
    body,
  });

  it('leaves small answers and other clients alone, and gives the length where it is known', async () => {
    const small = bytesResponse(200, 'text/plain', Buffer.alloc(1_000));
    assert.equal(await compressed(ask, small), small);
    assert.equal(await compressed({ ...ask, headers: {} }, small), small);
    async function* pieces(): AsyncGenerator<Uint8Array> {
      for (let index = 0; index < 3; index++) yield Buffer.from(`${index}`);
    }
    const known = await compressed(ask, response(pieces()));
    assert.deepEqual([known.headers['content-length'], (await bytesOf(known)).toString()], ['3', '012']);
  });

  it('passes large ones through zlib, no further than they are read', async () => {
    let given = 0;
    let isEnded = false;
    async function* pieces(): AsyncGenerator<Uint8Array> {
      try {
        for (; given < 1_000; given++)
          yield Buffer.from(Array.from({ length: 16_384 }, (_, index) => (index * 2_654_435_761) >>> (given % 24)));
      } finally {
        isEnded = true;
      }
    }
    const reader = (await compressed(ask, response(pieces()))).body[Symbol.asyncIterator]();
    await reader.next();
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.ok(given < 100, `${given}`);
    await reader.return?.();
    assert.equal(isEnded, true);
    given = 900;
    const whole = await compressed(ask, response(pieces()));
    assert.equal(whole.headers['content-encoding'], 'gzip');
    assert.equal(gunzipSync(await bytesOf(whole)).length, 100 * 16_384);
  });

  it('breaks off where its source does', async () => {
    async function* pieces(): AsyncGenerator<Uint8Array> {
      for (let index = 0; index < 20; index++) yield Buffer.alloc(16_384, index);
      throw new Error('the rest is missing');
    }
    await assert.rejects(bytesOf(await compressed(ask, response(pieces()))), /the rest is missing/);
  });
});
