import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { canonicalMicroTime, canonicalTime, TimeError } from './time.ts';

describe('times', () => {
  const good: [text: string, canonical: string][] = [
    ['2026-01-02T03:04:05Z', '2026-01-02T03:04:05Z'],
    ['2026-01-02T03:04:05.999Z', '2026-01-02T03:04:05Z'],
    ['2026-01-02T03:04:05,5Z', '2026-01-02T03:04:05Z'],
    ['2026-01-02T03:04:05+02:00', '2026-01-02T01:04:05Z'],
    ['2026-01-01T00:00:00-01:30', '2026-01-01T01:30:00Z'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00Z'],
    ['2026-01-31T3:04:05Z', '2026-01-31T03:04:05Z'],
  ];
  for (const [text, canonical] of good) it(`${text} is ${canonical}`, () => assert.equal(canonicalTime(text), canonical));

  const layout = '"2006-01-02T15:04:05Z07:00"';
  const wrong: [text: string, message: string][] = [
    ['', `parsing time "" as ${layout}: cannot parse "" as "2006"`],
    ['abc', `parsing time "abc" as ${layout}: cannot parse "abc" as "2006"`],
    ['2026-01-02', `parsing time "2026-01-02" as ${layout}: cannot parse "" as "T"`],
    ['2026-13-02T03:04:05Z', 'parsing time "2026-13-02T03:04:05Z": month out of range'],
    ['2026-02-29T03:04:05Z', 'parsing time "2026-02-29T03:04:05Z": day out of range'],
    ['2026-01-02T24:04:05Z', 'parsing time "2026-01-02T24:04:05Z": hour out of range'],
    ['2026-01-02T03:04:05', `parsing time "2026-01-02T03:04:05" as ${layout}: cannot parse "" as "Z07:00"`],
    ['2026-01-02T03:04:05Zx', 'parsing time "2026-01-02T03:04:05Zx": extra text: "x"'],
  ];
  for (const [text, message] of wrong) {
    it(`refuses ${JSON.stringify(text)} in Go's words`, () => assert.throws(() => canonicalTime(text), new TimeError(message)));
  }

  it('a MicroTime has six decimals, no more and no fewer', () => {
    assert.equal(canonicalMicroTime('2026-01-02T03:04:05.123456+01:00'), '2026-01-02T02:04:05.123456Z');
    assert.throws(
      () => canonicalMicroTime('2026-01-02T03:04:05Z'),
      new TimeError('parsing time "2026-01-02T03:04:05Z" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "Z" as ".000000"'),
    );
  });

  it('agrees with Date on every valid date', () => {
    fc.assert(
      fc.property(fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true }), (date) => {
        assert.equal(canonicalTime(date.toISOString()), `${date.toISOString().slice(0, 19)}Z`);
      }),
    );
  });
});
