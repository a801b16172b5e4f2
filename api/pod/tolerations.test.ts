import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Taint, Toleration } from '../types.generated.ts';
import {
  coversToleration,
  executionEffects,
  schedulingEffects,
  tolerates,
  tolerationOf,
  untoleratedTaint,
} from './tolerations.ts';

const taint: Taint = { key: 'gpu', value: 'a100', effect: 'NoSchedule' };

describe('a toleration', () => {
  const cases: [what: string, toleration: Toleration, taint: Taint, expected: boolean][] = [
    ['of the same key, value and effect', { key: 'gpu', operator: 'Equal', value: 'a100', effect: 'NoSchedule' }, taint, true],
    ['without an operator means Equal', { key: 'gpu', value: 'a100' }, taint, true],
    ['with an empty operator means Equal', { key: 'gpu', operator: '', value: 'a100' }, taint, true],
    ['of another value', { key: 'gpu', value: 't4' }, taint, false],
    ['without a value, of a taint that has one', { key: 'gpu' }, taint, false],
    ['without a value, of a taint that has none', { key: 'gpu' }, { key: 'gpu', effect: 'NoExecute' }, true],
    ['with an empty value, of a taint that has none', { key: 'gpu', value: '' }, { key: 'gpu', effect: 'NoExecute' }, true],
    ['of another effect', { key: 'gpu', operator: 'Exists', effect: 'NoExecute' }, taint, false],
    ['with an empty effect covers every effect', { key: 'gpu', operator: 'Exists', effect: '' }, taint, true],
    ['of another key', { key: 'cpu', operator: 'Exists' }, taint, false],
    ['Exists covers every value', { key: 'gpu', operator: 'Exists' }, taint, true],
    ['Exists without a key covers everything', { operator: 'Exists' }, taint, true],
    ['Equal without a key covers taints of its value, as upstream compares', { value: 'a100' }, taint, true],
    [
      'Equal without key and value covers taints without a value',
      { operator: 'Equal' },
      { key: 'x', effect: 'NoSchedule' },
      true,
    ],
    [
      'Gt covers nothing without its feature gate',
      { key: 'sla', operator: 'Gt', value: '5' },
      { key: 'sla', value: '9', effect: 'NoSchedule' },
      false,
    ],
    ['of an unknown operator covers nothing', { key: 'gpu', operator: 'Like', value: 'a100' }, taint, false],
  ];
  for (const [what, toleration, of, expected] of cases) it(what, () => assert.equal(tolerates(toleration, of), expected));

  it('that counts is the first that tolerates the taint', () => {
    const first = { key: 'gpu', operator: 'Exists', tolerationSeconds: 5 };
    assert.equal(tolerationOf([{ key: 'cpu', operator: 'Exists' }, first, { operator: 'Exists' }], taint), first);
    assert.equal(tolerationOf(undefined, taint), undefined);
  });
});

describe('untoleratedTaint', () => {
  const taints: Taint[] = [{ key: 'soft', effect: 'PreferNoSchedule' }, taint, { key: 'out', effect: 'NoExecute' }];
  it('ignores other effects than the given ones', () => {
    assert.deepEqual(untoleratedTaint(taints, [], schedulingEffects), taint);
    assert.deepEqual(untoleratedTaint(taints, [], executionEffects), { key: 'out', effect: 'NoExecute' });
  });
  it('is undefined when all taints are tolerated or there are none', () => {
    assert.equal(untoleratedTaint(taints, [{ operator: 'Exists' }], schedulingEffects), undefined);
    assert.equal(untoleratedTaint(undefined, undefined, schedulingEffects), undefined);
  });
});

describe('a toleration covers another one', () => {
  const cases: [what: string, wide: Toleration, narrow: Toleration, expected: boolean][] = [
    ['with any key', { operator: 'Exists' }, { key: 'a', operator: 'Equal', value: 'b', effect: 'NoSchedule' }, true],
    ['with any value of the key', { key: 'a', operator: 'Exists' }, { key: 'a', operator: 'Equal', value: 'b' }, true],
    ['not of another key', { key: 'a', operator: 'Exists' }, { key: 'b', operator: 'Exists' }, false],
    ['not of another effect', { operator: 'Exists', effect: 'NoExecute' }, { operator: 'Exists', effect: 'NoSchedule' }, false],
    ['not one of all effects', { operator: 'Exists', effect: 'NoExecute' }, { operator: 'Exists' }, false],
    [
      'for as long',
      { operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 10 },
      { key: 'a', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 10 },
      true,
    ],
    [
      'not for longer',
      { operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 10 },
      { operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 11 },
      false,
    ],
    [
      'not for ever',
      { operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 10 },
      { operator: 'Exists', effect: 'NoExecute' },
      false,
    ],
    ['of one value, with its operator written', { key: 'a', value: 'b' }, { key: 'a', operator: 'Equal', value: 'b' }, true],
    ['of one value, without the operator', { key: 'a', value: 'b' }, { key: 'a', value: 'b' }, false],
    ['not of another value', { key: 'a', value: 'b' }, { key: 'a', operator: 'Equal', value: 'c' }, false],
    ['not of all values', { key: 'a', value: 'b' }, { key: 'a', operator: 'Exists' }, false],
    [
      'never with an operator that matches nothing',
      { key: 'a', operator: 'Gt', value: '1' },
      { key: 'a', operator: 'Gt', value: '1' },
      false,
    ],
  ];
  for (const [what, wide, narrow, expected] of cases) it(what, () => assert.equal(coversToleration(wide, narrow), expected));
});
