/** managedFields of a large object, computed in the decoding thread. The event loop only writes the objects as JSON. */
import { jsonBytesSteps } from '#api/json-steps.ts';
import type { ManagedFieldsEntry } from '#api/types.generated.ts';
import { inTurns, letOthersIn } from '#client/turns.ts';
import type { TrackRequest } from '../patch/patch.ts';
import type { BodyDecoder } from './body-decoder.ts';

/**
 * Like `ObjectPatcher.trackManagedFields` (it changes the object in place), but in the decoding thread.
 * @throws (when called) as {@link BodyDecoder.run}
 */
export function trackIn(decoder: BodyDecoder): (request: TrackRequest) => Promise<void> {
  return async ({ object, live, ...request }) => {
    const body = await inTurns(jsonBytesSteps(object));
    const current = live === undefined ? undefined : await inTurns(jsonBytesSteps(live));
    await letOthersIn();
    const { value } = await decoder.run({ kind: 'tracking', body, current, request });
    if (value === null) delete object.metadata.managedFields;
    else object.metadata.managedFields = value as ManagedFieldsEntry[];
  };
}
