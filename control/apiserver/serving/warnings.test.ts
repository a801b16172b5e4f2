import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { WarningRecorder } from './warnings.ts';

const headerOf = (texts: Iterable<string>): string | undefined => {
  const warnings = new WarningRecorder();
  for (const text of texts) warnings.add(text);
  return warnings.header();
};

describe('warnings', () => {
  it('become one header, each once, quoted', () => {
    assert.equal(headerOf([]), undefined);
    assert.equal(headerOf(['a "b"', 'c\\\n', 'a "b"']), '299 - "a \\"b\\"", 299 - "c\\\\ "');
  });

  it('keep their length up to 4096 characters in all', () => {
    assert.equal(headerOf(['x'.repeat(4096)])?.length, 4096 + '299 - ""'.length);
  });

  it('are cut to 256 characters each beyond that, and then stop at 4096', () => {
    assert.equal(headerOf(['x'.repeat(4097)]), `299 - "${'x'.repeat(256)}"`);
    const many = headerOf(Array.from({ length: 20_000 }, (_, index) => `unknown field "spec.field${index}" ${'x'.repeat(300)}`));
    assert.equal(many?.split(', ').length, 16);
  });

  it('replay what came before the limit cut short', () => {
    const header = headerOf(['a'.repeat(300), 'b'.repeat(4000), 'c'.repeat(300)]) ?? '';
    assert.deepEqual(
      header.split(', ').map((one) => one.length),
      [264, 264, 264],
    );
  });
});
