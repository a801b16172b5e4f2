import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { deepFreeze } from '#api/deep-freeze.ts';
import type { IntOrString } from '#api/json.ts';
import type { Pod, PodDisruptionBudget, PodDisruptionBudgetSpec, PodDisruptionBudgetStatus } from '#api/types.generated.ts';
import {
  type BudgetCounts,
  desiredHealthy,
  disruptedPods,
  failedBudgetStatus,
  healthyPods,
  needsScale,
  nextBudgetStatus,
} from './disruption-status.ts';

const nowMs = Date.UTC(2026, 0, 1, 12);
const ago = (seconds: number): string => `${new Date(nowMs - seconds * 1000).toISOString().slice(0, 19)}Z`;

function pod(name: string, { ready = true, deleting = false } = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'ns',
      uid: name,
      resourceVersion: '1',
      creationTimestamp: ago(900),
      ...(deleting ? { deletionTimestamp: ago(0) } : {}),
    },
    spec: { containers: [] },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
  };
}

const budget = (status?: PodDisruptionBudgetStatus, spec: PodDisruptionBudgetSpec = {}): PodDisruptionBudget =>
  deepFreeze({
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: 'b', namespace: 'ns', uid: 'b', resourceVersion: '1', creationTimestamp: ago(900), generation: 2 },
    spec,
    ...(status === undefined ? {} : { status }),
  });

describe('how many pods must be healthy', () => {
  const min = (minAvailable: IntOrString): PodDisruptionBudgetSpec => ({ minAvailable });
  const max = (maxUnavailable: IntOrString): PodDisruptionBudgetSpec => ({ maxUnavailable });
  const cases: [spec: PodDisruptionBudgetSpec, expected: number, desired: number][] = [
    [{}, 0, 0],
    [min(3), 5, 3],
    [min(2_147_483_647), 1, 2_147_483_647],
    [min('0%'), 10, 0],
    [min('1%'), 10, 1],
    [min('28%'), 100, 28],
    [min('29%'), 7, 3],
    [min('100%'), 7, 7],
    [min('50%'), 2_147_483_647, 1_073_741_824],
    [max(1), 10, 9],
    [max(11), 10, 0],
    [max(2_147_483_647), 1, 0],
    [max('0%'), 10, 10],
    [max('10%'), 10, 9],
    // Rounded up, so that of few pods one may always go.
    [max('1%'), 3, 2],
    [max('100%'), 3, 0],
    [min('+5%'), 20, 1],
  ];
  for (const [spec, expected, desired] of cases)
    it(`${JSON.stringify(spec)} of ${expected}`, () => assert.equal(desiredHealthy(spec, expected), desired));

  it('is not told by text that is no percentage', () => {
    assert.throws(() => desiredHealthy(min('10'), 1), {
      message: 'invalid value for IntOrString: invalid type: string is not a percentage',
    });
    assert.throws(() => desiredHealthy(max('x%'), 1), {
      message: 'invalid value for IntOrString: invalid value "x%": strconv.Atoi: parsing "x": invalid syntax',
    });
  });

  it('needs the scale of controllers unless it is a number that must be available', () => {
    const specs: PodDisruptionBudgetSpec[] = [{}, min(1), min('1%'), max(1), max('1%')];
    assert.deepEqual(specs.map(needsScale), [false, false, true, true, true]);
  });
});

describe('evictions that were granted', () => {
  it('are remembered for two minutes, or until their pod goes', () => {
    const status = { disruptedPods: { fresh: ago(1), last: ago(120), late: ago(121), going: ago(1), gone: ago(1) } };
    const all = [pod('fresh'), pod('last'), pod('late'), pod('going', { deleting: true }), pod('other'), pod('constructor')];
    const found = disruptedPods(all, status, nowMs);
    assert.deepEqual(found.pods, { fresh: ago(1), last: ago(120) });
    assert.deepEqual(
      [found.overdue.map(({ metadata }) => metadata.name), found.nextMs],
      [['late'], Date.parse(ago(120)) + 120_000],
    );
    assert.deepEqual(disruptedPods(all, undefined, nowMs), { pods: {}, overdue: [], nextMs: undefined });
  });

  it('do not count as healthy', () => {
    const all = [
      pod('a'),
      pod('b', { ready: false }),
      pod('c', { deleting: true }),
      pod('fresh'),
      pod('last'),
      pod('constructor'),
    ];
    assert.equal(healthyPods(all, { pods: { fresh: ago(119), last: ago(120) } }, nowMs), 3);
  });
});

