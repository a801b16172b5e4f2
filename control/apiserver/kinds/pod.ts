/** What is special to Pods. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import type { Pod } from '#api/types.generated.ts';
import type { Strategy } from '../strategy.ts';
import { validateObjectMeta, validateObjectMetaUpdate } from '../validation/object-meta.ts';
import type { StrategyDeps } from './deps.ts';

export const podStrategy = (_deps: StrategyDeps): Strategy<Pod> => ({
  validate: (object) => validateObjectMeta(object.metadata, { namespaced: true, name: nameIsDnsSubdomain }),
  validateUpdate: (object, old) => validateObjectMetaUpdate(object.metadata, old.metadata),
});
