import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  addQuantity,
  canonicalQuantity,
  compareQuantity,
  formatQuantity,
  milliQuantity,
  parseQuantity,
  QuantityError,
  subtractQuantity,
  toMillis,
  toNumber,
  wholeQuantity,
} from './quantity.ts';

describe('quantities', () => {
  // Text, canonical text, value rounded up, thousandths. The canonical texts are upstream's, with its peculiarities.
  const table: [text: string | number, canonical: string, value: number, millis: number][] = [
    ['0', '0', 0, 0],
    ['0Ki', '0', 0, 0],
    ['1000m', '1', 1, 1000],
    ['0.5', '500m', 1, 500],
    ['.5', '500m', 1, 500],
    [0.5, '500m', 1, 500],
    [2, '2', 2, 2000],
    ['1500m', '1500m', 2, 1500],
    ['1.08', '1080m', 2, 1080],
    ['1080000000n', '1080m', 2, 1080],
    ['1024Mi', '1Gi', 1024 ** 3, 1024 ** 3 * 1000],
    ['307200Ki', '300Mi', 300 * 1024 ** 2, 300 * 1024 ** 2 * 1000],
    ['1025024Mi', '1001Gi', 1001 * 1024 ** 3, 1001 * 1024 ** 3 * 1000],
    ['1.5Gi', '1536Mi', 1.5 * 1024 ** 3, 1.5 * 1024 ** 3 * 1000],
    ['.001Ki', '1024m', 2, 1024],
    ['.000000000001Ki', '2n', 1, 1],
    ['1000M', '1G', 1e9, 1e12],
    ['0.001T', '1G', 1e9, 1e12],
    ['1000', '1k', 1000, 1e6],
    ['1100', '1100', 1100, 1100000],
    ['1e3', '1e3', 1000, 1e6],
    ['.001e12', '1e9', 1e9, 1e12],
    ['1.2e3', '1200', 1200, 1200000],
    ['1E', '1E', 1e18, 1e21],
    ['0.9n', '1n', 1, 1],
    ['3.001n', '4n', 1, 1],
    ['-1', '-1', -1, -1000],
    ['-0.5', '-500m', -1, -500],
    ['-9.01', '-9010m', -10, -9010],
    ['1.', '1.', 1, 1000],
    ['1.G', '1.G', 1e9, 1e12],
    ['1.500', '1.500', 2, 1500],
    ['+5', '+5', 5, 5000],
    ['12Ki', '12Ki', 12288, 12288000],
    ['Ki', '0', 0, 0],
    ['9Ei', '9223372036854775807', 2 ** 63, 2 ** 63 * 1000],
  ];
  for (const [text, canonical, value, millis] of table) {
    it(`${text} is ${canonical}`, () => {
      assert.equal(canonicalQuantity(text), canonical);
      assert.equal(toNumber(text), value);
      assert.equal(toMillis(text), millis);
    });
  }

  const formatText = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
  const wrong: [text: string, message: string][] = [
    ['', formatText],
    ['abc', formatText],
    ['1.2.3', formatText],
    ['1 Gi', formatText],
    ['--1', "unable to parse quantity's suffix"],
    ['1'.repeat(1001), formatText],
    ['1GiB', formatText],
    ['1K', "unable to parse quantity's suffix"],
    ['1mm', "unable to parse quantity's suffix"],
    ['1e', "unable to parse quantity's suffix"],
    ['1e99999999', "unable to parse quantity's suffix"],
  ];
  for (const [text, message] of wrong) {
    it(`refuses ${JSON.stringify(text.slice(0, 20))}`, () =>
      assert.throws(() => parseQuantity(text), new QuantityError(message)));
  }

  it('compares across formats', () => {
    assert.equal(compareQuantity('1Gi', '1G'), 1);
    assert.equal(compareQuantity('1000m', 1), 0);
    assert.equal(compareQuantity('-1', '1n'), -1);
    assert.equal(compareQuantity('1e3', '1k'), 0);
  });

  it('adds and subtracts in the format of the first operand, or of the second when the first is zero', () => {
    assert.equal(formatQuantity(addQuantity('100m', '0.9')), '1');
    assert.equal(formatQuantity(addQuantity('1Gi', '512Mi')), '1536Mi');
    assert.equal(formatQuantity(addQuantity('0', '1Ki')), '1Ki');
    assert.equal(formatQuantity(subtractQuantity('2Gi', '1Gi')), '1Gi');
    assert.equal(formatQuantity(subtractQuantity('1', '1')), '0');
    assert.equal(formatQuantity(subtractQuantity('0', '50')), '-50');
  });

  it('writes computed quantities', () => {
    assert.equal(formatQuantity(milliQuantity(250)), '250m');
    assert.equal(formatQuantity(milliQuantity(2000)), '2');
    assert.equal(formatQuantity(wholeQuantity(16 * 1024 ** 3, 'BinarySI')), '16Gi');
    assert.equal(formatQuantity(wholeQuantity(1023, 'BinarySI')), '1023');
    assert.equal(formatQuantity(wholeQuantity(10n ** 21n, 'DecimalSI')), '1000E');
  });

  const text = fc
    .tuple(
      fc.constantFrom('', '-'),
      fc.nat({ max: 10 ** 9 }),
      fc.option(fc.nat({ max: 9999 }), { nil: undefined }),
      fc.constantFrom('', 'n', 'u', 'm', 'k', 'M', 'G', 'Ki', 'Mi', 'Gi', 'e3', 'e-2'),
    )
    .map(([sign, whole, fraction, suffix]) => `${sign}${whole}${fraction === undefined ? '' : `.${fraction}`}${suffix}`);

  it('canonical form keeps the value and is stable', () => {
    fc.assert(
      fc.property(text, (written) => {
        const canonical = canonicalQuantity(written);
        assert.equal(compareQuantity(canonical, written), 0);
        assert.equal(canonicalQuantity(canonical), canonical);
      }),
    );
  });

  it('adding and then subtracting gives the same value', () => {
    fc.assert(fc.property(text, text, (a, b) => compareQuantity(subtractQuantity(addQuantity(a, b), b), a) === 0));
  });
});
