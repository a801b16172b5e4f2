import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Condition, PodDisruptionBudget, PodDisruptionBudgetSpec } from '#api/types.generated.ts';
import { create, rejects, systemMeta, update } from '../../strategy.testing.ts';
import { podDisruptionBudgetKind } from './strategy.ts';

const { strategy } = podDisruptionBudgetKind;
const budget = (spec: PodDisruptionBudgetSpec, more: Partial<PodDisruptionBudget> = {}): PodDisruptionBudget => ({
  apiVersion: 'policy/v1',
  kind: 'PodDisruptionBudget',
  metadata: systemMeta('web', 'ns'),
  spec,
  ...more,
});
const selector = { matchLabels: { app: 'web' } };
const none = { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 };
const mark = { key: 'pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match', operator: 'Exists' };

describe('disruption budgets', () => {
  it('begin without disruptions allowed, whatever their status says', async () => {
    const { object, errors } = await create(strategy, budget({ selector }, { status: { disruptionsAllowed: 5 } }));
    assert.deepEqual([errors, object.status, object.metadata.generation, object.spec], [[], none, 1, { selector }]);
  });

  it('may have any name that a path can have', async () => {
    await rejects(strategy, { ...budget({}), metadata: systemMeta('Web_1', 'ns') });
    const bad = { ...budget({}), metadata: systemMeta('a/b', 'ns') };
    await rejects(strategy, bad, `metadata.name: Invalid value: "a/b": may not contain '/'`);
  });

  for (const limit of ['0%', '1%', '100%', '007%', 0, 1, 100, 2_147_483_647])
    it(`may ask for ${limit}`, async () => {
      await rejects(strategy, budget({ minAvailable: limit }));
      await rejects(strategy, budget({ maxUnavailable: limit }));
    });

  const percent =
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
  const refused: [limit: string | number, text: string][] = [
    ['1.1%', `Invalid value: "1.1%": ${percent}`],
    ['nope', `Invalid value: "nope": ${percent}`],
    ['-1%', `Invalid value: "-1%": ${percent}`],
    ['10', `Invalid value: "10": ${percent}`],
    ['', `Invalid value: "": ${percent}`],
    ['101%', 'Invalid value: "101%": must not be greater than 100%'],
    ['99999999999999999999999%', 'Invalid value: "99999999999999999999999%": must not be greater than 100%'],
    [-1, 'Invalid value: -1: must be greater than or equal to 0'],
  ];
  for (const [limit, text] of refused)
    it(`cannot ask for ${JSON.stringify(limit)}`, async () => {
      await rejects(strategy, budget({ minAvailable: limit }), `spec.minAvailable: ${text}`);
      await rejects(strategy, budget({ maxUnavailable: limit }), `spec.maxUnavailable: ${text}`);
    });

  it('cannot have both limits, a selector that is none, or an unknown policy', async () => {
    const both = '{"MinAvailable":"0%","Selector":null,"MaxUnavailable":1,"UnhealthyPodEvictionPolicy":null}';
    await rejects(
      strategy,
      budget({ minAvailable: '0%', maxUnavailable: 1 }),
      `spec: Invalid value: ${both}: minAvailable and maxUnavailable cannot be both set`,
    );
    await rejects(
      strategy,
      budget({ selector: { matchExpressions: [{ key: 'app', operator: 'In' }] } }),
      "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
    );
    const unsupported = (policy: string): string =>
      `spec.unhealthyPodEvictionPolicy: Unsupported value: "${policy}": supported values: "AlwaysAllow", "IfHealthyBudget"`;
    await rejects(strategy, budget({ unhealthyPodEvictionPolicy: '' }), unsupported(''));
    await rejects(strategy, budget({ unhealthyPodEvictionPolicy: 'Never' }), unsupported('Never'));
    for (const policy of ['AlwaysAllow', 'IfHealthyBudget'])
      await rejects(strategy, budget({ unhealthyPodEvictionPolicy: policy }));
  });

  it('keep the mark of v1beta1 only where it stands alone', async () => {
    const specOf = async (spec: PodDisruptionBudgetSpec) => (await create(strategy, budget(spec))).object.spec.selector;
    const alone = { matchExpressions: [mark] };
    assert.deepEqual(await specOf({ selector: alone }), alone);
    assert.deepEqual(await specOf({ selector: {} }), {});
    assert.deepEqual(await specOf({ selector: { ...selector, matchExpressions: [mark] } }), selector);
    const other = { key: 'tier', operator: 'Exists' };
    assert.deepEqual(await specOf({ selector: { matchExpressions: [mark, other] } }), { matchExpressions: [other] });
    assert.deepEqual(await specOf({ selector: { matchExpressions: [{ ...mark, operator: 'DoesNotExist' }] } }), {});
  });

  it('count changes of the spec, and keep the status through them', async () => {
    const old = budget({ selector, minAvailable: 1 }, { status: { ...none, disruptionsAllowed: 2 } });
    old.metadata.generation = 4;
    const changed = await update(strategy, old, (object) => {
      object.spec = { selector: {}, maxUnavailable: '50%' };
      object.status = { disruptionsAllowed: 9 };
    });
    assert.deepEqual([changed.errors, changed.object.metadata.generation, changed.object.status], [[], 5, old.status]);
    const same = await update(strategy, old, (object) => {
      object.metadata.labels = { a: 'b' };
    });
    assert.equal(same.object.metadata.generation, 4);
  });

  it('may keep selector values that were stored before they were checked', async () => {
    const odd = (value: string) => ({ matchExpressions: [{ key: 'app', operator: 'In', values: [value] }] });
    const change = (object: PodDisruptionBudget): void => {
      object.spec.selector = odd('-other-');
    };
    assert.deepEqual((await update(strategy, budget({ selector: odd('-odd-') }), change)).errors, []);
    assert.match(
      (await update(strategy, budget({ selector: odd('fine') }), change)).errors.join(),
      /^spec\.selector\.matchExpressions\[0\]\.values\[0\]: Invalid value: "-other-"/,
    );
  });

  describe('status', () => {
    const condition: Condition = {
      type: 'DisruptionAllowed',
      status: 'True',
      reason: 'SufficientPods',
      message: '',
      lastTransitionTime: '2026-01-01T00:00:00Z',
      observedGeneration: 3,
    };
    const written = async (status: PodDisruptionBudget['status']) =>
      await update(
        strategy,
        budget({ selector }, { status: none }),
        (object) => {
          object.status = status;
          object.spec = { minAvailable: 7 };
        },
        'status',
      );

    it('is written without the spec, and always has its counts', async () => {
      const { object, errors } = await written({ disruptionsAllowed: 1, conditions: [condition] });
      assert.deepEqual([errors, object.spec], [[], { selector }]);
      assert.deepEqual(object.status, { ...none, disruptionsAllowed: 1, conditions: [condition] });
    });

    it('has no negative counts, and no conditions that are none', async () => {
      const negative = { disruptionsAllowed: -10, currentHealthy: -5, desiredHealthy: -3, expectedPods: -2 };
      assert.deepEqual(
        (await written(negative)).errors,
        Object.entries(negative).map(
          ([field, count]) => `status.${field}: Invalid value: ${count}: must be greater than or equal to 0`,
        ),
      );
      const twice = { ...condition, reason: '', lastTransitionTime: '' };
      assert.deepEqual((await written({ conditions: [condition, twice] })).errors, [
        'status.conditions[1].type: Duplicate value: "DisruptionAllowed"',
        'status.conditions[1].lastTransitionTime: Required value',
        'status.conditions[1].reason: Required value',
      ]);
    });
  });
});
