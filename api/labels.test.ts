import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { validateAnnotations, validateLabelSelector, validateLabels } from './labels.ts';

describe('labels and annotations', () => {
  it('names the map, not the key, as the field, as upstream does', () => {
    const [error] = validateLabels({ 'a b': 'x' }, 'metadata.labels');
    assert.equal(error?.field, 'metadata.labels');
    assert.match(error?.message ?? '', /^Invalid value: "a b": name part must consist of/);
  });

  it('accepts an upper-case prefix in annotations, not in labels', () => {
    assert.deepEqual(validateAnnotations({ 'Example.com/x': 'anything at all' }, 'f'), []);
    assert.equal(validateLabels({ 'Example.com/x': 'v' }, 'f').length, 1);
  });

  it('limits the bytes of all annotations together', () => {
    const half = 'x'.repeat(128 * 1024 - 1);
    assert.deepEqual(validateAnnotations({ a: half, b: half }, 'f'), []);
    assert.deepEqual(validateAnnotations({ a: half, bb: half }, 'f'), [
      { field: 'f', reason: 'FieldValueTooLong', message: 'Too long: may not be more than 262144 bytes' },
    ]);
  });

  const selectors: [selector: Parameters<typeof validateLabelSelector>[0], fields: string[]][] = [
    [undefined, []],
    [{ matchLabels: { a: 'b' }, matchExpressions: [{ key: 'c', operator: 'In', values: ['d'] }] }, []],
    [{ matchExpressions: [{ key: 'c', operator: 'In' }] }, ['s.matchExpressions[0].values']],
    [{ matchExpressions: [{ key: 'c', operator: 'Exists', values: ['x'] }] }, ['s.matchExpressions[0].values']],
    [{ matchExpressions: [{ key: 'c', operator: 'Like', values: ['x'] }] }, ['s.matchExpressions[0].operator']],
    [
      { matchExpressions: [{ key: '', operator: 'NotIn', values: ['-'] }] },
      ['s.matchExpressions[0].key', 's.matchExpressions[0].key', 's.matchExpressions[0].values[0]'],
    ],
    [{ matchLabels: { a: '-' } }, ['s.matchLabels']],
  ];
  for (const [selector, fields] of selectors) {
    it(`finds ${fields.length === 0 ? 'nothing wrong' : fields.join(', ')} in ${JSON.stringify(selector)}`, () => {
      assert.deepEqual(
        validateLabelSelector(selector, 's').map(({ field }) => field),
        fields,
      );
    });
  }
});
