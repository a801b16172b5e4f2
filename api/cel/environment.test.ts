import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { estimateCost } from './cost-estimate.ts';
import { CelEnvironment } from './environment.ts';
import { fromJson } from './json-values.ts';
import { CelCompileError } from './source.ts';
import * as types from './types.ts';
import { CelCostError, CelError, type Value } from './values.ts';

const environment = new CelEnvironment({
  bindings: true,
  variables: { object: types.dynType, x: types.intType, names: types.listType(types.stringType) },
});
const pod = fromJson({
  metadata: { name: 'web-1', labels: { app: 'web' } },
  spec: {
    replicas: 3,
    ratio: 0.5,
    containers: [
      { name: 'a', image: 'r/a:1' },
      { name: 'b', image: 'r/b:2' },
    ],
    huge: 2n ** 60n,
  },
});
const run = (source: string): Value => environment.compile(source).evaluate({ object: pod, x: 5n }).value;

describe('Kubernetes’ environment of CEL', () => {
  const holding = [
    'object.spec.replicas == 3 && type(object.spec.replicas) == int && type(object.spec.ratio) == double',
    'object.spec.huge == 1152921504606846976',
    'has(object.spec.replicas) && !has(object.spec.nothing)',
    'object.spec.containers.all(c, c.image.startsWith("r/")) && object.spec.containers.exists(c, c.name == "b")',
    'object.spec.containers.map(c, c.name).join(",") == "a,b"',
    'object.metadata.labels.transformList(k, v, k + "=" + v) == ["app=web"]',
    'object.metadata.labels.transformMap(k, v, v.upperAscii()) == {"app": "WEB"}',
    'object.?spec.?nothing.?more.orValue("none") == "none"',
    'object.spec[?"replicas"].hasValue() && ![1][?5].hasValue()',
    'optional.of(1).optMap(v, v + 1).value() == 2 && !optional.none().hasValue()',
    'cel.bind(n, size(object.spec.containers), n * n) == 4',
    'quantity("1Gi").isGreaterThan(quantity("1000M")) && quantity("50k").add(20).compareTo(quantity("50020")) == 0 && sign(quantity("-1")) == -1',
    'url("https://[::1]:8443/a b?k=1&k=2").getHostname() == "::1" && url("https://x:1/a b").getEscapedPath() == "/a%20b"',
    'url("https://x/?k=1&k=2").getQuery() == {"k": ["1", "2"]} && isURL("/a") && !isURL("a")',
    'ip("fe80::1").isLinkLocalUnicast() && ip("::FFFF") == ip("::ffff") && !ip.isCanonical("::FFFF") && ip("10.0.0.1").family() == 4',
    'cidr("10.0.0.0/8").containsIP("10.9.9.9") && cidr("10.0.0.0/8").containsCIDR("10.1.0.0/16") && cidr("10.1.2.3/8").masked() == cidr("10.0.0.0/8")',
    'semver("1.2.3-rc.1").isLessThan(semver("1.2.3")) && semver("v1.2", true).patch() == 0 && !isSemver("v1.2")',
    'format.dns1123Label().validate("A").hasValue() && !format.named("uuid").value().validate("123e4567-e89b-12d3-a456-426614174000").hasValue()',
    '"a1b22".findAll("[0-9]+") == ["1", "22"] && "a1b22".find("[0-9]+") == "1" && "abc".matches("^a.c$")',
    'sets.contains([1, 2], [2]) && sets.equivalent([1, 2], [2, 1]) && !sets.intersects([1], [2])',
    '[3, 1, 2].sort() == [1, 2, 3] && [1, 2].sum() == 3 && ["b", "a"].min() == "a" && [1, 1].distinct() == [1] && lists.range(2) == [0, 1]',
    'timestamp("2024-02-29T23:30:00-01:00").getDate() == 1 && timestamp("2024-07-01T00:00:00Z").getHours("Europe/Berlin") == 2',
    'duration("1h30m").getMinutes() == 90 && duration("1h30m") + duration("30m") == duration("2h") && string(duration("1.5s")) == "1.5s"',
    '"%s is %d of %.1f, %x".format([dyn("x"), 3, 0.25, 255]) == "x is 3 of 0.2, ff"',
    'object.spec.containers.sortBy(c, c.image + "z")[0].name == "a" && [3, 1, 2].sortBy(x, -x) == [3, 2, 1]',
    // Errors on one side of a logical operator do not matter where the other side settles it.
    '(1 / 0 > 0) || true',
    '[1, 0].exists(i, 10 / i == 10)',
  ];
  for (const source of holding) it(`holds: ${source}`, () => assert.equal(run(source), true));

  it('prints values of different types', () => {
    assert.equal(environment.compile('"%s %d".format(["a", 1])').evaluate({}).value, 'a 1');
  });

  it('knows cel.bind only where it is asked for', () => {
    assert.throws(() => new CelEnvironment().compile('cel.bind(x, 1, x == 1)'), /undeclared reference to 'cel'/);
  });

  const refused: [source: string, message: string][] = [
    ['foo', "ERROR: <input>:1:1: undeclared reference to 'foo' (in container '')\n | foo\n | ^"],
    ['x + "a"', `ERROR: <input>:1:3: found no matching overload for '_+_' applied to '(int, string)'\n | x + "a"\n | ..^`],
    [
      'x.startsWith("a")',
      `ERROR: <input>:1:13: found no matching overload for 'startsWith' applied to 'int.(string)'\n | x.startsWith("a")\n | ............^`,
    ],
    [
      'x.all(y, true)',
      "ERROR: <input>:1:1: expression of type 'int' cannot be range of a comprehension (must be list, map, or dynamic)\n | x.all(y, true)\n | ^",
    ],
    ['[1, "a"]', `ERROR: <input>:1:5: expected type 'int' but found 'string'\n | [1, "a"]\n | ....^`],
    ['x.y', "ERROR: <input>:1:2: type 'int' does not support field selection\n | x.y\n | .^"],
    ['has(x)', 'ERROR: <input>:1:5: invalid argument to has() macro\n | has(x)\n | ....^'],
    ['1 +\n é +', "ERROR: <input>:2:2: Syntax error: token recognition error at: 'é'\n |  é +\n | .＾"],
    ['duration("1x")', 'ERROR: <input>:1:10: invalid duration argument\n | duration("1x")\n | .........^'],
    ['"a".matches("(")', 'ERROR: <input>:1:13: invalid matches argument\n | "a".matches("(")\n | ............^'],
    ['int("x")', 'type conversion error from string "x" to int'],
    ['[["d", 3, 2], {1: "a", "b": 2}]', `ERROR: <input>:1:8: expected type 'string' but found 'int'`],
    ['if', 'ERROR: <input>:1:1: reserved identifier: if\n | if\n | ^'],
  ];
  for (const [source, message] of refused)
    it(`refuses ${JSON.stringify(source)}`, () =>
      assert.throws(
        () => environment.compile(source),
        (error: Error) => error instanceof CelCompileError && error.message.startsWith(message),
      ));

  const failing: [source: string, message: string][] = [
    ['object.nothing', 'no such key: nothing'],
    ['[1][5]', 'index out of bounds: 5'],
    ['1 / (x - x)', 'division by zero'],
    ['x % (x - x)', 'modulus by zero'],
    ['9223372036854775807 + x', 'integer overflow'],
    ['optional.none().value()', 'optional.none() dereference'],
    ['int("x" + "y")', 'type conversion error from string "xy" to int'],
  ];
  for (const [source, message] of failing)
    it(`${source} has no value: ${message}`, () =>
      assert.throws(
        () => run(source),
        (error: unknown) => error instanceof CelError && error.message === message,
      ));
});

