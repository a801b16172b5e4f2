import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseSchedule, ScheduleError } from './schedule.ts';
import { loadTimeZone, rfc3339In, TimeZoneError } from './time-zone.ts';

const next = (schedule: string, after: string): string | undefined => {
  const atMs = parseSchedule(schedule).next(Date.parse(after));
  return atMs === undefined ? undefined : new Date(atMs).toISOString().replace('.000', '');
};

describe('next due time', () => {
  const cases: [schedule: string, after: string, due: string | undefined][] = [
    ['0/15 * * * *', '2012-07-09T14:45:00Z', '2012-07-09T15:00:00Z'],
    ['*/15 * * * *', '2012-07-09T14:59:59.500Z', '2012-07-09T15:00:00Z'],
    ['20-35/15 * * * *', '2012-07-09T15:45:00Z', '2012-07-09T16:20:00Z'],
    ['*/15 * * * *', '2012-12-31T23:59:45Z', '2013-01-01T00:00:00Z'],
    ['0 0 9 4 ?', '2012-07-09T23:35:00Z', '2013-04-09T00:00:00Z'],
    ['0 0 */5 Jul *', '2012-07-06T00:00:00Z', '2012-07-11T00:00:00Z'],
    ['0 0 1-7 * MON', '2026-03-09T00:00:00Z', '2026-03-16T00:00:00Z'],
    ['0 0 * * mon-Fri', '2026-03-06T12:00:00Z', '2026-03-09T00:00:00Z'],
    ['0 0 */2 * MON', '2026-03-02T00:00:00Z', '2026-03-03T00:00:00Z'],
    ['0 0 29 2 *', '2025-01-01T00:00:00Z', '2028-02-29T00:00:00Z'],
    ['0 0 31 2 *', '2025-01-01T00:00:00Z', undefined],
    [', * * * *', '2025-01-01T00:00:00Z', undefined],
    ['1,,3 * * * *', '2025-01-01T00:01:00Z', '2025-01-01T00:03:00Z'],
    ['+5 * * * *', '2025-01-01T00:01:00Z', '2025-01-01T00:05:00Z'],
    ['@hourly', '2025-01-01T00:01:00Z', '2025-01-01T01:00:00Z'],
    ['@weekly', '2026-03-06T12:00:00Z', '2026-03-08T00:00:00Z'],
    ['@monthly', '2026-03-06T12:00:00Z', '2026-04-01T00:00:00Z'],
    ['@annually', '2026-03-06T12:00:00Z', '2027-01-01T00:00:00Z'],
    ['@every 1h30m', '2026-03-06T12:00:00.700Z', '2026-03-06T13:30:00Z'],
    ['@every 10ms', '2026-03-06T12:00:00Z', '2026-03-06T12:00:01Z'],
    ['TZ=UTC @daily', '2026-03-06T12:00:00Z', '2026-03-07T00:00:00Z'],
    ['TZ= 0 0 * * *', '2026-03-06T12:00:00Z', '2026-03-07T00:00:00Z'],
    ['CRON_TZ=Asia/Tokyo 0 5 * * *', '2026-03-06T12:00:00Z', '2026-03-06T20:00:00Z'],
    // The hour from 2 to 3 is skipped: not due on that day.
    ['TZ=America/New_York 30 2 11 Mar ?', '2012-03-11T05:00:00Z', '2013-03-11T06:30:00Z'],
    ['TZ=America/New_York 0 * * * *', '2012-03-11T06:00:00Z', '2012-03-11T07:00:00Z'],
    // The hour from 1 to 2 comes twice: due twice.
    ['TZ=America/New_York 0 1 * * *', '2012-11-04T04:30:00Z', '2012-11-04T05:00:00Z'],
    ['TZ=America/New_York 0 1 * * *', '2012-11-04T05:00:00Z', '2012-11-04T06:00:00Z'],
    // A day without midnight.
    ['TZ=America/Sao_Paulo 0 9 4 11 *', '2018-11-03T12:00:00Z', '2018-11-04T11:00:00Z'],
    ['TZ=Asia/Kathmandu 0 0 * * *', '2026-03-06T12:00:00Z', '2026-03-06T18:15:00Z'],
  ];
  for (const [schedule, after, due] of cases)
    it(`${schedule} after ${after}`, () => {
      assert.equal(next(schedule, after), due);
    });
});

