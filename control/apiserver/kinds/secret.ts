/** What is special to Secrets. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import type { Secret } from '#api/types.generated.ts';
import type { Strategy } from '../strategy.ts';
import { validateObjectMeta, validateObjectMetaUpdate } from '../validation/object-meta.ts';

export const secretStrategy: Strategy<Secret> = {
  validate: (object) => validateObjectMeta(object.metadata, { namespaced: true, name: nameIsDnsSubdomain }),
  validateUpdate: (object, old) => validateObjectMetaUpdate(object.metadata, old.metadata),
};
