import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BudgetIndex } from '#api/policy/budget-index.ts';
import type { LabelSelector, Node, Pod, PodDisruptionBudget, PodDisruptionBudgetStatus } from '#api/types.generated.ts';
import { chooseNode, type Nominations } from './decide.ts';
import { node, type PodFixture, pod, snapshotOf } from './objects.testing.ts';
import { filterPlugins } from './plugins.ts';
import { type PreemptionPlan, planPreemption } from './preemption.ts';

const nowMs = Date.UTC(2026, 0, 2);

function plan(
  incoming: Pod,
  nodes: (Node | [Node, ...Pod[]])[],
  { budgets = [], nominations = new Map() }: { budgets?: PodDisruptionBudget[]; nominations?: Nominations } = {},
): PreemptionPlan {
  const snapshot = snapshotOf(nodes);
  const { verdicts, node: fits } = chooseNode(incoming, snapshot, nominations, { filters: filterPlugins, scores: [] }, () => 0);
  assert.equal(fits, undefined, 'there is nothing to preempt for');
  const index = new BudgetIndex();
  for (const one of budgets) index.put(one);
  return planPreemption({ pod: incoming, snapshot, verdicts, nominations, filters: filterPlugins, budgets: index, nowMs });
}

const describePlan = (result: PreemptionPlan): string =>
  result.kind === 'none' ? result.message : `${result.node}: ${result.victims.map(({ metadata }) => metadata.name).join(' ')}`;

const low = (name: string, cpu: string, fixture: PodFixture = {}): Pod => pod(name, { cpu, priority: 1, ...fixture });
const since = (day: number): PodFixture => ({ status: { startTime: `2026-01-0${day}T00:00:00Z` } });
const high = (cpu: string, fixture: PodFixture = {}): Pod => pod('p', { cpu, priority: 100, ...fixture });

const budget = (
  disruptionsAllowed: number,
  selector: LabelSelector = { matchLabels: { app: 'db' } },
  { name = 'b', namespace = 'default', ...status }: PodDisruptionBudgetStatus & { name?: string; namespace?: string } = {},
): PodDisruptionBudget =>
  ({
    metadata: { namespace, name },
    spec: { selector },
    status: { disruptionsAllowed, ...status },
  }) as unknown as PodDisruptionBudget;
const db: PodFixture = { labels: { app: 'db' } };

