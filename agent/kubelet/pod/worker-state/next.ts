/**
 * The step of the pod worker's state machine, which `types.ts` draws. Pure.
 *
 * A state ignores events that it does not wait for: they come from steps that another event has made obsolete.
 */
import type { Pod } from '#api/types.generated.ts';
import { nextSyncing } from './syncing.ts';
import { nextTerminated } from './terminated.ts';
import { nextTerminating } from './terminating.ts';
import type { Transition } from './transition.ts';
import type { PodWorkerEvent, PodWorkerState } from './types.ts';

/** The first state of every worker. It waits for the event `woken`. */
export const initialState = (pod: Pod): PodWorkerState => ({
  kind: 'syncing',
  step: 'wait',
  isAdmitted: false,
  pod,
  hasLeft: false,
  failures: 0,
  mustLookAgain: false,
});

/** The state that follows `state` after `event`, and what has to be done. Pure: `state` itself stays as it is. */
export function next(state: PodWorkerState, event: PodWorkerEvent): Transition {
  switch (state.kind) {
    case 'syncing':
      return nextSyncing(state, event);
    case 'terminating':
      return nextTerminating(state, event);
    case 'terminated':
      return nextTerminated(state, event);
    case 'gone':
      return [state, []];
  }
}
