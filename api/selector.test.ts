import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  exactField,
  exactLabel,
  fieldSelectorText,
  formatLabelSelector,
  type LabelRequirement,
  labelMatcher,
  labelMatcherOfMap,
  labelMatcherText,
  matchesFields,
  matchesLabels,
  parseFieldSelector,
  parseLabelSelector,
  SelectorError,
} from './selector.ts';

describe('label selectors', () => {
  const matches: [selector: string, labels: Record<string, string>, expected: boolean][] = [
    ['', { x: 'y' }, true],
    ['x=y', { x: 'y' }, true],
    ['x==y,z=w', { x: 'y', z: 'w' }, true],
    ['x=y', { x: 'z' }, false],
    ['x=y', {}, false],
    ['x!=y', {}, true],
    ['x!=y', { x: 'y' }, false],
    ['x=', { x: '' }, true],
    ['notin=in', { notin: 'in' }, true],
    ['x', { x: '' }, true],
    ['!x', { x: 'z' }, false],
    ['!x', { y: 'z' }, true],
    ['x in (a,b)', { x: 'b' }, true],
    ['x in (a,b)', { x: 'c' }, false],
    ['x in (in,notin)', { x: 'notin' }, true],
    ['x in ()', { x: '' }, true],
    ['x in (,a)', { x: '' }, true],
    ['x notin (a,b)', {}, true],
    ['x notin (a,b)', { x: 'a' }, false],
    ['x>1', { x: '2' }, true],
    ['x>1', { x: '1' }, false],
    ['x<1', { x: '0' }, true],
    ['x<1', { x: 'a' }, false],
    ['x<1', {}, false],
    ['toString', {}, false],
    [' x = y , z ', { x: 'y', z: '' }, true],
  ];
  for (const [selector, labels, expected] of matches) {
    it(`${JSON.stringify(selector)} ${expected ? 'selects' : 'does not select'} ${JSON.stringify(labels)}`, () => {
      assert.equal(matchesLabels(parseLabelSelector(selector), labels), expected);
    });
  }

  const wrong: [selector: string, message: string][] = [
    [
      'x=a||y=b',
      "unable to parse requirement: values[0][x]: Invalid value: \"a||y\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
    ],
    ['x==a==b', "found '==', expected: ',' or 'end of string'"],
    ['!x=a', "found '=', expected: ',' or 'end of string'"],
    [',', "found ',', expected: !, identifier, or 'end of string'"],
    ['x,', "found '', expected: identifier after ','"],
    ['!', "unable to parse requirement: found '', expected: identifier"],
    ['x y', "unable to parse requirement: found 'y', expected: in, notin, =, ==, !=, gt, lt"],
    ['x in', "unable to parse requirement: found '' expected: '('"],
    ['x in (', "unable to parse requirement: found '', expected: ',', ')' or identifier"],
    ['x in (a', "unable to parse requirement: found '', expected: ',' or ')'"],
    ['x in (a,', "unable to parse requirement: found '', expected: ',', or identifier"],
    ['x=(', "unable to parse requirement: found '(', expected: identifier"],
    [
      'x<a',
      "unable to parse requirement: values[0]: Invalid value: \"a\": for 'Gt', 'Lt' operators, the value must be an integer",
    ],
    [
      'a/b/c=d',
      "unable to parse requirement: <nil>: Invalid value: \"a/b/c\": a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
    ],
  ];
  for (const [selector, message] of wrong) {
    it(`refuses ${JSON.stringify(selector)}`, () => {
      assert.throws(() => parseLabelSelector(selector), new SelectorError(message));
    });
  }

  it('formats a parsed selector sorted by key, and parses that to the same selector', () => {
    const matcher = parseLabelSelector('z,!y,x in (b,a),w=1,v!=2,u>3');
    assert.equal(labelMatcherText(matcher), 'u>3,v!=2,w=1,x in (a,b),!y,z');
    assert.deepEqual(parseLabelSelector(labelMatcherText(matcher)), matcher);
  });

  it('an absent LabelSelector selects nothing, an empty one everything', () => {
    assert.equal(matchesLabels(labelMatcher(undefined), {}), false);
    assert.equal(matchesLabels(labelMatcher({}), { a: 'b' }), true);
    assert.equal(formatLabelSelector({}), '<none>');
  });

  it('is built from an object', () => {
    const matcher = labelMatcher({
      matchLabels: { app: 'web' },
      matchExpressions: [
        { key: 'tier', operator: 'In', values: ['a', 'b'] },
        { key: 'old', operator: 'DoesNotExist' },
      ],
    });
    assert.equal(labelMatcherText(matcher), 'app=web,!old,tier in (a,b)');
    assert.equal(exactLabel(matcher, 'app'), 'web');
    assert.equal(exactLabel(matcher, 'tier'), undefined);
    assert.throws(
      () => labelMatcher({ matchExpressions: [{ key: 'a', operator: 'Gt', values: ['1'] }] }),
      new SelectorError('"Gt" is not a valid label selector operator'),
    );
    assert.throws(
      () => labelMatcher({ matchExpressions: [{ key: 'a', operator: 'In' }] }),
      /values: Invalid value: \[\]: for 'in', 'notin' operators, values set can't be empty/,
    );
  });

  it('a map as selector matches every superset of it', () => {
    const labels = fc.dictionary(fc.constantFrom('a', 'b', 'c', '__proto__'), fc.constantFrom('x', 'y'));
    fc.assert(
      fc.property(labels, labels, (selector, more) => {
        const merged = { ...more, ...selector };
        assert.ok(matchesLabels(labelMatcherOfMap(selector), merged));
        const holds = Object.keys(selector).every((key) => Object.hasOwn(more, key) && more[key] === selector[key]);
        assert.equal(matchesLabels(labelMatcherOfMap(selector), more), holds);
      }),
    );
  });
});

