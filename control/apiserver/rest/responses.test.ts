import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { failure } from '#api/status.ts';
import { errorResponse } from './responses.ts';

describe('Retry-After of an error', () => {
  const cases: [name: string, seconds: number | undefined, header: string | undefined][] = [
    ['says how long to wait', 10, '10'],
    ['is absent where there is nothing to wait for', 0, undefined],
    ['is absent where the Status does not tell', undefined, undefined],
  ];
  for (const [name, retryAfterSeconds, header] of cases) {
    it(name, () => {
      const details = retryAfterSeconds === undefined ? undefined : { retryAfterSeconds };
      const { status, headers } = errorResponse(failure(429, 'TooManyRequests', 'later', details), 'json', false);
      assert.deepEqual([status, headers['retry-after']], [429, header]);
    });
  }
});
