import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { rulesOf } from './rules.ts';
import { parseStructuralSchema } from './structural-schema.ts';

describe('what a rule may cost', () => {
  // As upstream's compiler estimates them: a part of a list that no field holds counts as large as the value itself.
  const cases: [rule: string, maxCost: number][] = [
    ["!self.split('.').exists(x, x.matches('^0[0-9]+$'))", 2579],
    ["self.split('.').exists(x, x == 'a')", 498],
    ["self.split('.').all(x, x.size() > 1)", 498],
    ["self.split('.', 3).exists(x, x.matches('^0[0-9]+$'))", 114],
  ];
  for (const [rule, maxCost] of cases)
    it(`${rule}: ${maxCost}`, () => {
      const schema = parseStructuralSchema({ type: 'string', maxLength: 20, 'x-kubernetes-validations': [{ rule }] });
      const [compiled] = rulesOf(schema, false)?.rules ?? [];
      assert.deepEqual([compiled?.maxCost, compiled?.error], [maxCost, undefined]);
    });
});
