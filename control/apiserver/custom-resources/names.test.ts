import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CustomResourceDefinition, CustomResourceDefinitionNames } from '#api/types.generated.ts';
import { withAcceptedNames } from './names.ts';

const named = (
  names: Partial<CustomResourceDefinitionNames>,
  accepted?: Partial<CustomResourceDefinitionNames>,
): CustomResourceDefinition =>
  ({
    metadata: { name: `${names.plural}.example.com` },
    spec: { group: 'example.com', names },
    ...(accepted === undefined ? {} : { status: { acceptedNames: accepted } }),
  }) as unknown as CustomResourceDefinition;
const full = (plural: string, kind: string, more: object = {}): Partial<CustomResourceDefinitionNames> => ({
  plural,
  singular: kind.toLowerCase(),
  kind,
  listKind: `${kind}List`,
  ...more,
});
const conditions = ({ status }: CustomResourceDefinition) =>
  status?.conditions?.map(({ type, status: is, reason, message }) => `${type}=${is} ${reason}: ${message}`);

describe('names of definitions', () => {
  it('are accepted where nobody has them', () => {
    const next = withAcceptedNames(named(full('widgets', 'Widget', { shortNames: ['wd'] })), () => [], 0);
    assert.deepEqual(next.status?.acceptedNames, { ...full('widgets', 'Widget'), shortNames: ['wd'], categories: undefined });
    assert.deepEqual(conditions(next), [
      'NamesAccepted=True NoConflicts: no conflicts found',
      'Established=False Installing: the initial names have been accepted',
    ]);
    assert.equal(
      withAcceptedNames(next, () => [], 1),
      next,
    );
  });

  for (const [what, names, taken, reason, message] of [
    ['plural', full('widgets', 'Widget'), { plural: 'widgets', kind: 'X' }, 'PluralConflict', '"widgets" is already in use'],
    [
      'singular',
      full('widgets', 'Widget'),
      { plural: 'x', singular: 'widget', kind: 'X' },
      'SingularConflict',
      '"widget" is already in use',
    ],
    [
      'short name',
      full('widgets', 'Widget', { shortNames: ['a', 'b', 'c'] }),
      { plural: 'x', kind: 'X', shortNames: ['a', 'c'] },
      'ShortNamesConflict',
      '["a" is already in use, "c" is already in use]',
    ],
    ['kind', full('widgets', 'Widget'), { plural: 'x', kind: 'Widget' }, 'KindConflict', '"Widget" is already in use'],
    [
      'list kind',
      full('widgets', 'Widget'),
      { plural: 'x', kind: 'X', listKind: 'WidgetList' },
      'ListKindConflict',
      '"WidgetList" is already in use',
    ],
  ] as [string, Partial<CustomResourceDefinitionNames>, Partial<CustomResourceDefinitionNames>, string, string][])
    it(`are refused where another definition has the ${what}`, () => {
      const next = withAcceptedNames(named(names), () => [named({ plural: 'x' }, taken)], 0);
      assert.deepEqual(conditions(next), [
        `NamesAccepted=False ${reason}: ${message}`,
        'Established=False NotAccepted: not all names are accepted',
      ]);
    });

  it('stay what they were where new ones are taken', () => {
    const old = full('widgets', 'Widget', { shortNames: ['a'] });
    const next = withAcceptedNames(
      named({ ...old, shortNames: ['b'] }, old),
      () => [named({ plural: 'x' }, { plural: 'x', kind: 'X', shortNames: ['b'] })],
      0,
    );
    assert.deepEqual(next.status?.acceptedNames?.shortNames, ['a']);
  });
});
