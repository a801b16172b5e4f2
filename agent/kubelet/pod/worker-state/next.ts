/**
 * The step of the pod worker's state machine, which `types.ts` draws. Pure.
 *
 * An event that a state does not wait for changes nothing: it is the end of something that has been overtaken.
 */
import type { Pod } from '#api/types.generated.ts';
import { nextSyncing } from './syncing.ts';
import { nextTerminated } from './terminated.ts';
import { nextTerminating } from './terminating.ts';
import type { Transition } from './transition.ts';
import type { PodWorkerEvent, PodWorkerState } from './types.ts';

/** Where every worker begins: it waits for the event `woken`. */
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
