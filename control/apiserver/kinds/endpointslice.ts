/** What is special to EndpointSlices. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import type { EndpointSlice } from '#api/types.generated.ts';
import type { Strategy } from '../strategy.ts';
import { validateObjectMeta, validateObjectMetaUpdate } from '../validation/object-meta.ts';

export const endpointSliceStrategy: Strategy<EndpointSlice> = {
  validate: (object) => validateObjectMeta(object.metadata, { namespaced: true, name: nameIsDnsSubdomain }),
  validateUpdate: (object, old) => validateObjectMetaUpdate(object.metadata, old.metadata),
};
