import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { collectFieldErrors, type FieldError, invalidValue, required } from './field-error.ts';

describe('collecting field errors', () => {
  it('returns the errors that validation returns', () => {
    assert.deepEqual(
      collectFieldErrors(() => [required('a')]),
      [required('a')],
    );
  });

  it('stops a validation after a thousand errors', () => {
    const endless = (): FieldError[] => {
      for (let index = 0; ; index++) required(`spec.containers[${index}].name`);
    };
    assert.equal(collectFieldErrors(endless).length, 1000);
  });

  it('stops at a megabyte of messages', () => {
    const value = 'x'.repeat(400_000);
    assert.equal(collectFieldErrors(() => Array.from({ length: 50 }, () => invalidValue('a', value, ''))).length, 3);
  });

  it('passes on other exceptions, and then starts again with no errors', () => {
    assert.throws(() => {
      collectFieldErrors(() => {
        throw new TypeError('a bug');
      });
    }, TypeError);
    assert.deepEqual(
      collectFieldErrors(() => []),
      [],
    );
  });
});