describe('objects with declared fields', () => {
  const fields = new Map([
    ['replicas', { type: types.intType, property: 'replicas' }],
    ['ratio', { type: types.doubleType, property: 'ratio' }],
    ['__in__', { type: types.stringType, property: 'in' }],
    ['tags', { type: types.listType(types.stringType), property: 'tags' }],
  ]);
  const spec = types.structType('Spec', fields);
  const typed = new CelEnvironment({ variables: { self: spec } });
  const self = fromJson({ replicas: 3, ratio: 2, in: 'x', tags: ['a'], more: 1 }, spec);

  it('are read by their types and CEL names', () => {
    const source = 'self.replicas == 3 && self.ratio == 2.0 && self.__in__ == "x" && self.tags[0] == "a" && has(self.tags)';
    assert.equal(typed.compile(source).evaluate({ self }).value, true);
  });

  it('have no other fields', () => {
    assert.throws(() => typed.compile('self.more'), /undefined field 'more'/);
    assert.throws(
      () => typed.compile('self.tags == "a"'),
      /found no matching overload for '_==_' applied to '\(list\(string\), string\)'/,
    );
  });
});

describe('costs', () => {
  /** Source of the numbers: apiserver `pkg/cel/library/cost_test.go`; literals cost nothing when they are evaluated in Kubernetes' environment. */
  const known: [source: string, min: number, max: number, actual: number][] = [
    ['[1, 2, 3, 4, 5].sum()', 15, 15, 5],
    ['"abcdefghij".lowerAscii()', 1, 1, 1],
    ['"abc 123 def 123".replace("123", "456")', 3, 3, 3],
    ['"abc 123 def 123".split(" ")', 3, 3, 3],
    ['"abc 123 def 123".find("123")', 2, 2, 2],
    ['isIP("192.168.0.1")', 2, 2, 2],
    ['cidr("192.168.0.0/16").containsIP(ip("192.168.0.1"))', 5, 8, 5],
    ['quantity("12Mi").add(quantity("1Mi"))', 3, 3, 3],
    ['[1, 2, 3].all(i, i > 0)', 20, 26, 16],
    ['{"a": 1}["a"]', 31, 31, 2],
  ];
  for (const [source, min, max, actual] of known)
    it(`of ${source}`, () => {
      const program = environment.compile(source);
      assert.deepEqual(estimateCost(program.checked), { min, max });
      assert.equal(program.evaluate({}).cost, actual);
    });

  it('are estimated by what is known of sizes', () => {
    const program = environment.compile('names.all(n, n.startsWith("a") || n.contains("bb"))');
    const unlimited = estimateCost(program.checked);
    assert.ok(unlimited.max >= 2 ** 64);
    const limited = estimateCost(program.checked, (path) => {
      if (path.join('.') === 'names') return { min: 0, max: 10 };
      return path.join('.') === 'names.@items' ? { min: 0, max: 20 } : undefined;
    });
    assert.deepEqual(limited, { min: 2, max: 82 });
  });

  it('end an evaluation at the limit, also within what absorbs errors', () => {
    const many = fromJson(Array.from({ length: 2_000 }, (_, index) => index));
    const program = environment.compile('object.all(a, object.all(b, object.exists(c, c == a + b || true)))');
    const before = process.cpuUsage().user;
    assert.throws(() => program.evaluate({ object: many }), CelCostError);
    assert.ok(process.cpuUsage().user - before < 5_000_000);
  });

  it('are small for lists of any length that are put together', () => {
    const many = fromJson(Array.from({ length: 300_000 }, (_, index) => index));
    assert.equal(environment.compile('(object + object).size()').evaluate({ object: many }).value, 600_000n);
  });

  it('are never more than estimated', () => {
    const list = fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 5 });
    const expressions = fc.constantFrom(
      'object.map(a, a + 1).size()',
      'object.filter(a, a > 3).exists(b, b == 7)',
      'object.all(a, a in object)',
      'object == object.map(a, a)',
      'object.exists_one(a, a == 3) ? object.sum() : 0',
      'object.transformList(i, v, i + v)',
      'cel.bind(b, object + object, b.all(c, c < 9))',
    );
    const typed = new CelEnvironment({ variables: { object: types.listType(types.intType) }, bindings: true });
    fc.assert(
      fc.property(list, expressions, (items, source) => {
        const program = typed.compile(source);
        const { max } = estimateCost(program.checked, (path) => (path.join('.') === 'object' ? { min: 0, max: 5 } : undefined));
        assert.ok(program.evaluate({ object: fromJson(items) }).cost <= max);
      }),
    );
  });
});