describe('the status', () => {
  const counts = (more: Partial<BudgetCounts> = {}): BudgetCounts => ({
    currentHealthy: 3,
    desiredHealthy: 2,
    expectedPods: 3,
    disruptedPods: {},
    ...more,
  });
  const condition = (status: string, reason: string) => ({
    type: 'DisruptionAllowed',
    status,
    reason,
    message: '',
    observedGeneration: 2,
    lastTransitionTime: ago(0),
  });

  const allowed: [what: string, counts: BudgetCounts, allowed: number][] = [
    ['more than needed', counts(), 1],
    ['just enough', counts({ desiredHealthy: 3 }), 0],
    ['too few', counts({ currentHealthy: 1 }), 0],
    ['no pods at all', counts({ currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 }), 0],
    ['a sum that wrapped', counts({ expectedPods: -2, desiredHealthy: 0 }), 0],
  ];
  for (const [what, given, expected] of allowed)
    it(`with ${what}`, () => {
      const status = nextBudgetStatus(budget(), given, nowMs);
      const { disruptedPods: _, ...numbers } = given;
      assert.deepEqual(status, {
        ...numbers,
        disruptionsAllowed: expected,
        observedGeneration: 2,
        conditions: [expected > 0 ? condition('True', 'SufficientPods') : condition('False', 'InsufficientPods')],
      });
    });

  it('is not written again where nothing changed, and is where anything did', () => {
    const disrupted = { p: ago(1) };
    const status = nextBudgetStatus(budget(), counts({ disruptedPods: disrupted }), nowMs) ?? {};
    const again = (stored: PodDisruptionBudgetStatus, more: Partial<BudgetCounts> = {}) =>
      nextBudgetStatus(budget(stored), counts({ disruptedPods: disrupted, ...more }), nowMs + 60_000);
    assert.equal(again(status), undefined);
    assert.equal(nextBudgetStatus(budget({ ...status, disruptedPods: {} }), counts(), nowMs), undefined);
    const { observedGeneration: _, ...unobserved } = status;
    for (const old of [
      { ...status, observedGeneration: 1 },
      unobserved,
      { ...status, disruptedPods: { p: ago(2) } },
      { ...status, conditions: [] },
      { ...status, conditions: [condition('True', 'Other')] },
      { ...status, disruptionsAllowed: 0 },
    ])
      assert.notEqual(again(old), undefined, JSON.stringify(old));
    assert.equal(again(status, { currentHealthy: 4 })?.conditions?.[0]?.lastTransitionTime, ago(0), 'it was True all the time');
    const turned = again(status, { currentHealthy: 2 })?.conditions?.[0];
    assert.deepEqual([turned?.status, turned?.lastTransitionTime], ['False', ago(-60)]);
  });

  it('keeps conditions of others', () => {
    const other = { ...condition('True', 'X'), type: 'Other' };
    assert.deepEqual(nextBudgetStatus(budget({ conditions: [other] }), counts(), nowMs)?.conditions, [
      other,
      condition('True', 'SufficientPods'),
    ]);
  });

  it('after a failure allows nothing, says why, and keeps the rest', () => {
    const status = {
      disruptionsAllowed: 3,
      currentHealthy: 5,
      observedGeneration: 2,
      conditions: [condition('True', 'SufficientPods')],
    };
    assert.deepEqual(failedBudgetStatus(budget(status), 'no scale', nowMs), {
      ...status,
      disruptionsAllowed: 0,
      conditions: [{ ...condition('False', 'SyncFailed'), message: 'no scale' }],
    });
    const long = failedBudgetStatus(budget(status), '😀'.repeat(50_000), nowMs).conditions?.[0]?.message ?? '';
    assert.ok(Buffer.byteLength(long) <= 32 * 1024 && long.startsWith('😀'));
  });
});
