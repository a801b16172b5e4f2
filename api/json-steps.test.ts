import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { copyJson } from './copy-json.ts';
import { jsonText } from './go-json.ts';
import { parseExact, stringifyExact } from './int64.ts';
import { copySteps, jsonBytesSteps, parseSteps, sameSteps } from './json-steps.ts';
import { sameJson } from './meta.ts';
import type { Steps } from './steps.ts';

/** All steps, and how many there were. */
function done<T>(steps: Steps<T>): { value: T; steps: number } {
  for (let count = 1; ; count++) {
    const step = steps.next();
    if (step.done === true) return { value: step.value, steps: count };
  }
}

const outcome = (work: () => unknown): unknown => {
  try {
    return { value: work() };
  } catch (error) {
    return { error: String(error) };
  }
};

const members = (count: number, value: (index: number) => unknown): Record<string, unknown> =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, value(index)]));

/** Values of which parts are too large to be read or written at once. */
const large: Record<string, unknown> = {
  'a flat map': members(25_000, () => 'v'),
  'a map of empty maps': members(25_000, () => ({})),
  'a map of numbers': members(25_000, (index) => index / 8),
  'a list': Array.from({ length: 90_000 }, (_, index) => index),
  'a list of objects': Array.from({ length: 30_000 }, (_, index) => ({ name: `v${index}`, emptyDir: {}, ports: [1, 2] })),
  'a list of lists': Array.from({ length: 300 }, () => Array.from({ length: 300 }, () => 'x')),
  'maps in maps': members(150, () => members(150, (index) => ({ [`"\n\\${index}`]: null }))),
  'large integers': members(5_000, (index) => 2n ** 62n + BigInt(index)),
  'keys of objects': {
    ...members(5_000, () => 'v'),
    constructor: 'x',
    toString: { a: members(200, () => true) },
    ['__proto__']: 'y',
  },
};

describe('large JSON values in steps', () => {
  for (const [name, value] of Object.entries(large)) {
    it(`${name}: read, written, compared and copied as at once, in many steps`, () => {
      const text = stringifyExact(value);
      const read = done(parseSteps(text));
      assert.deepEqual(read.value, parseExact(text));
      const written = done(jsonBytesSteps(value, '\n'));
      assert.equal(Buffer.from(written.value).toString(), `${jsonText(value)}\n`);
      assert.equal(written.value.buffer.byteLength, written.value.length);
      const copied = done(copySteps(value));
      assert.deepEqual(copied.value, value);
      const compared = done(sameSteps(value, copied.value));
      assert.equal(compared.value, true);
      for (const { steps } of [read, written, copied, compared]) assert.ok(steps > 2, `${steps} steps`);
    });
  }

  it('tells apart what differs anywhere', () => {
    const map = members(3_000, (index) => ({ a: index }));
    const other = (change: (copy: Record<string, unknown>) => void): boolean => {
      const copy = copyJson(map);
      change(copy);
      const isSame = done(sameSteps(map, copy)).value;
      assert.equal(done(sameSteps(copy, map)).value, isSame);
      assert.equal(sameJson(map, copy), isSame);
      return isSame;
    };
    assert.equal(
      other((copy) => void (copy['k2999'] = { a: 1 })),
      false,
    );
    assert.equal(
      other((copy) => void (copy['more'] = 1)),
      false,
    );
    assert.equal(
      other((copy) => void delete copy['k7']),
      false,
    );
    assert.equal(
      other((copy) => void (copy['absent'] = undefined)),
      true,
    );
    assert.equal(
      other((copy) => void (copy['k7'] = undefined)),
      false,
    );
    const first = copyJson(map['k0']);
    assert.equal(
      other((copy) => void (delete copy['k0'], (copy['k0'] = first))),
      true,
    );
    assert.equal(done(sameSteps({ ...map, x: {} }, { ...map, y: {} })).value, false);
    const inherited = { ...map, ['__proto__']: {} };
    assert.equal(done(sameSteps(inherited, { ...map, x: {} })).value, sameJson(inherited, { ...map, x: {} }));
  });

  it('reads and refuses what JSON.parse reads and refuses, with its words', () => {
    const json = fc.json({ maxDepth: 6 });
    const spaced = fc.json().map((text) => `${' '.repeat(5_000)}[${text},${' '.repeat(5_000)}{\n}\t]`);
    const broken = fc
      .tuple(
        json,
        fc.nat(),
        fc.constantFrom('', '"', '{', '}', '[', ']', ',', ':', '\\', '1', '-', 'e', '.', 't', '\n', '\u0001'),
      )
      .map(([text, at, char]) => `[${text.slice(0, at % (text.length + 1))}${char}${text.slice((at % (text.length + 1)) + 1)}]`);
    fc.assert(
      fc.property(fc.oneof(json, spaced, broken), (text) => {
        for (const each of [text, `[${text},"${'x'.repeat(5_000)}"]`])
          assert.deepEqual(
            outcome(() => done(parseSteps(each)).value),
            outcome(() => parseExact(each)),
          );
      }),
      { numRuns: 2_000 },
    );
  });

  it('writes, compares and copies any value as at once', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        // Beside something large, so that it is not done at once.
        const [left, right] = [a, b].map((value) => ({ value, more: members(150, () => value) }));
        assert.equal(Buffer.from(done(jsonBytesSteps(left)).value).toString(), jsonText(left));
        assert.deepEqual(done(copySteps(left)).value, left);
        assert.equal(done(sameSteps(left, right)).value, sameJson(left, right));
        assert.equal(done(sameSteps(left, copyJson(left))).value, true);
      }),
    );
  });
});
