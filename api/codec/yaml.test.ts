import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseExact } from '../int64.ts';
import type { JsonValue } from '../json.ts';
import { DecodeError } from './json.ts';
import { decodeYaml, parseYaml, yamlToJson } from './yaml.ts';

describe('YAML', () => {
  const values: [yaml: string, value: JsonValue][] = [
    ['', null],
    ['# nothing', null],
    ['~', null],
    ['a:', { a: null }],
    ['yes', true],
    ['Off', false],
    ['"yes"', 'yes'],
    ['!!str yes', 'yes'],
    ['0777', 511],
    ['0o17', 15],
    ['0x1F', 31],
    ['-0b11', -3],
    ['08', 8],
    ['1_000', 1000],
    ['1.50', 1.5],
    ['.5', 0.5],
    ['1e3', 1000],
    ['+7', 7],
    ['18446744073709551615', 2 ** 64],
    ['2026-01-02', '2026-01-02'],
    ['2026-01-02T03:04:05Z', '2026-01-02T03:04:05Z'],
    ['1:30', '1:30'],
    ['1.2.3', '1.2.3'],
    ['100m', '100m'],
    ['!!binary YWJj', 'abc'],
    ['|\n a\n b\n', 'a\nb\n'],
    ['- 1\n- [a, {b: c}]', [1, ['a', { b: 'c' }]]],
    ['1: a\ntrue: b\n1.5: c', { '1': 'a', '1.5': 'c', true: 'b' }],
    ['x: &a {p: 1}\nz: *a', { x: { p: 1 }, z: { p: 1 } }],
    ['x: &a {p: 1, q: 2}\nz:\n  <<: *a\n  q: 3', { x: { p: 1, q: 2 }, z: { p: 1, q: 3 } }],
    ['x: &a {p: 1}\nw: &b {p: 2, r: 3}\nz:\n  <<: [*a, *b]', { x: { p: 1 }, w: { p: 2, r: 3 }, z: { p: 1, r: 3 } }],
    ['a: 1\n---\na: 2', { a: 1 }],
    ['{"a": [1, true, null]}', { a: [1, true, null] }],
    ['__proto__: 1', JSON.parse('{"__proto__":1}') as JsonValue],
  ];
  for (const [yaml, value] of values) {
    it(`${JSON.stringify(yaml)} is ${JSON.stringify(value)}`, () => assert.deepEqual(parseYaml(yaml), { value, problems: [] }));
  }

  it('sorts keys, as Go does on the way to JSON', () => {
    assert.equal(yamlToJson('b: 1\na: 2').json, '{"a":2,"b":1}');
  });

  it('reports duplicate keys with their lines', () => {
    const problem = 'yaml: unmarshal errors:\n  line 2: key "a" already set in map\n  line 5: key "c" already set in map';
    assert.deepEqual(parseYaml('a: 1\na: 2\nb:\n  c: 1\n  c: 2\n'), { value: { a: 2, b: { c: 2 } }, problems: [problem] });
    assert.equal(parseYaml('{"a":1,\n"a":2}').problems[0], 'yaml: unmarshal errors:\n  line 2: key "a" already set in map');
  });

  const wrong: [yaml: string, message: RegExp][] = [
    ['a: b: c', /^yaml: line 1: mapping values are not allowed in this context$/],
    ['a:\n\t- x', /^yaml: line 2: found character that cannot start any token$/],
    ['a: [1', /^yaml: line \d+: /],
    ['a: "x', /^yaml: line \d+: /],
    ['a: *b', /^yaml: unknown anchor 'b' referenced$/],
    ['a: &a [*a]', /^yaml: anchor 'a' value contains itself$/],
    ['a: .inf', /^json: unsupported value: \+Inf$/],
    ['? [a]\n: b', /^yaml: unsupported map key/],
  ];
  for (const [yaml, message] of wrong) {
    it(`refuses ${JSON.stringify(yaml)}`, () => {
      assert.throws(
        () => parseYaml(yaml),
        (error) => error instanceof DecodeError && message.test(error.message),
      );
    });
  }

  for (const [what, text] of [
    ['open braces', `a: ${'{b: '.repeat(200_000)}`],
    ['dashes', `${'- '.repeat(200_000)}x`],
    ['indentation', Array.from({ length: 2000 }, (_, level) => `${' '.repeat(level)}a:`).join('\n')],
  ] as const) {
    it(`refuses too deep nesting, by ${what}`, () => {
      assert.throws(() => parseYaml(text), new DecodeError('yaml: exceeded max depth of 1000'));
    });
  }

  it('refuses a document that grows exponentially by aliases', () => {
    const lines = ['a0: &a0 xxxxxxxxxx'];
    for (let depth = 1; depth < 30; depth++)
      lines.push(
        `a${depth}: &a${depth} [${Array(9)
          .fill(`*a${depth - 1}`)
          .join(', ')}]`,
      );
    assert.throws(() => parseYaml(lines.join('\n')), new DecodeError('yaml: document contains excessive aliasing'));
  });

  it('decodes objects strictly', () => {
    const text = 'apiVersion: v1\nkind: Pod\nspec:\n  zzz: 1\n  containers:\n  - name: a\n    name: b\n    foo: 1\n';
    const { object, problems } = decodeYaml(yamlToJson(text), 'core/v1.Pod', 'Strict');
    assert.deepEqual(problems, [
      'yaml: unmarshal errors:\n  line 7: key "name" already set in map',
      'unknown field "spec.containers[0].foo"',
      'unknown field "spec.zzz"',
    ]);
    assert.deepEqual(object['spec'], { containers: [{ name: 'b', resources: {} }] });
    assert.deepEqual(decodeYaml(yamlToJson(text), 'core/v1.Pod', 'Ignore').problems, []);
  });

  it('reads all JSON as JSON.parse does', () => {
    const json = fc.jsonValue().filter((value) => !JSON.stringify(value).includes('-0'));
    fc.assert(
      fc.property(json, (value) =>
        assert.deepEqual(parseYaml(JSON.stringify(value, undefined, 1)).value, parseExact(JSON.stringify(value))),
      ),
    );
  });
});

