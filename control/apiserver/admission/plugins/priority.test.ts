import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KubeObject } from '#api/meta.ts';
import type { PodSpec } from '#api/types.generated.ts';
import { ask, objectOf } from '../admission.testing.ts';
import { priority } from './priority.ts';

const preemptionPolicy = 'PreemptLowerPriority';
const priorityClass = (name: string, value: number, more: object = {}) =>
  objectOf('PriorityClass', name, undefined, { apiVersion: 'scheduling.k8s.io/v1', value, preemptionPolicy, ...more });
const storedAs = (...classes: KubeObject[]): Record<string, KubeObject> =>
  Object.fromEntries(classes.map((one) => [`priorityclasses.scheduling.k8s.io//${one.metadata.name}`, one]));
const stored = storedAs(
  priorityClass('system-node-critical', 2_000_001_000),
  priorityClass('patient', 7, { preemptionPolicy: 'Never' }),
);
const pod = (spec: Partial<PodSpec>) => objectOf('Pod', 'p', 'ns', { spec });
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
    [
      "the class's policy",
      { priorityClassName: 'patient' },
      { priorityClassName: 'patient', priority: 7, preemptionPolicy: 'Never' },
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
      assert.deepEqual(
        await ask(priority(), 'create', { object: pod(spec), stored }),
        typeof after === 'string' ? after : pod(after),
      );
    });
  }

  it('keeps the number where an update leaves it out, and leaves subresources alone', async () => {
    const old = pod({ priority: 7, preemptionPolicy: 'Never' });
    assert.deepEqual(await ask(priority(), 'update', { object: pod({}), old }), old);
    assert.deepEqual(await ask(priority(), 'update', { object: pod({}), old, subresource: 'status' }), pod({}));
  });

  it('gives a pod without a class the default one, of two the lower', async () => {
    const high = priorityClass('high', 9, { globalDefault: true });
    const low = priorityClass('low', 3, { globalDefault: true });
    assert.deepEqual(
      await ask(priority(), 'create', { object: pod({}), stored: storedAs(high, low) }),
      pod({ priorityClassName: 'low', priority: 3, preemptionPolicy }),
    );
  });

  it('lets one class be the default', async () => {
    const first = priorityClass('first', 1, { globalDefault: true });
    const second = priorityClass('second', 2, { globalDefault: true });
    const refused =
      '403 priorityclasses.scheduling.k8s.io "second" is forbidden: PriorityClass first is already marked as default. Only one default can exist';
    const ones = storedAs(first);
    assert.equal(await ask(priority(), 'create', { object: second, stored: ones }), refused);
    assert.equal(await ask(priority(), 'update', { object: second, old: second, stored: ones }), refused);
    assert.deepEqual(await ask(priority(), 'update', { object: first, old: first, stored: ones }), first);
    assert.deepEqual(await ask(priority(), 'create', { object: second }), second);
  });
});