describe('field selectors', () => {
  it('parses, matches and writes', () => {
    const requirements = parseFieldSelector('status.phase!=Running,metadata.name==x,,spec.nodeName=');
    assert.equal(fieldSelectorText(requirements), 'metadata.name=x,spec.nodeName=,status.phase!=Running');
    assert.ok(matchesFields(requirements, { 'metadata.name': 'x', 'status.phase': 'Pending' }));
    assert.ok(!matchesFields(requirements, { 'metadata.name': 'x', 'status.phase': 'Running' }));
    assert.ok(!matchesFields(requirements, { 'metadata.name': 'x', 'spec.nodeName': 'n' }));
    assert.equal(exactField(requirements, 'metadata.name'), 'x');
    assert.equal(exactField(requirements, 'status.phase'), undefined);
    assert.deepEqual(parseFieldSelector(''), []);
  });

  const wrong: [selector: string, message: string][] = [
    ['a', "invalid selector: 'a'; can't understand 'a'"],
    ['a=b=c', 'invalid field selector: unescaped character in value: 61'],
    ['a=b\\x', 'invalid field selector: invalid escape sequence: \\x'],
    ['a=b\\', 'invalid field selector: invalid escape sequence: \\'],
  ];
  for (const [selector, message] of wrong) {
    it(`refuses ${selector}`, () => assert.throws(() => parseFieldSelector(selector), new SelectorError(message)));
  }

  it('escapes any value so that it parses back', () => {
    const value = fc.string({ unit: fc.constantFrom('a', ',', '=', '\\', '!', 'ä') });
    fc.assert(
      fc.property(value, (text) => {
        const written = fieldSelectorText([{ field: 'f', operator: '!=', value: text }]);
        assert.deepEqual(parseFieldSelector(written), [{ field: 'f', operator: '!=', value: text }]);
      }),
    );
  });
});

describe('a selector of many requirements', () => {
  const keys = fc.constantFrom('a', 'b', 'c', 'constructor');
  const values = fc.constantFrom('', '1', '2', '10', 'x');
  const labels = fc.dictionary(keys, values);

  it('matches what all of its requirements match', () => {
    const requirement = fc.oneof(
      fc.record({ key: keys, operator: fc.constantFrom('exists', '!'), values: fc.constant([]) }),
      fc.record({ key: keys, operator: fc.constantFrom('=', '==', '!='), values: fc.tuple(values) }),
      fc.record({ key: keys, operator: fc.constantFrom('gt', 'lt'), values: fc.tuple(fc.constantFrom('1', '5')) }),
      fc.record({
        key: keys,
        operator: fc.constantFrom('in', 'notin'),
        values: fc.array(values, { minLength: 1, maxLength: 30 }),
      }),
    ) as fc.Arbitrary<LabelRequirement>;
    fc.assert(
      fc.property(fc.array(requirement, { maxLength: 3 }), fc.integer({ min: 0, max: 30 }), labels, (few, times, object) => {
        const requirements = [...few, ...Array.from({ length: times }, () => few).flat()];
        const each = requirements.every((one) => matchesLabels({ requirements: [one] }, object));
        assert.equal(matchesLabels({ requirements }, object), each);
      }),
    );
  });

  it('of fields, too', () => {
    const requirement = fc.record({ field: keys, operator: fc.constantFrom<'=' | '!='>('=', '!='), value: values });
    fc.assert(
      fc.property(fc.array(requirement, { maxLength: 40 }), labels, (requirements, fields) => {
        assert.equal(
          matchesFields(requirements, fields),
          requirements.every((one) => matchesFields([one], fields)),
        );
      }),
    );
  });

  it('takes time that grows with it, and not with it for each object', () => {
    const count = 100_000;
    const absent = Array.from({ length: count }, (_, index) => `!k${index}`).join(',');
    const values = Array.from({ length: count }, (_, index) => `v${index}`).join(',');
    const startMs = performance.now();
    const matcher = parseLabelSelector(`${'a,'.repeat(count)}${absent},k in (${values})`);
    for (let index = 0; index < 10_000; index++) assert.equal(matchesLabels(matcher, { a: '', k: `v${index}` }), true);
    assert.equal(matchesLabels(matcher, { a: '', k: 'v1', k77: '' }), false);
    // Each object with each requirement would be some 10⁹ look-ups.
    assert.ok(performance.now() - startMs < 20_000);
  });
});
