/** What is special to Nodes. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import type { Node } from '#api/types.generated.ts';
import type { Strategy } from '../strategy.ts';
import { validateObjectMeta, validateObjectMetaUpdate } from '../validation/object-meta.ts';

export const nodeStrategy: Strategy<Node> = {
  validate: (object) => validateObjectMeta(object.metadata, { namespaced: false, name: nameIsDnsSubdomain }),
  validateUpdate: (object, old) => validateObjectMetaUpdate(object.metadata, old.metadata),
};
