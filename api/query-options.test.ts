import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { validatePodLogOptions } from './pod-log-options.ts';
import { queryBool, readQueryOptions } from './query-options.ts';

const query = (text: string): URLSearchParams => new URLSearchParams(text);

describe('a boolean of the query', () => {
  const cases: [string, boolean][] = [
    ['', false],
    ['x=1', false],
    ['follow=0', false],
    ['follow=false', false],
    ['follow=False', false],
    ['follow=FALSE', false],
    ['follow=1', true],
    ['follow=true', true],
    ['follow=True', true],
    ['follow=', true],
    ['follow', true],
    ['follow=no', true],
    ['follow=00', true],
    ['follow=0&follow=1', false],
  ];
  for (const [text, expected] of cases)
    it(`"${text}" is ${expected}`, () => {
      assert.equal(queryBool(query(text), 'follow'), expected);
      assert.equal(readQueryOptions('PodLogOptions', query(text)).follow, expected);
    });
  it('keeps an absent value apart from an empty one when Go has a pointer', () => {
    assert.equal(readQueryOptions('DeleteOptions', query('')).orphanDependents, undefined);
    assert.equal(readQueryOptions('DeleteOptions', query('orphanDependents=False')).orphanDependents, false);
    assert.equal(readQueryOptions('DeleteOptions', query('orphanDependents=True')).orphanDependents, true);
    assert.equal(readQueryOptions('ListOptions', query('sendInitialEvents=')).sendInitialEvents, true);
  });
});

describe('other values of the query', () => {
  it('are numbers of 64 bits, exactly', () => {
    assert.equal(readQueryOptions('ListOptions', query('limit=9223372036854775807')).limit, 9223372036854775807n);
    assert.equal(readQueryOptions('PodLogOptions', query('tailLines=%2B007')).tailLines, 7n);
    assert.equal(readQueryOptions('PodLogOptions', query('')).tailLines, undefined);
  });
  it('are lists, times and ports', () => {
    assert.deepEqual(readQueryOptions('PodExecOptions', query('command=ls&command=&stdin=True')).command, ['ls', '']);
    assert.equal(
      readQueryOptions('PodLogOptions', query('sinceTime=2026-01-02T03:04:05%2B01:00')).sinceTime,
      '2026-01-02T02:04:05Z',
    );
    assert.equal(readQueryOptions('PodLogOptions', query('sinceTime=null')).sinceTime, '0001-01-01T00:00:00Z');
    assert.deepEqual(readQueryOptions('PodPortForwardOptions', query('ports=80,443&ports=1')).ports, [80, 443, 1]);
  });

  const refused: [Parameters<typeof readQueryOptions>[0], string, string][] = [
    ['PodLogOptions', 'tailLines=x', 'strconv.ParseInt: parsing "x": invalid syntax'],
    ['PodLogOptions', 'tailLines=', 'strconv.ParseInt: parsing "": invalid syntax'],
    ['PodLogOptions', 'limitBytes=1.5', 'strconv.ParseInt: parsing "1.5": invalid syntax'],
    ['PodLogOptions', 'sinceSeconds=9223372036854775808', 'strconv.ParseInt: parsing "9223372036854775808": value out of range'],
    ['ListOptions', `limit=${'9'.repeat(60)}`, `strconv.ParseInt: parsing "${'9'.repeat(60)}": value out of range`],
    ['ListOptions', 'timeoutSeconds=1s', 'strconv.ParseInt: parsing "1s": invalid syntax'],
    ['DeleteOptions', 'gracePeriodSeconds=soon', 'strconv.ParseInt: parsing "soon": invalid syntax'],
    ['PodLogOptions', 'sinceTime=now', 'parsing time "now" as "2006-01-02T15:04:05Z07:00": cannot parse "now" as "2006"'],
    ['PodPortForwardOptions', 'ports=http', 'cannot convert to []int32: strconv.ParseUint: parsing "http": invalid syntax'],
    ['PodPortForwardOptions', 'ports=65536', 'cannot convert to []int32: strconv.ParseUint: parsing "65536": value out of range'],
  ];
  for (const [kind, text, message] of refused)
    it(`${kind} refuses ${text.slice(0, 40)}`, () =>
      assert.throws(() => readQueryOptions(kind, query(text)), { code: 400, message }));
});

describe('log options', () => {
  const cases: [string, string[]][] = [
    ['', []],
    ['stream=Stdout&limitBytes=1', []],
    ['stream=Foo', ['stream: Unsupported value: "Foo": supported values: "All", "Stderr", "Stdout"']],
    ['stream=', ['stream: Unsupported value: "": supported values: "All", "Stderr", "Stdout"']],
    ['stream=Stderr&tailLines=1', [': Forbidden: `tailLines` and specific `stream` are mutually exclusive for now']],
    ['tailLines=-1', ['tailLines: Invalid value: -1: must be greater than or equal to 0']],
    [
      'limitBytes=0&sinceSeconds=0',
      ['limitBytes: Invalid value: 0: must be greater than 0', 'sinceSeconds: Invalid value: 0: must be greater than 0'],
    ],
    ['sinceSeconds=1&sinceTime=', [': Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified']],
  ];
  for (const [text, problems] of cases)
    it(`"${text}"`, () =>
      assert.deepEqual(
        validatePodLogOptions(readQueryOptions('PodLogOptions', query(text))).map(({ field, message }) => `${field}: ${message}`),
        problems,
      ));
});
