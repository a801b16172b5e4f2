/** Laws of patches and of server-side apply, over random objects of every type of the API. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { anyObject } from '#api/codec/arbitrary-object.testing.ts';
import type { JsonObject, JsonValue } from '#api/json.ts';
import { typeFacts } from '#api/schema/facts.ts';
import { ApiError } from '#api/status.ts';
import { emptySet, fromFieldsV1, intersection, isEmpty, sameSet, toFieldsV1, union } from './field-set.ts';
import { applyMergePatch } from './json-patch.ts';
import { applyStrategicMergePatch } from './strategic-merge-patch.ts';
import { compare, fieldsOf, mergeValues, removeFields, typedRoot } from './typed-value.ts';

const copy = <T extends JsonValue>(value: T): T => structuredClone(value);

/** Two random objects of one random type. */
const pair = anyObject.chain(([typeName, first]) =>
  fc.tuple(
    fc.constant(typeName),
    fc.constant(first),
    // A part of the object with other values: fields taken away at random.
    fc.infiniteStream(fc.boolean()).map((coin) => thinned(first, coin) as JsonObject),
  ),
);

function thinned(value: JsonValue | undefined, coin: Iterator<boolean>): JsonValue {
  if (value === undefined) return null;
  if (Array.isArray(value)) return value;
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(() => coin.next().value === true);
  return Object.fromEntries(kept.map(([key, inner]) => [key, thinned(inner, coin)]));
}

/** JSON without `__proto__`, of which JavaScript's object literals make something else. */
const same = (a: unknown, b: unknown): void => assert.equal(sorted(a), sorted(b));
function sorted(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([x], [y]) => (x < y ? -1 : 1)))
      : inner,
  );
}

/** Whether lists of maps have elements with the same key, which no valid object has. */
function isValid(typeName: string, value: JsonObject): boolean {
  try {
    fieldsOf(value, typedRoot(typeName));
    return !hasTwins(value);
  } catch {
    return false;
  }
}

/** Random lists often repeat an element; sets and maps of the API do not. */
function hasTwins(value: JsonValue | undefined): boolean {
  if (Array.isArray(value)) return value.length > 1 || value.some(hasTwins);
  // In a patch, null takes away.
  if (value === null || value === undefined) return true;
  if (typeof value !== 'object') return false;
  return Object.hasOwn(value, '__proto__') || Object.values(value).some(hasTwins);
}

/** Whether each element of a list that is merged by a key has this key; a strategic merge patch without it is refused. */
function hasMergeKeys(strategic: (object: JsonObject, patch: JsonValue) => JsonObject, patch: JsonObject): boolean {
  try {
    strategic(copy(patch), copy(patch));
    return true;
  } catch (error) {
    if (error instanceof ApiError) return false;
    throw error;
  }
}

describe('merge patches of every type', () => {
  it('with nothing change nothing; with the object itself, neither; a second time, nothing more', () => {
    fc.assert(
      fc.property(pair, ([typeName, object, part]) => {
        fc.pre(isValid(typeName, object));
        const strategic = (a: JsonObject, b: JsonValue): JsonObject => applyStrategicMergePatch(a, b, typeName);
        // A strategic merge patch replaces some parts (a budget's selector), so that there only the whole object changes nothing.
        const cases = [
          [applyMergePatch, part] as const,
          ...(hasMergeKeys(strategic, object) ? [[strategic, object] as const] : []),
        ];
        for (const [patch, body] of cases) {
          same(patch(copy(object), {}), object);
          same(patch(copy(object), copy(body)), object);
          const once = patch({}, copy(body));
          same(patch(copy(once), copy(body)), once);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('with null for each field leave nothing', () => {
    fc.assert(
      fc.property(anyObject, ([typeName, object]) => {
        fc.pre(!Object.hasOwn(object, '__proto__'));
        const nothing = Object.fromEntries(Object.keys(object).map((key) => [key, null]));
        same(applyMergePatch(copy(object), nothing), {});
        same(applyStrategicMergePatch(copy(object), nothing, typeName), {});
      }),
      { numRuns: 200 },
    );
  });
});

describe('server-side apply of every type', () => {
  it('merging an object into nothing, or into itself, gives the object; merging a part of it changes nothing', () => {
    fc.assert(
      fc.property(pair, ([typeName, object, part]) => {
        fc.pre(isValid(typeName, object));
        const typed = typedRoot(typeName);
        same(mergeValues(undefined, copy(object), typed), object);
        same(mergeValues(copy(object), copy(object), typed), object);
        const merged = mergeValues(copy(object), copy(part), typed);
        same(mergeValues(copy(merged), copy(part), typed), merged);
        const { added, removed } = compare(object, merged, typed);
        assert.ok(isEmpty(removed), 'a merge takes nothing away');
        assert.ok(isEmpty(added), 'nor does a part add anything');
      }),
      { numRuns: 300 },
    );
  });

  it('the fields of an object survive their written form, and comparing an object with itself finds none', () => {
    fc.assert(
      fc.property(anyObject, ([typeName, object]) => {
        fc.pre(isValid(typeName, object));
        const typed = typedRoot(typeName);
        // No whole object is atomic; in an object's fields, the object itself is not one of them.
        fc.pre(typeFacts(typeName).mapType !== 'atomic');
        const fields = fieldsOf(object, typed);
        assert.ok(sameSet(fromFieldsV1(toFieldsV1(fields)), fields));
        assert.ok(sameSet(union(fields, fields), fields));
        assert.ok(sameSet(union(fields, emptySet()), fields));
        assert.ok(sameSet(intersection(fields, fields), fields));
        const { added, removed, modified } = compare(object, object, typed);
        for (const none of [added, removed, modified]) assert.ok(isEmpty(none));
      }),
      { numRuns: 300 },
    );
  });

  it('taking away all fields of an object leaves none of its values', () => {
    fc.assert(
      fc.property(anyObject, ([typeName, object]) => {
        fc.pre(isValid(typeName, object));
        const typed = typedRoot(typeName);
        const left = removeFields(copy(object), fieldsOf(object, typed), typed);
        const leaves = (value: JsonValue | undefined): number =>
          value === undefined
            ? 0
            : typeof value === 'object' && value !== null
              ? Object.values(value).reduce((sum: number, inner) => sum + leaves(inner as JsonValue), 0)
              : 1;
        assert.equal(leaves(left), 0, JSON.stringify(left));
      }),
      { numRuns: 300 },
    );
  });
});
