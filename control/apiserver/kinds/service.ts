/** What is special to Services. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import type { Service } from '#api/types.generated.ts';
import type { Strategy } from '../strategy.ts';
import { validateObjectMeta, validateObjectMetaUpdate } from '../validation/object-meta.ts';
import type { StrategyDeps } from './deps.ts';

export const serviceStrategy = (_deps: StrategyDeps): Strategy<Service> => ({
  validate: (object) => validateObjectMeta(object.metadata, { namespaced: true, name: nameIsDnsSubdomain }),
  validateUpdate: (object, old) => validateObjectMetaUpdate(object.metadata, old.metadata),
});
