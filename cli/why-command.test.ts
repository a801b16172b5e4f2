import assert from 'node:assert/strict';
import { it } from 'node:test';
import { recordText } from './why-command.ts';

it('tells of each attempt what every node and plugin said, and what would help', () => {
  const text = recordText({
    pod: 'default/p',
    waits: 'unschedulable',
    attempts: [
      {
        attempt: 1,
        at: '2026-01-01T00:00:00Z',
        outcome: { kind: 'unschedulable', message: '0/1 nodes are available: 1 Insufficient cpu.' },
        nodes: [{ node: 'a', rejectedBy: 'NodeResourcesFit', reasons: ['Insufficient cpu'] }],
      },
      {
        attempt: 2,
        at: '2026-01-01T00:00:01Z',
        outcome: { kind: 'scheduled', node: 'c' },
        nodes: [
          { node: 'b', scores: [{ plugin: 'TaintToleration', raw: 2, score: 0, weight: 3, weighted: 0 }], total: 0 },
          { node: 'c', scores: [{ plugin: 'TaintToleration', raw: 0, score: 100, weight: 3, weighted: 300 }], total: 300 },
        ],
      },
    ],
    remedies: [{ node: 'a', changes: ['uncordon node a', 'label node a x=y'] }],
  });
  assert.equal(
    text,
    `pod default/p waits (unschedulable)

attempt 1, 2026-01-01T00:00:00Z: unschedulable: 0/1 nodes are available: 1 Insufficient cpu.
  a: does not fit, NodeResourcesFit: Insufficient cpu

attempt 2, 2026-01-01T00:00:01Z: chose c
  c: 300 (TaintToleration 0 → 100 × 3 = 300)
  b: 0 (TaintToleration 2 → 0 × 3 = 0)

it would run, as tried on the present state of the cluster, if you
  uncordon node a, and label node a x=y (it would go to a)
`,
  );
});
