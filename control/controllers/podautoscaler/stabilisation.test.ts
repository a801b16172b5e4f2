/** The cases of upstream's `horizontal_test.go` on limits, policies and windows, in words of our own. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { HPAScalingRules } from '#api/types.generated.ts';
import { type History, normalize, normalizeWithBehavior, noteScaled } from './stabilisation.ts';

const nowMs = 10_000_000;
const ago = (seconds: number): number => nowMs - seconds * 1000;
const history = (more: Partial<History> = {}): History => ({ recommendations: [], ups: [], downs: [], ...more });
const recommended = (...list: [replicas: number, secondsAgo: number][]) =>
  history({ recommendations: list.map(([replicas, seconds]) => ({ replicas, atMs: ago(seconds) })) });

describe('an autoscaler without behavior', () => {
  const cases: [
    string,
    current: number,
    desired: number,
    min: number,
    max: number,
    wanted: number,
    reason: string,
    limited: string,
  ][] = [
    ['does what is asked', 3, 5, 1, 10, 5, 'DesiredWithinRange', 'False'],
    ['does not pass its minimum', 3, 1, 2, 10, 2, 'TooFewReplicas', 'True'],
    ['does not pass its maximum', 8, 20, 1, 10, 10, 'TooManyReplicas', 'True'],
    ['doubles at most', 4, 20, 1, 100, 8, 'ScaleUpLimit', 'True'],
    ['may have four at once', 1, 20, 1, 100, 4, 'ScaleUpLimit', 'True'],
  ];
  for (const [name, current, desired, min, max, wanted, reason, limited] of cases)
    it(name, () => {
      const decision = normalize(history(), { current, desired, min, max }, 300_000, nowMs);
      assert.deepEqual([decision.replicas, decision.limited.reason, decision.limited.status], [wanted, reason, limited]);
      assert.equal(decision.able.reason, 'ReadyForNewScale');
    });

  it('goes down to the most that was recommended within the window', () => {
    const past = recommended([9, 301], [7, 200], [5, 100]);
    const { replicas, able } = normalize(past, { current: 8, desired: 2, min: 1, max: 10 }, 300_000, nowMs);
    assert.deepEqual([replicas, able.reason], [7, 'ScaleDownStabilized']);
    assert.deepEqual(
      past.recommendations.map((one) => one.replicas),
      [7, 5, 2],
      'what is too old is forgotten',
    );
  });
});

const rules = (selectPolicy: string, ...policies: [type: string, value: number, periodSeconds: number][]): HPAScalingRules => ({
  selectPolicy,
  stabilizationWindowSeconds: 0,
  policies: policies.map(([type, value, periodSeconds]) => ({ type, value, periodSeconds })),
});
const decide = (
  past: History,
  current: number,
  desired: number,
  behavior: { scaleUp?: HPAScalingRules; scaleDown?: HPAScalingRules },
  { min = 1, max = 1000 } = {},
) =>
  normalizeWithBehavior(
    past,
    { current, desired, min, max },
    { scaleUp: rules('Max', ['Percent', 900, 15]), scaleDown: rules('Max', ['Percent', 100, 15]), ...behavior },
    300_000,
    nowMs,
  );

describe('policies', () => {
  const up: [string, HPAScalingRules, current: number, desired: number, wanted: number, reason: string][] = [
    ['pods', rules('Max', ['Pods', 3, 60]), 5, 20, 8, 'ScaleUpLimit'],
    ['per cent, rounded up', rules('Max', ['Percent', 10, 60]), 5, 20, 6, 'ScaleUpLimit'],
    ['the most of several', rules('Max', ['Pods', 3, 60], ['Percent', 100, 60]), 5, 20, 10, 'ScaleUpLimit'],
    ['the least of several', rules('Min', ['Pods', 3, 60], ['Percent', 100, 60]), 5, 20, 8, 'ScaleUpLimit'],
    ['none at all', rules('Disabled', ['Pods', 3, 60]), 5, 20, 5, 'ScaleUpLimit'],
    ['enough', rules('Max', ['Pods', 100, 60]), 5, 20, 20, 'DesiredWithinRange'],
  ];
  for (const [name, scaleUp, current, desired, wanted, reason] of up)
    it(`up: ${name}`, () => {
      const { replicas, limited } = decide(history(), current, desired, { scaleUp });
      assert.deepEqual([replicas, limited.reason], [wanted, reason]);
    });
  const down: typeof up = [
    ['pods', rules('Max', ['Pods', 3, 60]), 20, 1, 17, 'ScaleDownLimit'],
    ['per cent', rules('Max', ['Percent', 10, 60]), 25, 1, 22, 'ScaleDownLimit'],
    ['the most of several', rules('Max', ['Pods', 3, 60], ['Percent', 50, 60]), 20, 1, 10, 'ScaleDownLimit'],
    ['the least of several', rules('Min', ['Pods', 3, 60], ['Percent', 50, 60]), 20, 1, 17, 'ScaleDownLimit'],
    ['none at all', rules('Disabled', ['Pods', 3, 60]), 20, 1, 20, 'ScaleDownLimit'],
    ['all', rules('Max', ['Percent', 100, 60]), 20, 1, 1, 'DesiredWithinRange'],
  ];
  for (const [name, scaleDown, current, desired, wanted, reason] of down)
    it(`down: ${name}`, () => {
      const { replicas, limited } = decide(history(), current, desired, { scaleDown });
      assert.deepEqual([replicas, limited.reason], [wanted, reason]);
    });

  it('count what was done within their period', () => {
    const past = history({
      ups: [
        { change: 2, atMs: ago(30) },
        { change: 5, atMs: ago(90) },
      ],
    });
    assert.equal(decide(past, 10, 50, { scaleUp: rules('Max', ['Pods', 3, 60]) }).replicas, 11);
    assert.equal(decide(past, 10, 50, { scaleUp: rules('Max', ['Pods', 3, 120]) }).replicas, 10, 'more was done than is allowed');
    const both = history({ ups: [{ change: 2, atMs: ago(30) }], downs: [{ change: 4, atMs: ago(10) }] });
    assert.equal(decide(both, 10, 50, { scaleUp: rules('Max', ['Pods', 3, 60]) }).replicas, 15);
    assert.equal(decide(both, 10, 1, { scaleDown: rules('Max', ['Pods', 3, 60]) }).replicas, 9);
  });

  it('do not pass minimum and maximum', () => {
    assert.deepEqual(decide(history(), 5, 50, {}, { max: 7 }).limited.reason, 'TooManyReplicas');
    assert.deepEqual(decide(history(), 5, 1, {}, { min: 3 }).limited.reason, 'TooFewReplicas');
  });

  it('have notes of what was done, as long as the longest period', () => {
    const past = history({
      ups: [
        { change: 1, atMs: ago(100) },
        { change: 1, atMs: ago(10) },
      ],
    });
    noteScaled(past, { scaleUp: rules('Max', ['Pods', 1, 15], ['Pods', 1, 60]) }, 2, 5, nowMs);
    noteScaled(past, { scaleDown: rules('Max', ['Pods', 1, 15]) }, 5, 4, nowMs);
    noteScaled(past, undefined, 5, 4, nowMs);
    assert.deepEqual([past.ups.map(({ change }) => change), past.downs.map(({ change }) => change)], [[1, 3], [1]]);
  });
});

describe('windows', () => {
  const windowed = (seconds: number): HPAScalingRules => ({
    ...rules('Max', ['Percent', 1000, 15]),
    stabilizationWindowSeconds: seconds,
  });
  it('up: go to the least that was recommended', () => {
    const { replicas, able } = decide(recommended([6, 50], [4, 400]), 5, 9, { scaleUp: windowed(60) });
    assert.deepEqual([replicas, able.reason], [6, 'ScaleUpStabilized']);
  });
  it('down: go to the most that was recommended', () => {
    const { replicas, able } = decide(recommended([4, 50], [9, 400]), 5, 2, { scaleDown: windowed(60) });
    assert.deepEqual([replicas, able.reason], [4, 'ScaleDownStabilized']);
  });
  it('down: are those of the flag where nothing is said', () => {
    const scaleDown = { selectPolicy: 'Max', policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }] };
    assert.equal(decide(recommended([4, 299]), 5, 2, { scaleDown }).replicas, 4);
    assert.equal(decide(recommended([4, 301]), 5, 2, { scaleDown }).replicas, 2);
  });
  it('stay where both ways are held', () =>
    assert.equal(decide(recommended([3, 10], [8, 20]), 5, 9, { scaleUp: windowed(60), scaleDown: windowed(60) }).replicas, 5));
});