describe('planPreemption', () => {
  const cases: { name: string; got: () => PreemptionPlan; expected: string }[] = [
    {
      name: 'evicts no more than needed, the least important',
      got: () => plan(high('2'), [[node('a'), low('q', '2', { priority: 2 }), low('r', '2')]]),
      expected: 'a: r',
    },
    {
      name: 'evicts the younger of equals',
      got: () => plan(high('2'), [[node('a'), low('old', '2', since(1)), low('young', '2', since(2))]]),
      expected: 'a: young',
    },
    {
      name: 'lets a large one go rather than keep it beside others',
      got: () => plan(high('4'), [[node('a'), low('q', '1'), low('r', '3')]]),
      expected: 'a: q r',
    },
    {
      name: 'chooses the node with the lowest highest priority of victims',
      got: () =>
        plan(high('4'), [
          [node('a'), low('q', '4', { priority: 5 })],
          [node('b'), low('r', '2'), low('s', '2')],
        ]),
      expected: 'b: r s',
    },
    {
      name: 'then the one with the fewest victims',
      got: () =>
        plan(high('4'), [
          [node('a'), low('q', '2'), low('r', '2')],
          [node('b'), low('s', '4')],
        ]),
      expected: 'b: s',
    },
    {
      name: 'then the one whose victims have run the shortest',
      got: () =>
        plan(high('4'), [
          [node('a'), low('q', '4', since(1))],
          [node('b'), low('r', '4', since(2))],
        ]),
      expected: 'b: r',
    },
    {
      name: 'keeps disruption budgets where it can',
      got: () =>
        plan(
          high('4'),
          [
            [node('a'), low('q', '4', db)],
            [node('b'), low('r', '4', { priority: 9 })],
          ],
          { budgets: [budget(0)] },
        ),
      expected: 'b: r',
    },
    {
      name: 'counts what a budget allows',
      got: () =>
        plan(
          high('4'),
          [
            [node('a'), low('q', '4', db)],
            [node('b'), low('r', '4', { priority: 9 })],
          ],
          { budgets: [budget(1)] },
        ),
      expected: 'a: q',
    },
    {
      name: 'brings back pods with a budget before others',
      got: () =>
        plan(high('2'), [[node('a'), low('q', '2', { ...db, priority: 1 }), low('r', '2', { priority: 5 })]], {
          budgets: [budget(0)],
        }),
      expected: 'a: r',
    },
    ...(
      [
        ['a budget of another namespace', budget(0, undefined, { namespace: 'other' })],
        ['an empty selector', budget(0, {})],
        ['a selector that nobody can read', budget(0, { matchExpressions: [{ key: 'app', operator: 'Like' }] })],
        ['an eviction that the API server has counted', budget(0, undefined, { disruptedPods: { q: '2026-01-01T00:00:00Z' } })],
      ] as const
    ).map(([what, one]) => ({
      name: `does not count ${what}`,
      got: () =>
        plan(
          high('4'),
          [
            [node('a'), low('q', '4', db)],
            [node('b'), low('r', '4', { priority: 9 })],
          ],
          { budgets: [one] },
        ),
      expected: 'a: q',
    })),
    {
      name: 'counts a pod against each of its budgets, also those that come after a violated one',
      // q violates the first budget and takes what the second one allows, so r violates that.
      got: () =>
        plan(
          high('4'),
          [
            [node('a'), low('q', '2', { ...db, priority: 2 }), low('r', '2', { labels: { tier: 'x' } })],
            [node('b'), low('s', '2', { ...db, priority: 9 }), low('t', '2', { priority: 9 })],
          ],
          { budgets: [budget(0), budget(1, { matchExpressions: [{ key: 'none', operator: 'DoesNotExist' }] }, { name: 'c' })] },
        ),
      expected: 'b: s t',
    },
    {
      name: 'finds nobody to evict among equals',
      got: () => plan(high('4'), [[node('a'), low('q', '4', { priority: 100 })], node('b', { unschedulable: true })]),
      expected:
        '0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling.',
    },
    {
      name: 'tells what still stands in the way when all could go',
      got: () => plan(high('3'), [[node('a'), low('q', '2'), low('r', '2', { priority: 200 })]]),
      expected: '0/1 nodes are available: 1 Insufficient cpu.',
    },
    {
      name: 'helps nobody who asks for more than a node has',
      got: () => plan(high('5'), [[node('a'), low('q', '1')]]),
      expected: '0/1 nodes are available: 1 Preemption is not helpful for scheduling.',
    },
    {
      name: 'heeds preemptionPolicy',
      got: () => plan(high('4', { preemptionPolicy: 'Never' }), [[node('a'), low('q', '4')]]),
      expected: 'not eligible due to preemptionPolicy=Never.',
    },
    {
      name: 'waits for victims that are on their way out',
      got: () =>
        plan(high('4', { status: { nominatedNodeName: 'a' } }), [
          [
            node('a'),
            low('q', '4', {
              deleting: true,
              status: { conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler' }] },
            }),
          ],
          [node('b'), low('r', '4')],
        ]),
      expected: 'not eligible due to a terminating pod on the nominated node.',
    },
    {
      name: 'does not take the room made for another of its priority',
      got: () =>
        plan(high('2'), [[node('a'), low('q', '2')]], { nominations: new Map([['a', [pod('n', { cpu: '4', priority: 100 })]]]) }),
      expected: '0/1 nodes are available: 1 Insufficient cpu.',
    },
  ];
  for (const { name, got, expected } of cases) it(name, () => assert.equal(describePlan(got()), expected));
});
