import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { goJson } from './go-json.ts';
import type { JsonValue } from './json.ts';

describe('JSON as Go writes it', () => {
  const cases: [what: string, value: JsonValue, text: string][] = [
    ['sorts keys, on every level', { b: [{ d: 1, c: 2 }], a: { z: 1, y: 2 } }, '{"a":{"y":2,"z":1},"b":[{"c":2,"d":1}]}'],
    ['sorts keys that look like numbers as texts', { 9: 'a', 10: 'b', x: 'c' }, '{"10":"b","9":"a","x":"c"}'],
    ['sorts by bytes', { '\u{1f600}': 1, '\uff5e': 2 }, '{"\uff5e":2,"\u{1f600}":1}'],
    ['escapes what HTML reads', { 'a&b': '<x>' }, '{"a\\u0026b":"\\u003cx\\u003e"}'],
    ['escapes line separators', 'a\u2028b\u2029', '"a\\u2028b\\u2029"'],
    ['keeps null and empty values', { b: null, a: {}, c: [], d: '' }, '{"a":{},"b":null,"c":[],"d":""}'],
    ['keeps keys of every name', JSON.parse('{"constructor":1,"__proto__":2}'), '{"__proto__":2,"constructor":1}'],
  ];
  for (const [what, value, text] of cases) it(what, () => assert.equal(goJson(value), text));
});