describe('any text', () => {
  const pieces = fc.array(
    fc.constantFrom(
      '(',
      ')',
      '[',
      ']',
      '{',
      '}',
      '.',
      ',',
      '?',
      ':',
      '-',
      '!',
      '+',
      '&&',
      '||',
      '==',
      '<',
      'in',
      '1',
      '1u',
      '1.5e3',
      '"a"',
      "b'x'",
      'x',
      'object',
      'has',
      'all',
      'map',
      'a',
      '`q-r`',
      'true',
      'null',
      '//',
      '\n',
      '\\',
      '\u0000',
      '\ud800',
      "'''",
      'size',
      'Object',
    ),
    { maxLength: 40 },
  );
  it('is compiled or refused, in bounded time', () => {
    fc.assert(
      fc.property(pieces, (parts) => {
        try {
          environment.compile(parts.join(' ')).evaluate({ object: pod, x: 1n });
        } catch (error) {
          assert.ok(error instanceof CelError || error instanceof CelCompileError, String((error as Error).stack));
        }
      }),
      { numRuns: 2_000 },
    );
  });

  const nested: [what: string, source: string][] = [
    ['parentheses', `${'('.repeat(10_000)}1${')'.repeat(10_000)}`],
    ['lists', `${'['.repeat(10_000)}${']'.repeat(10_000)}`],
    ['a hundred thousand selections', `object${'.a'.repeat(49_000)}`],
    ['negations', `${'!'.repeat(50_000)}true`],
    ['conjunctions', Array.from({ length: 10_000 }, () => 'true').join(' && ')],
    ['conditions', `${'true ? 1 : '.repeat(5_000)}1`],
    ['sums', Array.from({ length: 10_000 }, () => '1').join(' + ')],
    ['a long string', `"${'a'.repeat(99_000)}"`],
  ];
  for (const [what, source] of nested)
    it(`of ${what} ends in time`, () => {
      const before = process.cpuUsage().user;
      try {
        environment.compile(source).evaluate({ object: pod });
      } catch (error) {
        assert.ok(error instanceof CelError || error instanceof CelCompileError, String((error as Error).stack).slice(0, 500));
      }
      assert.ok(process.cpuUsage().user - before < 5_000_000);
    });
});
