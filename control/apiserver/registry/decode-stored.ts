/** Decodes stored values into the objects of the watch caches. */
import { decodeProtobuf, isProtobuf } from '#api/codec/protobuf.ts';
import { parseExact } from '#api/int64.ts';
import { parseSteps } from '#api/json-steps.ts';
import type { KubeObject } from '#api/meta.ts';
import type { Resource } from '#api/resources.ts';
import { shape } from '#api/schema/shape.ts';
import type { Steps } from '#api/steps.ts';
import { isLargeText } from '../cache/object-size.ts';
import type { ServedKind } from '../catalog.ts';

/**
 * A decoder of stored values. They were written completely by this server or by upstream's, so they are not checked for unknown fields. But
 * readers rely on types, so a value of another shape (of another version, or damaged) is refused.
 * @param kindOf the kind that is stored under a prefix; where there is none, only the outermost shape is checked
 * @returns the steps of the decoding, which throw an Error saying what is wrong with the value
 */
export function decodeStored(kindOf: (prefix: string) => ServedKind | undefined) {
  return function* (prefix: string, value: Uint8Array): Steps<KubeObject> {
    const kind = kindOf(prefix);
    const object = isProtobuf(value) ? fromProtobuf(value, kind?.resource) : yield* fromJson(value);
    if (typeof object !== 'object' || object === null || typeof object.metadata !== 'object' || object.metadata === null)
      throw new Error('stored value is not an object');
    if (kind !== undefined) {
      yield;
      shape(kind.resource.schema, object);
      yield;
      kind.unstructured?.pruneStored(object);
      kind.strategy.setDefaults?.(object);
    }
    return object;
  };
}

function* fromJson(value: Uint8Array): Steps<KubeObject> {
  const text = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8');
  return (isLargeText(value.byteLength) ? yield* parseSteps(text) : parseExact(text)) as KubeObject;
}

/**
 * Upstream's servers store most kinds so. What they store in an earlier version of the same kind is read as the one that is served.
 * @throws ProtobufError for malformed bytes @throws Error for another kind
 */
function fromProtobuf(value: Uint8Array, resource: Resource | undefined): KubeObject {
  const { apiVersion, kind, object } = decodeProtobuf(value);
  if (resource === undefined) return object as unknown as KubeObject;
  const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
  if (group !== resource.group || kind !== resource.kind)
    throw new Error(
      `the stored object is ${apiVersion}, Kind=${kind}, and not of kind ${resource.kind} in group "${resource.group}"`,
    );
  const served = resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;
  return { ...object, apiVersion: served, kind } as unknown as KubeObject;
}
