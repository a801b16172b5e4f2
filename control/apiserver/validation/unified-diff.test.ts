import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { unifiedDiff } from './unified-diff.ts';

describe('a unified diff', () => {
  it('shows what differs, with the lines around it', () => {
    const [before, after] = [
      { a: 1, b: [1, 2], c: 'x' },
      { a: 1, b: [1, 3], c: 'x' },
    ];
    assert.equal(unifiedDiff(before, after), '@@ -2,7 +2,7 @@\n  "a": 1,\n  "b": [\n   1,\n-  2\n+  3\n  ],\n  "c": "x"\n }\n');
  });

  it('takes time in proportion where everything differs', () => {
    const list = (letter: string): string[] => Array.from({ length: 40_000 }, (_, index) => `${letter}${index}`);
    const startUs = process.cpuUsage().user;
    assert.equal(unifiedDiff(list('a'), list('b')).split('\n').length, 80_000 + 4);
    const cpuMs = (process.cpuUsage().user - startUs) / 1000;
    assert.ok(cpuMs < 3000, `${cpuMs} ms of CPU`);
  });
});
