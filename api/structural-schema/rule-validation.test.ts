import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { perCallLimit } from '../cel/environment.ts';
import { atOnce } from '../steps.ts';
import { validateRules } from './rule-validation.ts';
import { listOf, objectOf } from './schema.testing.ts';
import { parseStructuralSchema } from './structural-schema.ts';

const sources = fc.constantFrom(
  'self.l.all(x, x >= 0)',
  'self.l.all(x, self.l.exists(y, x == y))',
  'self.l.map(x, x + 1).filter(x, x > 2).size() > 0',
  'self.l.all(x, self.s.all(y, y.contains("a") || x < 3))',
  'self.s.join(",").split(",").size() == self.s.size()',
  'self.l.sort() == self.l || self.l.isSorted()',
  'self.l[100] == 1',
  'self.s.exists_one(x, x.matches("^a+$"))',
);

describe('what the rules of one object cost', () => {
  it('is never more than they may', () => {
    const inputs = fc.record({
      rules: fc.array(sources, { minLength: 1, maxLength: 6 }),
      l: fc.array(fc.nat({ max: 9 }), { maxLength: 60 }),
      s: fc.array(fc.constantFrom('', 'a', 'aaaa', 'b'.repeat(50)), { maxLength: 30 }),
      budget: fc.integer({ min: 1, max: 20_000 }),
    });
    fc.assert(
      fc.property(inputs, ({ rules, l, s, budget }) => {
        const schema = parseStructuralSchema(
          objectOf(
            { l: listOf({ type: 'integer' }), s: listOf({ type: 'string' }) },
            { 'x-kubernetes-validations': rules.map((rule) => ({ rule })) },
          ),
        );
        const { errors, remaining } = atOnce(validateRules({ l, s }, undefined, schema, { budget }));
        if (remaining >= 0) {
          assert.ok(budget - remaining <= Math.min(budget, rules.length * perCallLimit));
          return;
        }
        assert.match(errors.at(-1)?.message ?? '', /running out of cost budget/);
      }),
    );
  });
});
