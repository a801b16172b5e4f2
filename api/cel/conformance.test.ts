/**
 * cel-spec's conformance tests, as far as they apply: Kubernetes' environment has no protobuf messages, no enums and no containers, and
 * checks every expression before it evaluates it.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { tests as conformance } from '@bufbuild/cel-spec/testdata/conformance.js';
import { CelEnvironment } from './environment.ts';
import { equal } from './equality.ts';
import { CelCompileError } from './source.ts';
import type { Type } from './types.ts';
import * as types from './types.ts';
import { CelError, keyOf, NativeList, NativeMap, TypeValue, Uint, type Value } from './values.ts';

/** The JSON form of `cel.expr.Value`. */
interface JsonCelValue {
  int64Value?: string;
  uint64Value?: string;
  doubleValue?: number | string;
  stringValue?: string;
  bytesValue?: string;
  boolValue?: boolean;
  nullValue?: null;
  listValue?: { values?: JsonCelValue[] };
  mapValue?: { entries?: { key: JsonCelValue; value: JsonCelValue }[] };
  typeValue?: string;
}

/** The JSON form of `cel.expr.Type`. */
interface JsonCelType {
  primitive?: string;
  wellKnown?: string;
  dyn?: object;
  null?: null;
  listType?: { elemType?: JsonCelType };
  mapType?: { keyType?: JsonCelType; valueType?: JsonCelType };
}

interface Original {
  name?: string;
  expr: string;
  value?: JsonCelValue;
  typeEnv?: { name: string; ident?: { type: JsonCelType }; function?: object }[];
  bindings?: Record<string, { value?: JsonCelValue }>;
  disableCheck?: boolean;
  container?: string;
  evalError?: object;
  checkOnly?: boolean;
}

interface Suite {
  name: string;
  suites?: readonly Suite[];
  tests?: readonly { original: object }[];
}

/** Suites about what Kubernetes does not have. */
const otherSuites = new Set(
  'block_ext dynamic encoders_ext enums math_ext namespace proto2 proto2_ext proto3 type_deductions unknowns wrappers'.split(' '),
);
/** Messages, wrappers, and versions of functions that Kubernetes' environment does not contain. */
const foreign =
  /TestAllTypes|google\.protobuf\.|NestedTestAllTypes|cel\.expr|GlobalEnum|strings\.quote|\.reverse\(\)|optional\.ofNonZeroValue\(optional/;

function applies({ expr, container, disableCheck, typeEnv, bindings }: Original): boolean {
  return !(
    foreign.test(expr + JSON.stringify(bindings ?? {}) + JSON.stringify(typeEnv ?? [])) ||
    disableCheck === true ||
    (container ?? '') !== '' ||
    (typeEnv ?? []).some((declaration) => declaration.function !== undefined)
  );
}

function valueOf(json: JsonCelValue): Value {
  if (json.int64Value !== undefined) return BigInt(json.int64Value);
  if (json.uint64Value !== undefined) return new Uint(BigInt(json.uint64Value));
  if (json.doubleValue !== undefined) return Number(json.doubleValue);
  if (json.stringValue !== undefined) return json.stringValue;
  if (json.bytesValue !== undefined) return Buffer.from(json.bytesValue, 'base64');
  if (json.boolValue !== undefined) return json.boolValue;
  if (json.typeValue !== undefined) return new TypeValue(json.typeValue);
  if (json.listValue !== undefined) return new NativeList((json.listValue.values ?? []).map(valueOf));
  if (json.mapValue !== undefined) {
    const entries = (json.mapValue.entries ?? []).map(({ key, value }) => [valueOf(key), valueOf(value)] as const);
    return new NativeMap(new Map(entries.map(([key, value]) => [keyOf(key) as string, [key, value] as const])));
  }
  return null;
}

const primitives: Record<string, Type> = {
  BOOL: types.boolType,
  INT64: types.intType,
  UINT64: types.uintType,
  DOUBLE: types.doubleType,
  STRING: types.stringType,
  BYTES: types.bytesType,
  TIMESTAMP: types.timestampType,
  DURATION: types.durationType,
};

function typeOf({ primitive, wellKnown, listType, mapType }: JsonCelType): Type {
  const simple = primitives[primitive ?? wellKnown ?? ''];
  if (simple !== undefined) return simple;
  if (listType !== undefined) return types.listType(typeOf(listType.elemType ?? {}));
  if (mapType !== undefined) return types.mapType(typeOf(mapType.keyType ?? {}), typeOf(mapType.valueType ?? {}));
  return types.dynType;
}

function evaluate({ expr, typeEnv = [], bindings = {} }: Original): Value {
  const variables = Object.fromEntries(typeEnv.map(({ name, ident }) => [name, typeOf(ident?.type ?? {})]));
  const environment = new CelEnvironment({ variables, mixedLiterals: true, bindings: true });
  const values = Object.fromEntries(Object.entries(bindings).map(([name, { value }]) => [name, valueOf(value ?? {})]));
  return environment.compile(expr).evaluate(values, Number.MAX_SAFE_INTEGER).value;
}

function failure(original: Original): string | undefined {
  const { value, evalError, checkOnly } = original;
  try {
    const result = evaluate(original);
    if (evalError !== undefined) return 'has a value instead of an error';
    const expected = value === undefined ? true : valueOf(value);
    if (checkOnly === true || equal(result, expected) || (Number.isNaN(result) && Number.isNaN(expected))) return undefined;
    return `is ${String(result)} instead of ${JSON.stringify(value)}`;
  } catch (error) {
    if (!(error instanceof CelError || error instanceof CelCompileError)) throw error;
    return evalError === undefined ? `fails: ${error.message}` : undefined;
  }
}

describe('cel-spec’s conformance tests', () => {
  let passed = 0;
  let skipped = 0;
  for (const suite of (conformance as Suite).suites ?? []) {
    if (otherSuites.has(suite.name)) continue;
    for (const part of suite.suites ?? [])
      it(`${suite.name}: ${part.name}`, () => {
        const failures: string[] = [];
        for (const { original } of (part.tests ?? []) as { original: Original }[]) {
          if (!applies(original)) {
            skipped++;
            continue;
          }
          const problem = failure(original);
          if (problem === undefined) passed++;
          else failures.push(`${original.name ?? ''}: ${original.expr} ${problem}`);
        }
        assert.deepEqual(failures, []);
      });
  }
  it('are many', (context) => {
    context.diagnostic(`${passed} passed, ${skipped} do not apply`);
    assert.ok(passed > 1_000, `${passed} passed`);
  });
});
