import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { cpuMs } from '#test/cpu-time.ts';
import { numberFromText, parseExact, parseInt64, parseUint64, stringifyExact, tryParseInt64 } from './int64.ts';

const large = 9007199254740993n;

describe('JSON with 64-bit integers', () => {
  const cases: [text: string, expected: unknown][] = [
    ['9007199254740993', large],
    [' -9007199254740993\n', -large],
    ['[9007199254740993]', [large]],
    ['{"a":9007199254740993,"b":[1,-9223372036854775808]}', { a: large, b: [1, -(2n ** 63n)] }],
    ['{\n  "a": 9007199254740993\n}', { a: large }],
    // A number beyond int64, or one that is no integer, becomes what JSON.parse makes of it.
    ['[9223372036854775808]', [2 ** 63]],
    ['[1234567890123456.5, 1e20, 12345678901234567e2]', [1_234_567_890_123_456.5, 1e20, Number('12345678901234567e2')]],
    ['[1234567890123456]', [1_234_567_890_123_456]],
    ['[0.12345678901234567890]', [0.123_456_789_012_345_68]],
    // Strings and keys do not change.
    [
      '{"a":" 9007199254740993 ","b":"\\":9007199254740993,","9007199254740993":9007199254740993}',
      { a: ' 9007199254740993 ', b: '":9007199254740993,', '9007199254740993': large },
    ],
    ['{"__proto__":9007199254740993}', Object.defineProperty({}, '__proto__', { value: large, enumerable: true })],
  ];
  for (const [text, expected] of cases) it(JSON.stringify(text), () => assert.deepEqual(parseExact(text), expected));

  for (const text of [
    '{9007199254740993:1}',
    '[09007199254740993]',
    '[--9007199254740993]',
    '[9007199254740993',
    '{"a":9007199254740993}}',
    '["\n",9007199254740993]',
  ])
    it(`refuses ${JSON.stringify(text)} in JSON.parse’s words`, () => {
      const { message } = (() => {
        try {
          JSON.parse(text);
        } catch (error) {
          return error as SyntaxError;
        }
        throw new Error('JSON.parse takes it');
      })();
      assert.throws(() => parseExact(text), { name: 'SyntaxError', message });
    });

  it('reads back its own output', () => {
    const integer = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((value) => numberFromText(String(value)));
    const leaf = fc.oneof(
      integer,
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
      fc.string(),
      fc.constantFrom(null, true, '9007199254740993,', '"'),
    );
    const value = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        leaf,
        fc.array(tie('value')),
        fc.dictionary(fc.string(), tie('value'), { noNullPrototype: true }),
      ),
    })).value;
    fc.assert(
      fc.property(value, fc.constantFrom(undefined, 1), (one, indent) => {
        const text = stringifyExact(one, indent);
        assert.deepEqual(
          parseExact(text),
          JSON.parse(text, ((_key: string, read: unknown, { source }: { source?: string }) =>
            typeof read === 'number' && source !== undefined ? numberFromText(source) : read) as never),
        );
        assert.equal(stringifyExact(parseExact(text), indent), text);
      }),
    );
  });

  it('accepts nesting and strings of any size', () => {
    const depth = 50_000;
    assert.equal(innermost(parseExact(`${'['.repeat(depth)}9007199254740993${']'.repeat(depth)}`)), large);
    const long = '\\"'.repeat(1_000_000);
    assert.deepEqual((parseExact(`{"a":"${long}","b":9007199254740993}`) as { b: unknown }).b, large);
  });

  it('reads a number of ten million digits in no time, for BigInt would take seconds', () => {
    const digits = '9'.repeat(10_000_000);
    const startMs = cpuMs();
    assert.equal(numberFromText(digits), Number.POSITIVE_INFINITY);
    assert.equal(tryParseInt64(digits), undefined);
    const tookMs = cpuMs() - startMs;
    assert.ok(tookMs < 1000, `${tookMs} ms`);
  });

  it('does not slow down much when one object of a list has a large integer', () => {
    const item = { metadata: { name: 'a', labels: { a: 'b' } }, spec: { containers: [{ name: 'c', ports: [1, 2, 3] }] }, id: 1 };
    const text = JSON.stringify(Array.from({ length: 20_000 }, () => item));
    const best = (run: () => unknown): number =>
      Math.min(
        ...[1, 2, 3, 4, 5].map(() => {
          const startMs = cpuMs();
          run();
          return cpuMs() - startMs;
        }),
      );
    const plainMs = best(() => JSON.parse(text));
    const exactMs = best(() => parseExact(text.replace('"id":1', '"id":9007199254740993')));
    // It takes about 2.5 times as long. With a reviver it would take more than ten times as long.
    assert.ok(exactMs < plainMs * 7, `${exactMs} ms against ${plainMs} ms`);
  });
});

describe('integers of 64 bits in texts', () => {
  const cases: [text: string, signed: bigint | string, unsigned: bigint | string][] = [
    ['0', 0n, 0n],
    ['007', 7n, 7n],
    ['+5', 5n, 'invalid syntax'],
    ['-05', -5n, 'invalid syntax'],
    ['9223372036854775807', 2n ** 63n - 1n, 2n ** 63n - 1n],
    ['-9223372036854775808', -(2n ** 63n), 'invalid syntax'],
    ['-9223372036854775809', 'value out of range', 'invalid syntax'],
    ['18446744073709551615', 'value out of range', 2n ** 64n - 1n],
    ['18446744073709551616', 'value out of range', 'value out of range'],
    [`${'0'.repeat(100)}1`, 1n, 1n],
    ['9'.repeat(100), 'value out of range', 'value out of range'],
    ['', 'invalid syntax', 'invalid syntax'],
    ['1.0', 'invalid syntax', 'invalid syntax'],
  ];
  for (const [text, signed, unsigned] of cases) {
    it(JSON.stringify(text), () => {
      const expect = (call: string, expected: bigint | string, parse: () => bigint): void => {
        if (typeof expected === 'bigint') assert.equal(parse(), expected);
        else
          assert.throws(parse, { name: 'RangeError', message: `strconv.${call}: parsing ${JSON.stringify(text)}: ${expected}` });
      };
      expect('ParseInt', signed, () => parseInt64(text));
      expect('Atoi', signed, () => parseInt64(text, 'Atoi'));
      expect('ParseUint', unsigned, () => parseUint64(text));
      assert.equal(tryParseInt64(text), typeof signed === 'bigint' ? signed : undefined);
    });
  }
});

function innermost(value: unknown): unknown {
  let leaf = value;
  while (Array.isArray(leaf)) leaf = leaf[0];
  return leaf;
}