/** Bodies that take a parser far longer than their length suggests. */
describe('hostile YAML takes time in proportion to its length', () => {
  const repeat = (count: number, line: (index: number) => string, separator = '\n'): string =>
    Array.from({ length: count }, (_, index) => line(index)).join(separator);
  const layered = (depth: number, layer: (below: number) => string): string =>
    `a0: &a0 {k: v, l: w}\n${repeat(depth, (below) => `a${below + 1}: &a${below + 1} ${layer(below)}`)}`;
  const bodies: [what: string, text: string, refused?: RegExp][] = [
    ['comments', '# a comment\n'.repeat(200_000)],
    ['document starts', '---\n'.repeat(500_000)],
    ['document ends', '...\n'.repeat(200_000)],
    ['empty lines', '\n'.repeat(2_000_000)],
    ['a flat map', `data:\n${repeat(100_000, (index) => `  k${index}: v`)}`],
    ['duplicate keys', `data:\n${'  a: b\n'.repeat(100_000)}`],
    ['duplicate keys on one line', `{${'a: b, '.repeat(100_000)}}`],
    ['a flow sequence', `[${'a, '.repeat(200_000)}b]`],
    ['a flow sequence of pairs', `[${'a: b, '.repeat(100_000)}b]`],
    ['a flow sequence as key', `? [${'a, '.repeat(100_000)}b]\n: c`, /unsupported map key/],
    ['anchors', repeat(50_000, (index) => `k${index}: &a${index} v`)],
    ['tags', '- !!str a\n'.repeat(50_000)],
    ['aliases', `a: &a x\n${repeat(20_000, (index) => `k${index}: *a`)}`],
    ['aliases of a long text', `a: &a ${'x'.repeat(100_000)}\nb: [${'*a, '.repeat(500)}]`, /excessive aliasing/],
    ['merge keys that double', layered(40, (below) => `{<<: [*a${below}, *a${below}]}`), /excessive aliasing/],
    ['merge keys that grow', layered(20_000, (below) => `{<<: *a${below}, k${below}: v}`), /excessive aliasing/],
    [
      'merge keys of one map',
      `a: &a {${repeat(500, (index) => `k${index}: v`, ', ')}}\n${'<<: *a\n'.repeat(20_000)}`,
      /excessive/,
    ],
    ['aliases in aliases', layered(30, (below) => `[${Array(9).fill(`*a${below}`).join(', ')}]`), /excessive aliasing/],
    ['a block scalar', `a: |\n${'  line\n'.repeat(200_000)}`],
    ['a folded scalar', `a: >\n${'  line\n\n'.repeat(100_000)}`],
    ['block scalars', '- |\n  a\n'.repeat(50_000)],
    ['a plain scalar of many lines', `a: b\n${'  line\n'.repeat(100_000)}`],
    ['a quoted scalar of many lines', `a: "b\n${'  line \\x41 \n'.repeat(100_000)}  "`],
    ['a long key', `${'a'.repeat(2_000_000)}: b`],
    ['digits', `a: ${'7'.repeat(2_000_000)}`],
    ['zeros', `a: ${'0'.repeat(2_000_000)}1`],
    ['hexadecimal digits', `a: 0x${'f'.repeat(2_000_000)}`],
    ['unclosed quotes', '- "x\n'.repeat(100_000), /^yaml: line/],
    ['directives', `${repeat(50_000, (index) => `%TAG !a${index}! x`)}\n--- a`],
  ];
  for (const [what, text, refused] of bodies) {
    it(what, () => {
      const startUs = process.cpuUsage().user;
      let message = '';
      try {
        yamlToJson(text);
      } catch (error) {
        assert.ok(error instanceof DecodeError, String(error));
        message = error.message;
      }
      if (refused === undefined) assert.equal(message, '');
      else assert.match(message, refused);
      const cpuMs = (process.cpuUsage().user - startUs) / 1000;
      assert.ok(cpuMs < 1000 + 1500 * (text.length / 1e6), `${cpuMs} ms of CPU for ${text.length} characters`);
    });
  }

  it('reports a hundred duplicate keys at most', () => {
    assert.equal(yamlToJson('a: b\n'.repeat(20_000)).duplicates.split('\n').length, 101);
  });
});
