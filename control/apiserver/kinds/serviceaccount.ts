/** What is special to ServiceAccounts. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import type { ServiceAccount } from '#api/types.generated.ts';
import type { Strategy } from '../strategy.ts';
import { validateObjectMeta, validateObjectMetaUpdate } from '../validation/object-meta.ts';

export const serviceAccountStrategy: Strategy<ServiceAccount> = {
  validate: (object) => validateObjectMeta(object.metadata, { namespaced: true, name: nameIsDnsSubdomain }),
  validateUpdate: (object, old) => validateObjectMetaUpdate(object.metadata, old.metadata),
};
