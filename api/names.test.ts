import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  isCIdentifier,
  isConfigMapKey,
  isDns1035Label,
  isDns1123Label,
  isDns1123Subdomain,
  isEnvVarName,
  isHttpHeaderName,
  isPathSegmentName,
  isQualifiedName,
  isRelaxedEnvVarName,
  isValidLabelValue,
  isValidPercent,
  isValidPortName,
  isValidPortNum,
  isWildcardDns1123Subdomain,
  nameIsDnsLabel,
  nameIsDnsSubdomain,
} from './names.ts';

interface Case {
  check: (value: string) => string[];
  good: string[];
  bad: string[];
}

const long = (length: number): string => 'a'.repeat(length);

const cases: Case[] = [
  {
    check: isDns1123Label,
    good: ['a', '0', 'a-1', 'a--1', long(63)],
    bad: ['', 'A', '-a', 'a-', 'a.b', 'a_b', ' a', 'a\n', 'ä', long(64)],
  },
  {
    check: isDns1123Subdomain,
    good: ['a', 'a.b', '1.2.3', long(253)],
    bad: ['', '.', 'a.', '.a', 'a..b', 'A.b', 'a_b', 'a\n', long(254)],
  },
  { check: isDns1035Label, good: ['a', 'a1', 'a-1'], bad: ['', '1a', 'a.b', 'A', long(64)] },
  { check: isWildcardDns1123Subdomain, good: ['*.a', '*.a.b'], bad: ['*', 'a', '*a.b', '*.*.a', '*.A'] },
  {
    check: isQualifiedName,
    good: ['a', 'A_b.c', 'x.io/a', '1', long(63)],
    bad: ['', '/a', 'a/', 'X.io/a', 'a/b/c', '-a', 'a.', long(64), `${long(254)}/a`],
  },
  { check: isValidLabelValue, good: ['', 'a', 'A_b.c-1', long(63)], bad: ['-a', 'a-', 'a b', 'a/b', long(64)] },
  { check: isCIdentifier, good: ['a', '_A1'], bad: ['', '1a', 'a-b'] },
  { check: isValidPortName, good: ['http', 'a1', '9p'], bad: ['', '80', '-a', 'a-', 'a--b', 'HTTP', 'a.b', long(16)] },
  { check: isValidPercent, good: ['0%', '25%'], bad: ['', '%', '1', '-1%', '1.5%'] },
  { check: isHttpHeaderName, good: ['X-A'], bad: ['', 'X_A', 'X A'] },
  { check: isEnvVarName, good: ['A', 'a.b', '_x', '.a', 'a-b'], bad: ['', '1A', 'a=b', '.', '..', '..a'] },
  { check: isRelaxedEnvVarName, good: ['A', '1', 'a b', '..', '~'], bad: ['', 'a=b', 'ä', 'a\tb', '\x7f'] },
  { check: isConfigMapKey, good: ['a', '.a', 'A_1.b'], bad: ['', '.', '..', '..a', 'a/b', long(254)] },
  { check: isPathSegmentName, good: ['a:b', 'A B'], bad: ['.', '..', 'a/b', 'a%b'] },
];

describe('names', () => {
  for (const { check, good, bad } of cases) {
    it(`${check.name} accepts well-formed values and gives a reason for others`, () => {
      for (const value of good) assert.deepEqual(check(value), [], JSON.stringify(value));
      for (const value of bad) assert.notDeepEqual(check(value), [], JSON.stringify(value));
    });
  }

  const texts: [reasons: string[], expected: string[]][] = [
    [isDns1123Label('a.b'), ['must not contain dots']],
    [
      isDns1123Label('A'),
      [
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
      ],
    ],
    [
      isDns1123Subdomain('A'),
      [
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
      ],
    ],
    [isDns1123Subdomain(long(254)), ['must be no more than 253 characters']],
    [isValidLabelValue(long(64)), ['must be no more than 63 bytes']],
    [isQualifiedName('/a'), ['prefix part must be non-empty']],
    [
      isQualifiedName('x/'),
      [
        'name part must be non-empty',
        "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
      ],
    ],
    [isValidPortNum(0), ['must be between 1 and 65535, inclusive']],
    [isValidPortNum(65535), []],
    [isConfigMapKey('..'), ["must not be '..'"]],
  ];
  for (const [index, [reasons, expected]] of texts.entries()) {
    it(`says why in upstream's words (${index})`, () => assert.deepEqual(reasons, expected));
  }

  it('allows a dash at the end of a generateName, but not of a name', () => {
    assert.deepEqual(nameIsDnsLabel('web-', true), []);
    assert.notDeepEqual(nameIsDnsLabel('web-', false), []);
    assert.deepEqual(nameIsDnsSubdomain('web.x-', true), []);
  });
});
