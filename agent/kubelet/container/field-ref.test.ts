import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatMap } from './field-ref.ts';

describe('labels and annotations as text', () => {
  const cases: [string, string][] = [
    ['plain text, also ünïcode 😀', 'plain text, also ünïcode 😀'],
    ['"quoted" \\', '\\"quoted\\" \\\\'],
    ['a\nb\tc\rd', 'a\\nb\\tc\\rd'],
    ['\u0001\u007f\u0007\v', '\\x01\\x7f\\a\\v'],
    ['\u00a0\u2028\u{e0001}', '\\u00a0\\u2028\\U000e0001'],
  ];
  for (const [value, quoted] of cases) {
    it(`quotes ${JSON.stringify(value)} as Go does`, () => assert.equal(formatMap({ k: value }), `k="${quoted}"`));
  }
  it('is sorted by key, a line each', () => assert.equal(formatMap({ b: '2', a: '1' }), 'a="1"\nb="2"'));
});
