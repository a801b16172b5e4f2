import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PodSpec } from '#api/types.generated.ts';
import { ask, objectOf } from '../admission.testing.ts';
import { priority } from './priority.ts';

const pod = (spec: Partial<PodSpec>) => objectOf('Pod', 'p', 'ns', { spec });
const preemptionPolicy = 'PreemptLowerPriority';
const computed = 'priority admission controller computed';
const given = 'from the given PriorityClass name';

describe('Priority', () => {
  const cases: [what: string, Partial<PodSpec>, Partial<PodSpec> | string][] = [
    ['zero without a class', {}, { priority: 0, preemptionPolicy }],
    [
      "the class's number",
      { priorityClassName: 'system-node-critical' },
      { priorityClassName: 'system-node-critical', priority: 2_000_001_000, preemptionPolicy },
    ],
    ['its own number again', { priority: 0, preemptionPolicy }, { priority: 0, preemptionPolicy }],
    ['no unknown class', { priorityClassName: 'gold' }, '403 pods "p" is forbidden: no PriorityClass with name gold was found'],
    [
      'no class of every object',
      { priorityClassName: 'constructor' },
      '403 pods "p" is forbidden: no PriorityClass with name constructor was found',
    ],
    [
      'no other number',
      { priority: 5 },
      `403 pods "p" is forbidden: the integer value of priority (5) must not be provided in pod spec; ${computed} 0 ${given}`,
    ],
    [
      'no other policy',
      { preemptionPolicy: 'Never' },
      `403 pods "p" is forbidden: the string value of PreemptionPolicy (Never) must not be provided in pod spec; ${computed} ${preemptionPolicy} ${given}`,
    ],
  ];
  for (const [what, spec, after] of cases) {
    it(`gives a new pod ${what}`, async () => {
      assert.deepEqual(await ask(priority(), 'create', { object: pod(spec) }), typeof after === 'string' ? after : pod(after));
    });
  }

  it('keeps the number where an update leaves it out, and leaves subresources alone', async () => {
    const old = pod({ priority: 7, preemptionPolicy: 'Never' });
    assert.deepEqual(await ask(priority(), 'update', { object: pod({}), old }), old);
    assert.deepEqual(await ask(priority(), 'update', { object: pod({}), old, subresource: 'status' }), pod({}));
  });
});
