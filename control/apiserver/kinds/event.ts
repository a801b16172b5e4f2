/** What is special to Events, in their two views. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import type { Event, EventsEvent } from '#api/types.generated.ts';
import type { Strategy } from '../strategy.ts';
import { validateObjectMeta, validateObjectMetaUpdate } from '../validation/object-meta.ts';
import type { StrategyDeps } from './deps.ts';

export const eventStrategy = (_deps: StrategyDeps): Strategy<Event> => ({
  validate: (object) => validateObjectMeta(object.metadata, { namespaced: true, name: nameIsDnsSubdomain }),
  validateUpdate: (object, old) => validateObjectMetaUpdate(object.metadata, old.metadata),
});

export const eventsEventStrategy = (_deps: StrategyDeps): Strategy<EventsEvent> => ({
  validate: (object) => validateObjectMeta(object.metadata, { namespaced: true, name: nameIsDnsSubdomain }),
  validateUpdate: (object, old) => validateObjectMetaUpdate(object.metadata, old.metadata),
});