describe('malformed schedules', () => {
  const cases: [schedule: string, message: string][] = [
    ['', 'empty spec string'],
    ['* * * *', 'expected exactly 5 fields, found 4: [* * * *]'],
    ['* * * * * *', 'expected exactly 5 fields, found 6: [* * * * * *]'],
    ['error', 'expected exactly 5 fields, found 1: [error]'],
    ['5 * j * *', 'failed to parse int from j: strconv.Atoi: parsing "j": invalid syntax'],
    ['-1 * * * *', 'failed to parse int from : strconv.Atoi: parsing "": invalid syntax'],
    [
      '99999999999999999999 * * * *',
      'failed to parse int from 99999999999999999999: strconv.Atoi: parsing "99999999999999999999": value out of range',
    ],
    ['60 * * * *', 'end of range (60) above maximum (59): 60'],
    ['* * 0 * *', 'beginning of range (0) below minimum (1): 0'],
    ['* * * * 7', 'end of range (7) above maximum (6): 7'],
    ['5-3 * * * *', 'beginning of range (5) beyond end of range (3): 5-3'],
    ['1-2-3 * * * *', 'too many hyphens: 1-2-3'],
    ['1/2/3 * * * *', 'too many slashes: 1/2/3'],
    ['*/0 * * * *', 'step of range should be a positive number: */0'],
    ['*/-5 * * * *', 'negative number (-5) not allowed: -5'],
    ['@unrecognized', 'unrecognized descriptor: @unrecognized'],
    ['@every 1d', 'failed to parse duration @every 1d: time: unknown unit "d" in duration "1d"'],
    ['TZ=0', 'invalid schedule format: runtime error: slice bounds out of range [:-1]'],
    ['TZ=Mars/Base 0 0 * * *', 'provided bad location Mars/Base: unknown time zone Mars/Base'],
  ];
  for (const [schedule, message] of cases)
    it(schedule, () => {
      assert.throws(
        () => parseSchedule(schedule),
        (error) => error instanceof ScheduleError && error.message === message,
      );
    });

  it('a schedule of a megabyte is read in no time', () => {
    const startMs = performance.now();
    assert.equal(next(`${'0-58,'.repeat(200_000)} * * * *`, '2026-01-01T00:58:30Z'), '2026-01-01T01:00:00Z');
    assert.ok(performance.now() - startMs < 2000);
  });

  it('a schedule that is never due costs little', () => {
    const startMs = performance.now();
    for (const text of [', * * * *', '* , * * *', '59 23 31 2 *', 'TZ=America/New_York 59 23 30 2 *'])
      next(text, '2026-01-01T00:00:00Z');
    assert.ok(performance.now() - startMs < 2000);
  });
});

describe('time zones', () => {
  for (const name of ['', 'UTC', 'Local', 'Etc/GMT+5', 'Asia/Calcutta', 'US/Pacific', 'EST5EDT'])
    it(`${name} is known`, () => {
      loadTimeZone(name);
    });
  for (const [name, message] of [
    ['utc', 'unknown time zone utc'],
    ['amEricA/new_york', 'unknown time zone amEricA/new_york'],
    ['+01:00', 'unknown time zone +01:00'],
    ['broken', 'unknown time zone broken'],
    ['../etc/localtime', 'time: invalid location name'],
    ['/etc/localtime', 'time: invalid location name'],
  ] as const)
    it(`${name} is not`, () => {
      assert.throws(
        () => loadTimeZone(name),
        (error) => error instanceof TimeZoneError && error.message === message,
      );
    });

  it('times are written with the offset of the zone', () => {
    const atMs = Date.parse('2026-03-06T12:00:00Z');
    assert.deepEqual(
      ['UTC', 'Asia/Kathmandu', 'America/New_York'].map((name) => rfc3339In(loadTimeZone(name), atMs)),
      ['2026-03-06T12:00:00Z', '2026-03-06T17:45:00+05:45', '2026-03-06T07:00:00-05:00'],
    );
  });
});
