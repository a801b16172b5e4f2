/**
 * JSON patch (RFC 6902) and JSON merge patch (RFC 7386) of an object.
 *
 * Source: apiserver `pkg/endpoints/handlers/patch.go` (limits and error answers); evanphx/json-patch v4 (indexes from the end, `test`
 * for absence, the limit of copies).
 */

import { setMember } from '#api/codec/json-scanner.ts';
import { parseExact, stringifyExact } from '#api/int64.ts';
import type { JsonObject, JsonValue } from '#api/json.ts';
import { isJsonObject } from '#api/json.ts';
import { sameJson } from '#api/meta.ts';
import { ApiError, badRequest, failure, requestTooLarge } from '#api/status.ts';

const maxOperations = 10_000;
/** What all copies may add to the object, in bytes of JSON (`JSONPatchMaxCopyBytes`). */
const maxCopiedBytes = 3 * 1024 * 1024;
/** Elements that insertions into lists and removals may move, in all: about a tenth of a second. */
const maxMovedElements = 100_000_000;

/**
 * Applies a JSON patch to a copy of `current`.
 * @throws ApiError 400 for a body that is no patch, 413 for too many operations, 422 for one that does not fit the object (a failed `test`,
 * a missing path)
 */
export function applyJsonPatch(current: JsonObject, patch: JsonValue): JsonObject {
  if (!Array.isArray(patch)) throw badRequest('a JSON patch is a list of operations');
  if (patch.length > maxOperations) {
    throw requestTooLarge(
      `Request entity too large: The allowed maximum operations in a JSON patch is ${maxOperations}, got ${patch.length}`,
    );
  }
  if (!patch.every(isOperation)) throw unprocessable();
  const patched = copyOfJson(current);
  const spent = { copiedBytes: 0, movedElements: 0 };
  for (const operation of patch) apply(patched, operation, spent);
  return patched;
}

interface Operation {
  op: string;
  path?: string;
  from?: string;
  value?: JsonValue;
}

/** What a patch has used up of its limits so far. */
interface Spent {
  copiedBytes: number;
  movedElements: number;
}

function apply(document: JsonObject, { op, path = '', from = '', value = null }: Operation, spent: Spent): void {
  switch (op) {
    case 'add':
      return add(place(document, path), copyOfJson(value), spent);
    case 'remove':
      remove(place(document, path), spent);
      return;
    case 'replace': {
      const target = place(document, path);
      if (valueAt(target) === undefined) throw unprocessable();
      return replace(target, copyOfJson(value));
    }
    case 'move': {
      const moved = remove(place(document, from), spent);
      return add(place(document, path), moved, spent);
    }
    case 'copy': {
      const source = valueAt(place(document, from));
      if (source === undefined) throw unprocessable();
      const target = place(document, path);
      const text = stringifyExact(source);
      spent.copiedBytes += Buffer.byteLength(text);
      if (spent.copiedBytes > maxCopiedBytes) throw unprocessable();
      return add(target, parseExact(text) as JsonValue, spent);
    }
    case 'test':
      if (!sameJson(valueAt(place(document, path)) ?? null, value)) throw new PatchTestFailed();
      return;
    default:
      throw unprocessable();
  }
}

/** The member or element that a JSON pointer names, which need not exist. */
interface Place {
  container: JsonObject | JsonValue[];
  key: string;
}

function place(document: JsonObject, pointer: string): Place {
  const parts = pointer.split('/').slice(1);
  let container: JsonValue = document;
  for (const part of parts.slice(0, -1)) {
    const next: JsonValue | undefined = isContainer(container) ? valueAt({ container, key: unescaped(part) }) : undefined;
    if (next === undefined) throw unprocessable();
    container = next;
  }
  if (!isContainer(container)) throw unprocessable();
  return { container, key: unescaped(parts.at(-1) ?? '') };
}

const unescaped = (part: string): string => part.replaceAll('~1', '/').replaceAll('~0', '~');

const isContainer = (value: JsonValue): value is JsonObject | JsonValue[] => typeof value === 'object' && value !== null;

/** Undefined: the object has no such member. @throws ApiError 422 for an index that the list does not have */
function valueAt({ container, key }: Place): JsonValue | undefined {
  if (Array.isArray(container)) return container[indexIn(key, container.length)];
  return Object.hasOwn(container, key) ? container[key] : undefined;
}

/** Negative indexes count from the end. */
function indexIn(key: string, length: number): number {
  const index = /^[-+]?[0-9]{1,9}$/.test(key) ? Number(key) : Number.NaN;
  if (!(index >= -length && index < length)) throw unprocessable();
  return index < 0 ? index + length : index;
}

function add({ container, key }: Place, value: JsonValue, spent: Spent): void {
  if (!Array.isArray(container)) return setMember(container, key, value);
  const index = key === '-' ? container.length : indexIn(key, container.length + 1);
  move(spent, container.length - index);
  container.splice(index, 0, value);
}

function replace({ container, key }: Place, value: JsonValue): void {
  if (Array.isArray(container)) container[indexIn(key, container.length)] = value;
  else setMember(container, key, value);
}

function remove({ container, key }: Place, spent: Spent): JsonValue {
  const value = valueAt({ container, key });
  if (value === undefined) throw unprocessable();
  if (Array.isArray(container)) {
    const index = indexIn(key, container.length);
    move(spent, container.length - index);
    container.splice(index, 1);
  } else delete container[key];
  return value;
}

function move(spent: Spent, elements: number): void {
  spent.movedElements += elements;
  if (spent.movedElements > maxMovedElements)
    throw requestTooLarge('Request entity too large: the patch moves too many elements of lists');
}

function copyOfJson<T extends JsonValue>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(copyOfJson) as unknown as T;
  const copy: JsonObject = {};
  for (const [key, inner] of Object.entries(value)) if (inner !== undefined) setMember(copy, key, copyOfJson(inner));
  return copy as T;
}

/**
 * Applies a JSON merge patch: objects are merged recursively, null deletes, any other value replaces.
 * @throws ApiError 400 for a patch that is no object
 */
export function applyMergePatch(current: JsonObject, patch: JsonValue): JsonObject {
  if (!isJsonObject(patch)) throw badRequest('Invalid JSON Patch');
  return mergeInto(current, patch);
}

/** An operation `test` has found another value. */
export class PatchTestFailed extends ApiError {
  override name = 'PatchTestFailed';
  constructor() {
    super(unprocessable().status);
  }
}

/** What upstream answers to a well-formed patch that cannot be applied. */
export function unprocessable(): ReturnType<typeof failure> {
  return failure(422, 'Invalid', 'the server rejected our request due to an error in our request', {});
}

function mergeInto(current: JsonValue | undefined, patch: JsonObject): JsonObject {
  const merged: JsonObject = isJsonObject(current) ? { ...current } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else setMember(merged, key, isJsonObject(value) ? mergeInto(ownMember(merged, key), value) : (value as JsonValue));
  }
  return merged;
}

const ownMember = (object: JsonObject, key: string): JsonValue | undefined =>
  Object.hasOwn(object, key) ? object[key] : undefined;

/**
 * Whether the value has the form of an operation. Its pointers must begin with `/`: others point nowhere, and `` (the whole object) is
 * refused, too.
 */
function isOperation(value: JsonValue): value is JsonObject & Operation {
  if (!isJsonObject(value) || typeof value['op'] !== 'string') return false;
  return [value['path'] ?? '', value['from'] ?? '/'].every((pointer) => typeof pointer === 'string' && pointer.startsWith('/'));
}
