/** From a stored value to the object that the caches hold. */
import { parseExact } from '#api/int64.ts';
import type { KubeObject } from '#api/meta.ts';
import { shape } from '#api/schema/shape.ts';
import type { Steps } from '#client/turns.ts';
import type { ServedKind } from '../catalog.ts';

/**
 * A decoder of stored values. They come from this server or from upstream's, which wrote them in full: no strict decoding needed. But
 * readers rely on types, so a value of another shape (another version's, a damaged one) is refused.
 * @param kindOf the kind that is stored under a prefix; where there is none, only the outermost shape is looked at
 * @returns the steps of the decoding, which throw an Error saying what is wrong with the value
 */
export function decodeStored(kindOf: (prefix: string) => ServedKind | undefined) {
  return function* (prefix: string, value: Uint8Array): Steps<KubeObject> {
    const object = parseExact(Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8')) as KubeObject;
    if (typeof object !== 'object' || object === null || typeof object.metadata !== 'object' || object.metadata === null)
      throw new Error('stored value is not an object');
    const kind = kindOf(prefix);
    if (kind !== undefined) {
      yield;
      shape(kind.resource.schema, object);
      yield;
      kind.strategy.setDefaults?.(object);
    }
    return object;
  };
}
