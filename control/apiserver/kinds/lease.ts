/** What is special to Leases. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import type { Lease } from '#api/types.generated.ts';
import type { Strategy } from '../strategy.ts';
import { validateObjectMeta, validateObjectMetaUpdate } from '../validation/object-meta.ts';

export const leaseStrategy: Strategy<Lease> = {
  validate: (object) => validateObjectMeta(object.metadata, { namespaced: true, name: nameIsDnsSubdomain }),
  validateUpdate: (object, old) => validateObjectMetaUpdate(object.metadata, old.metadata),
};
