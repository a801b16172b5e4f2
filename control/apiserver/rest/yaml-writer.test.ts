import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parse, stringify } from 'yaml';
import { toYaml, yamlPieces } from './yaml-writer.ts';

const byLibrary = (value: unknown): string =>
  stringify(value, { version: '1.1', sortMapEntries: true, indentSeq: false, lineWidth: 0, aliasDuplicateObjects: false });

describe('YAML answers', () => {
  const odd = [
    '',
    ' ',
    'yes',
    'No',
    'y',
    'N',
    'on',
    'OFF',
    'true',
    'null',
    'NULL',
    '~',
    'nan',
    '.inf',
    '1',
    '1.5',
    '010',
    '0x1f',
    '1_000',
    '1e3',
    'E0',
    'e12',

    '12:30:45',
    '2026-01-01',
    '2026-01-01T00:00:00Z',
    '10.0.0.1',
    '1.2.3',
    '100m',
    '1Gi',
    '1E',
    '-',
    '- a',
    '--',
    'a: b',
    'a:',
    'a #b',

    '#',
    '&a',
    '*a',
    '!a',
    '%a',
    '@a',
    '`a',
    '|',
    '>',
    '{',
    '[',
    '{}',
    '[]',
    '?',
    '? a',
    ':',
    '"',
    "'",
    'a\nb',
    'a\n',
    '\na',
    ' a\n b\n',

    'a\n\n',
    '\n',
    '\t',
    'a\tb',
    'a\\b',
    'é',
    '\u0001',
    '\u2028',
    '\ufeff',
    'a/b.c',
    'f:data',
    'a:',
    'a::b',
    'x:/',
    'a:1',
    '_',
    '<<',
    '=',
    'x=y',
    'a, b',
    '__proto__',
    '---',
    '...',
    'x'.repeat(200),
    `a ${'x '.repeat(100)}`,
  ];
  const text = fc.oneof(fc.constantFrom(...odd), fc.string({ maxLength: 8 }), fc.string({ unit: 'binary', maxLength: 8 }));
  const { value: values } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 5 },
      text,
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }),
      fc.constantFrom(true, false, null),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(
        text.filter((key) => key !== '__proto__' && !/^(?:---|\.\.\.)/.test(key)),
        tie('value'),
        { maxKeys: 4 },
      ),
    ),
  }));

  it('are what the library writes', () => {
    fc.assert(
      fc.property(values, (value) => assert.equal(toYaml(value), byLibrary(value))),
      { numRuns: 3000 },
    );
  });

  for (const word of odd)
    it(`writes ${JSON.stringify(word.slice(0, 20))} in every place`, () => {
      for (const value of [word, [word], { a: word }, { a: [word, { b: word }], c: { d: { e: word } } }])
        assert.equal(toYaml(value), byLibrary(value));
    });

  it('quotes keys that would end a document, wherever they stand', () => {
    for (const key of ['---', '...', '--- a'])
      for (const value of [{ [key]: 1 }, [{ a: { [key]: [key] } }]]) assert.deepEqual(parse(toYaml(value)), value);
  });

  it('leaves out what is undefined', () => {
    const value = { a: undefined, b: { c: undefined }, d: [{ e: undefined }, 1] };
    assert.deepEqual(parse(toYaml(value)), { b: {}, d: [{}, 1] });
  });

  describe('of long texts', () => {
    const parts = [
      'x',
      ' ',
      '\n',
      '\t',
      ': ',
      '"',
      '\\',
      '#',
      '\n---\n',
      '\r\n',
      '\u0001',
      '\u0085',
      '\u2028',
      '\ufeff',
      '\ud800',
      '😀',
    ];
    const long = fc
      .tuple(
        fc.string({ maxLength: 5 }),
        fc.array(fc.constantFrom(...parts), { minLength: 1, maxLength: 4 }),
        fc.constantFrom(...parts, ''),
      )
      .map(([begin, middle, end]) => `${begin}${middle.join('').repeat(20_000)}${end}`);

    it('say what was to be said, wherever they stand', () => {
      fc.assert(
        fc.property(long, (text) => {
          for (const value of [{ a: text, b: 1 }, { a: [text, { b: { c: text } }] }])
            assert.deepEqual(parse(toYaml(value), { version: '1.1' }), value);
        }),
        { numRuns: 12 },
      );
    });

    it('keep lines as lines', () => {
      assert.equal(toYaml({ a: 'x: y\n'.repeat(20_000), b: 1 }), `a: |\n${'  x: y\n'.repeat(20_000)}b: 1\n`);
      assert.equal(toYaml({ a: [`${'x\n'.repeat(20_000)}x`] }), `a:\n- |-\n${'  x\n'.repeat(20_001)}`);
    });
  });

  it('come in pieces of little work each', () => {
    const values: Record<string, unknown> = {
      'many odd texts': { data: Object.fromEntries(Array.from({ length: 4_000 }, (_, index) => [`k${index}`, `${index}`])) },
      'many odd keys': { data: Object.fromEntries(Array.from({ length: 4_000 }, (_, index) => [`${index}`, 'v'])) },
      'all below an odd key': {
        'k:{"a":"b"}': Object.fromEntries(Array.from({ length: 4_000 }, (_, index) => [`k${index}`, `${index}`])),
      },
      'a text of escapes': { a: 'a\n"\u0001é'.repeat(170_000) },
      'a text of lines': { a: [['a\n'.repeat(500_000)]] },
    };
    for (const [name, value] of Object.entries(values)) {
      const pieces = [...yamlPieces(value)];
      assert.equal(pieces.join(''), toYaml(value), name);
      assert.ok(pieces.length >= 10, `${name}: ${pieces.length} pieces`);
    }
  });

  it('takes little time for very many values', () => {
    const data = Object.fromEntries(Array.from({ length: 30_000 }, (_, index) => [`k${index}`, 'v']));
    const startMs = performance.now();
    assert.equal(toYaml({ data }).length > 300_000, true);
    assert.ok(performance.now() - startMs < 5_000);
  });
});
