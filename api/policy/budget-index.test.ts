import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { matchesLabels } from '../selector.ts';
import type { LabelSelector, Pod, PodDisruptionBudget } from '../types.generated.ts';
import { BudgetIndex } from './budget-index.ts';
import { budgetMatcher } from './disruption-budget.ts';

const budget = (name: string, selector: LabelSelector | undefined, namespace = 'ns'): PodDisruptionBudget => ({
  apiVersion: 'policy/v1',
  kind: 'PodDisruptionBudget',
  metadata: { name, namespace, uid: name, resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: selector === undefined ? {} : { selector },
});
const pod = (labels: Record<string, string> | undefined, namespace = 'ns'): Pick<Pod, 'metadata'> =>
  ({ metadata: { name: 'p', namespace, ...(labels === undefined ? {} : { labels }) } }) as Pod;
const exists = (key: string) => ({ key, operator: 'Exists' });
const isIn = (key: string, ...values: string[]) => ({ key, operator: 'In', values });
const isNotIn = (key: string, ...values: string[]) => ({ key, operator: 'NotIn', values });
const many = Array.from({ length: 40 }, (_, index) => `v${index}`);

const selectors: Record<string, LabelSelector | undefined> = {
  all: {},
  nothing: undefined,
  equal: { matchLabels: { app: 'web' } },
  two: { matchLabels: { app: 'web', tier: 'front' } },
  one: { matchExpressions: [isIn('app', 'web', 'db', 'db')] },
  ofMany: { matchExpressions: [isIn('app', ...many)] },
  present: { matchExpressions: [exists('app')] },
  absent: { matchExpressions: [{ key: 'app', operator: 'DoesNotExist' }] },
  not: { matchExpressions: [isNotIn('app', 'web')] },
  mixed: { matchExpressions: [exists('tier'), isNotIn('app', 'db')] },
  empty: { matchLabels: { app: '' } },
  odd: { matchLabels: { constructor: 'x' } },
  malformed: { matchExpressions: [{ key: 'app', operator: 'Like' }] },
};
const labels: (Record<string, string> | undefined)[] = [
  undefined,
  {},
  { app: 'web' },
  { app: 'db' },
  { app: 'v39' },
  { app: '' },
  { app: 'web', tier: 'front' },
  { tier: 'front' },
  { tier: 'front', app: 'db' },
  { constructor: 'x' },
];

describe('the index of budgets', () => {
  const index = new BudgetIndex();
  for (const [name, selector] of Object.entries(selectors)) {
    index.put(budget(name, selector));
    index.put(budget(name, selector, 'other'));
  }

  for (const some of labels)
    it(`finds for ${JSON.stringify(some)} just the budgets that select it`, () => {
      const expected = Object.keys(selectors).filter((name) => matchesLabels(budgetMatcher(budget(name, selectors[name])), some));
      const found = index.of(pod(some), 100).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
      assert.deepEqual(found.sort(), expected.map((name) => `ns/${name}`).sort());
      assert.deepEqual(index.of(pod(some, 'elsewhere'), 100), []);
    });

  it('knows how many it would look at', () => {
    const sizes = new BudgetIndex();
    assert.equal(sizes.candidates(pod({ app: 'web' })), 0);
    for (const name of ['a', 'b']) sizes.put(budget(name, { matchLabels: { app: 'web', tier: name } }));
    sizes.put(budget('c', {}));
    sizes.put(budget('d', { matchLabels: { app: 'db' } }));
    const of = (some: Record<string, string>): number => sizes.candidates(pod(some));
    assert.deepEqual([of({ app: 'web' }), of({ app: 'db' }), of({ app: 'x' }), of({})], [3, 2, 1, 1]);
  });

  it('stops where there are enough', () => {
    assert.equal(index.of(pod({ app: 'web', tier: 'front' }), 2).length, 2);
    assert.equal(index.of(pod({ app: 'web', tier: 'front' }), 100, 3).length <= 3, true);
  });

  it('forgets what is replaced or removed', () => {
    const changing = new BudgetIndex();
    changing.put(budget('b', { matchLabels: { app: 'web' } }));
    changing.put(budget('b', { matchLabels: { app: 'db' } }));
    assert.deepEqual([changing.of(pod({ app: 'web' }), 9).length, changing.of(pod({ app: 'db' }), 9).length], [0, 1]);
    changing.remove('ns/b');
    changing.remove('ns/b');
    assert.deepEqual(changing.of(pod({ app: 'db' }), 9), []);
  });
});
