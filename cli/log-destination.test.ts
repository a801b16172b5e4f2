import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { createLogDestination } from './log-destination.ts';

const failure = (code: string): Error => Object.assign(new Error(code), { code });

describe('createLogDestination', () => {
  /** A file that accepts `room` bytes; undefined: it accepts all. */
  function fileWith(room: number | undefined) {
    const file = { text: '', room };
    const write = (_fd: number, data: Uint8Array): number => {
      const taken = Math.min(data.length, file.room ?? data.length);
      if (taken === 0) throw failure('ENOSPC');
      file.text += Buffer.from(data.subarray(0, taken)).toString();
      if (file.room !== undefined) file.room -= taken;
      return taken;
    };
    return { file, destination: createLogDestination(1, { now: () => 0, write }) };
  }

  it('writes lines in order', () => {
    const { file, destination } = fileWith(undefined);
    for (const line of ['a\n', 'b\n']) destination.write(line);
    assert.equal(file.text, 'a\nb\n');
  });

  it('reports in a separate line, once there is room again, how many lines were lost', () => {
    const { file, destination } = fileWith(5);
    for (const line of ['abc\n', 'defg\n', 'h\n']) destination.write(line);
    assert.equal(file.text, 'abc\nd');
    file.room = undefined;
    destination.write('i\n');
    const [first, cut, report, last] = file.text.split('\n');
    assert.deepEqual([first, cut, last], ['abc', 'd', 'i']);
    assert.deepEqual(JSON.parse(report ?? ''), {
      level: 40,
      time: '1970-01-01T00:00:00.000Z',
      lost: 2,
      msg: 'log lines were lost: the log could not be written',
    });
  });

  it('waits for a slow reader of a pipe for a limited time', () => {
    let nowMs = 0;
    let busy = 3;
    const write = (_fd: number, data: Uint8Array): number => {
      nowMs += 10;
      if (busy-- > 0) throw failure('EAGAIN');
      return data.length;
    };
    const destination = createLogDestination(1, { now: () => nowMs, write });
    destination.write('a\n');
    assert.equal(nowMs, 40);
    busy = Number.POSITIVE_INFINITY;
    destination.write('b\n');
    assert.ok(nowMs < 1000, `${nowMs}`);
  });

  it('does not fail the process on a full device', () => {
    const fd = openSync('/dev/full', 'w');
    try {
      const log = pino({ level: 'info' }, createLogDestination(fd, { now: () => Date.now() }));
      for (let count = 0; count < 1000; count++) log.info({ count }, 'line');
    } finally {
      closeSync(fd);
    }
  });
});
