/** What is special to Namespaces. */
import { nameIsDnsLabel } from '#api/names.ts';
import type { Namespace } from '#api/types.generated.ts';
import type { Strategy } from '../strategy.ts';
import { validateObjectMeta, validateObjectMetaUpdate } from '../validation/object-meta.ts';

export const namespaceStrategy: Strategy<Namespace> = {
  validate: (object) => validateObjectMeta(object.metadata, { namespaced: false, name: nameIsDnsLabel }),
  validateUpdate: (object, old) => validateObjectMetaUpdate(object.metadata, old.metadata),
};
