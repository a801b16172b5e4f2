import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { after, criLine, type LogEntry, positionIn, readEntries, sinceOf } from './container-log.ts';

const entries = (...times: string[]): LogEntry[] =>
  times.map((time, index) => ({ stream: 'stdout', time, text: String(index), partial: false }));

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function* given<Item>(items: readonly Item[]): AsyncIterable<Item> {
  yield* items;
}

function frame(stream: number, text: string): Buffer {
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([header, Buffer.from(text)]);
}

describe('the log of a container', () => {
  it('is read from frames, whatever pieces the connection delivers', async () => {
    const bytes = Buffer.concat([frame(1, '2026-01-01T00:00:00.1Z grüß\n'), frame(2, '2026-01-01T00:00:00.2Z no end')]);
    for (const size of [1, 5, 9, bytes.length]) {
      const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
        bytes.subarray(index * size, (index + 1) * size),
      );
      const lines = (await collect(readEntries(Readable.from(chunks), false))).map(criLine);
      assert.deepEqual(
        lines,
        ['2026-01-01T00:00:00.1Z stdout F grüß\n', '2026-01-01T00:00:00.2Z stderr P no end\n'],
        `${size} bytes at once`,
      );
    }
  });

  it('is read as plain lines when the container has a terminal', async () => {
    const lines = (await collect(readEntries(Readable.from([Buffer.from('T1 a\r\nT2 b')]), true))).map(criLine);
    assert.deepEqual(lines, ['T1 stdout F a\r\n', 'T2 stdout P b\n']);
  });

  it('continues after the last written line, also among lines with the same time', async () => {
    const cases: readonly [string, readonly string[], readonly string[]][] = [
      ['', ['T1', 'T2'], ['0', '1']],
      ['T1 stdout F x\n', ['T1', 'T1', 'T2'], ['1', '2']],
      ['T1 stdout F x\nT1 stderr F y\n', ['T1', 'T1', 'T2'], ['2']],
      ['T0 stdout F x\nT2 stdout F y\n', ['T1', 'T2', 'T3'], ['2']],
    ];
    const time = (name: string): string => `2026-01-01T00:00:00.${name.slice(1)}Z`;
    for (const [written, times, rest] of cases) {
      const position = positionIn(written.replaceAll(/^T\d/gm, time));
      const left = await collect(after(given(entries(...times.map(time))), position));
      assert.deepEqual(
        left.map(({ text }) => text),
        rest,
        written,
      );
    }
  });

  it('compares times whose fraction ends in zeros, which RFC 3339 leaves out', async () => {
    const position = positionIn('2026-01-01T00:00:00.12Z stdout F x\n');
    const left = await collect(
      after(given(entries('2026-01-01T00:00:00Z', '2026-01-01T00:00:00.119Z', '2026-01-01T00:00:00.120000001Z')), position),
    );
    assert.deepEqual(
      left.map(({ text }) => text),
      ['2'],
    );
  });

  it('asks Docker for entries since seconds with nanoseconds', () => {
    assert.equal(sinceOf({ time: '', count: 0 }), '0');
    assert.equal(sinceOf({ time: '2026-01-01T00:00:00.12Z', count: 1 }), '1767225600.120000000');
  });
});
