import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { CelEnvironment } from './environment.ts';
import { joinedList } from './joined-list.ts';
import { fromJson } from './json-values.ts';
import * as types from './types.ts';
import { type ListValue, NativeList } from './values.ts';

describe('joined lists', () => {
  it('are what arrays would be, whichever of them is joined again', () => {
    const part = fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 40 });
    // Each step joins an earlier list and a new part, so that several lists grow from the same beginning.
    const steps = fc.array(fc.tuple(fc.nat(), part), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(steps, (all) => {
        const lists: ListValue[] = [new NativeList([])];
        const arrays: number[][] = [[]];
        for (const [choice, items] of all) {
          const index = choice % lists.length;
          lists.push(joinedList(lists[index] as ListValue, new NativeList(items)));
          arrays.push([...(arrays[index] as number[]), ...items]);
        }
        for (const [index, list] of lists.entries()) assert.deepEqual([...list], arrays[index]);
      }),
    );
  });
});

/** What costs little in upstream's units, however large the values are: it must not take long either. */
describe('cheap expressions on large values', () => {
  const row = types.structType('row', new Map([['x', { type: types.stringType, property: 'x' }]]));
  const environment = new CelEnvironment({
    variables: {
      l: types.listType(types.intType),
      big: types.listType(row),
      other: types.listType(row),
      set: types.listType(types.intType, 'set'),
      map: types.mapType(types.stringType, types.intType),
      text: types.stringType,
    },
  });
  const count = 20_000;
  const rows = (last: string): object[] => [...Array.from({ length: count }, (_, index) => ({ x: `y${index}` })), { x: last }];
  const variables = {
    l: fromJson(Array.from({ length: 2_000 }, (_, index) => index)),
    big: fromJson(rows('a'), types.listType(row)),
    other: fromJson(rows('b'), types.listType(row)),
    set: fromJson(
      Array.from({ length: count }, (_, index) => index),
      types.listType(types.intType, 'set'),
    ),
    map: fromJson(Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, index]))),
    text: 'ä'.repeat(1_000_000),
  };
  const sources = [
    'l.all(a, big == big)',
    'l.all(a, big != other)',
    'l.all(a, (big + other).size() > 0)',
    'l.map(a, big).size() > 0',
    'l.all(a, (set + set).size() > 0)',
    'l.all(a, set == set)',
    'l.all(a, map.size() > 0)',
    'l.all(a, text.size() > 0)',
    'l.all(a, l.sort().size() > 0)',
  ];
  for (const source of sources)
    it(source, () => {
      const before = process.cpuUsage().user;
      environment.compile(source).run(variables);
      assert.ok(process.cpuUsage().user - before < 5_000_000);
    });
});
