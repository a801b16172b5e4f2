import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { messageText } from './errors.ts';

describe('the text of a failed system call', () => {
  const failed = (code: string, message: string, more: object): Error => Object.assign(new Error(message), { code, ...more });
  const cases: [string, unknown, string][] = [
    [
      'names the file',
      failed('ENOSPC', "ENOSPC: no space left on device, mkdir '/a, b'", { syscall: 'mkdir', path: '/a, b' }),
      'mkdir /a, b: no space left on device',
    ],
    [
      'names the call where there is no file',
      failed('ENOSPC', 'ENOSPC: no space left on device, write', { syscall: 'write' }),
      'write: no space left on device',
    ],
    ['leaves other errors alone', failed('ERR_X', 'ERR_X: a, b', {}), 'ERR_X: a, b'],
    ['takes what is no error', 'text', 'text'],
  ];
  for (const [name, error, text] of cases) it(name, () => assert.equal(messageText(error), text));
  it("is found in what Node's own calls throw", () =>
    mkdir('/proc/none').then(
      () => assert.fail('it succeeded'),
      (error: unknown) => assert.equal(messageText(error), 'mkdir /proc/none: no such file or directory'),
    ));
});
