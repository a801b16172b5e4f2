/**
 * What a mutation of a policy makes of an object.
 *
 * Source: apiserver `pkg/admission/plugin/policy/mutating/patch/{json_patch,smd}.go`.
 */
import { ListValue, MapValue, type Value } from '#api/cel/values.ts';
import { decodeJson } from '#api/codec/json.ts';
import { errorText } from '#api/error-text.ts';
import { stringifyExact } from '#api/int64.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '#api/json.ts';
import type { KubeObject } from '#api/meta.ts';
import { typeForKind } from '#api/schema/facts.ts';
import { internalError, serviceUnavailable } from '#api/status.ts';
import { configurationMistakes } from '../../patch/applied-configuration.ts';
import { applyJsonPatch, PatchTestFailed } from '../../patch/json-patch.ts';
import { childOf, itemOf, mergeValues, shapeOf, type Typed, typedRoot } from '../../patch/typed-value.ts';
import { checkTypeNames, MutationError, toJson } from './mutation-values.ts';

/** @param value what the expression of `applyConfiguration` has given @throws MutationError @throws ApiError 503 for a kind without schema */
export function appliedTo(object: KubeObject, value: Value): KubeObject {
  checkTypeNames(value);
  const { apiVersion, kind } = object;
  const type = typeOf(object);
  const patch: JsonObject = { ...(toJson(value) as JsonObject), apiVersion, kind };
  const mistakes = configurationMistakes(patch, type);
  if (mistakes !== undefined)
    throw new MutationError(`error applying patch: failed to convert patch object to typed object: ${mistakes}`);
  const atomics = [...atomicParts(patch, typedRoot(type), '')];
  if (atomics.length > 0)
    throw new MutationError(
      `error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: ${atomics.join(', ')}`,
    );
  return mergeValues(object as unknown as JsonObject, patch, typedRoot(type)) as unknown as KubeObject;
}

/** Parts that would be replaced as a whole, although the policy may mean to change something in them. */
function* atomicParts(value: JsonValue, typed: Typed, path: string): Generator<string> {
  const isMap = (typed.type.kind === 'ref' || typed.type.kind === 'map') && isJsonObject(value);
  const isList = typed.type.kind === 'list' && Array.isArray(value);
  if (!isMap && !isList) return;
  if (shapeOf(typed) === 'leaf') yield path;
  if (isList) for (const [index, item] of value.entries()) yield* atomicParts(item, itemOf(typed), `${path}[${index}]`);
  else if (typed.type.kind === 'ref')
    for (const [key, member] of Object.entries(value as JsonObject)) {
      const child = childOf(typed, key);
      if (child !== undefined) yield* atomicParts(member ?? null, child, `${path}.${key}`);
    }
}

/** @param value what the expression of `jsonPatch` has given @throws MutationError @throws ApiError 500 when that is no object any more */
export function patchedBy(object: KubeObject, value: Value): KubeObject {
  if (!(value instanceof ListValue)) throw new MutationError('type mismatch: JSONPatchType.expression should evaluate to array');
  const operations = [...value].map(operationOf);
  let patched: JsonObject;
  try {
    patched = applyJsonPatch(JSON.parse(stringifyExact(object)) as JsonObject, operations);
  } catch (error) {
    // Nothing of a patch whose test fails is applied.
    if (error instanceof PatchTestFailed) return object;
    throw new MutationError(`JSON Patch: ${errorText(error)}`, { cause: error });
  }
  const type = typeForKind(object.apiVersion, object.kind);
  if (type === undefined) return patched as unknown as KubeObject;
  try {
    return decodeJson(stringifyExact(patched), type, 'Ignore').object as unknown as KubeObject;
  } catch (error) {
    throw internalError(errorText(error));
  }
}

function operationOf(value: Value): JsonObject {
  if (!(value instanceof MapValue))
    throw new MutationError('type mismatch: JSONPatchType.expression should evaluate to array of JSONPatch');
  const text = (name: string): string => String(value.get(name) ?? '');
  const patchValue = value.get('value');
  if (patchValue !== undefined) checkTypeNames(patchValue);
  return {
    op: text('op'),
    path: text('path'),
    ...(text('from') === '' ? {} : { from: text('from') }),
    ...(patchValue === undefined ? {} : { value: toJson(patchValue) }),
  };
}

function typeOf({ apiVersion, kind }: KubeObject): string {
  const type = typeForKind(apiVersion, kind);
  if (type !== undefined) return type;
  const shown = `${apiVersion.includes('/') ? apiVersion : `/${apiVersion}`}, Kind=${kind}`;
  throw serviceUnavailable(
    `Resource kind ${shown} not found. There can be a delay between when CustomResourceDefinitions are created and when they are available.`,
  );
}
