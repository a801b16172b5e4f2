/** What is special to Deployments. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import type { Deployment } from '#api/types.generated.ts';
import type { Strategy } from '../strategy.ts';
import { validateObjectMeta, validateObjectMetaUpdate } from '../validation/object-meta.ts';

export const deploymentStrategy: Strategy<Deployment> = {
  validate: (object) => validateObjectMeta(object.metadata, { namespaced: true, name: nameIsDnsSubdomain }),
  validateUpdate: (object, old) => validateObjectMetaUpdate(object.metadata, old.metadata),
};
