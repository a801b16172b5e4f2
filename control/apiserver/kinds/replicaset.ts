/** What is special to ReplicaSets. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import type { ReplicaSet } from '#api/types.generated.ts';
import type { Strategy } from '../strategy.ts';
import { validateObjectMeta, validateObjectMetaUpdate } from '../validation/object-meta.ts';

export const replicaSetStrategy: Strategy<ReplicaSet> = {
  validate: (object) => validateObjectMeta(object.metadata, { namespaced: true, name: nameIsDnsSubdomain }),
  validateUpdate: (object, old) => validateObjectMetaUpdate(object.metadata, old.metadata),
};
