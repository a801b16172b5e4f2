/** Decodes stored values into the objects of the watch caches. */
import { parseExact } from '#api/int64.ts';
import { parseSteps } from '#api/json-steps.ts';
import type { KubeObject } from '#api/meta.ts';
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
    const text = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8');
    const object = (isLargeText(value.byteLength) ? yield* parseSteps(text) : parseExact(text)) as KubeObject;
    if (typeof object !== 'object' || object === null || typeof object.metadata !== 'object' || object.metadata === null)
      throw new Error('stored value is not an object');
    const kind = kindOf(prefix);
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
