import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatDuration, parseDuration } from './duration.ts';

describe('a Go duration', () => {
  const cases: [string, number][] = [
    ['0', 0],
    ['1s', 1000],
    ['1h15m30.918s', 4_530_918],
    ['-1.5h', -5_400_000],
    ['.5s', 500],
    ['1.s', 1000],
    ['100µs', 0.1],
    ['+2ms', 2],
  ];
  for (const [text, ms] of cases) it(`${text} is ${ms} ms`, () => assert.ok(Math.abs(parseDuration(text) - ms) < 1e-9));
  const refused: [string, string][] = [
    ['', 'time: invalid duration ""'],
    ['abc', 'time: invalid duration "abc"'],
    ['10', 'time: missing unit in duration "10"'],
    ['1d', 'time: unknown unit "d" in duration "1d"'],
    ['1s2', 'time: missing unit in duration "1s2"'],
    ['.s', 'time: invalid duration ".s"'],
    ['-', 'time: invalid duration "-"'],
    ['9999999999h', 'time: invalid duration "9999999999h"'],
    [' 1s', 'time: invalid duration " 1s"'],
  ];
  for (const [text, message] of refused)
    it(`${JSON.stringify(text)} is refused`, () => assert.throws(() => parseDuration(text), { message }));
});

describe('a duration as Go prints it', () => {
  const cases: [number, string][] = [
    [0, '0s'],
    [15_123, '15.123s'],
    [15_000, '15s'],
    [250, '250ms'],
    [1.5, '1.5ms'],
    [0.0015, '1.5µs'],
    [60_000, '1m0s'],
    [3_600_500, '1h0m0.5s'],
    [4_530_918, '1h15m30.918s'],
    [-90_000, '-1m30s'],
  ];
  for (const [ms, text] of cases) it(`${ms} ms is ${text}`, () => assert.equal(formatDuration(ms), text));
});
