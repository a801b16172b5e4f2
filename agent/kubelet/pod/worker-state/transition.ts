/** Helpers for the transitions of all states. Pure. */
import type { PodVersion, PodWorkerEffect, PodWorkerState, Syncing, Terminated, Terminating } from './types.ts';

/** The state that follows, and what has to be done, in this order. */
export type Transition = readonly [state: PodWorkerState, effects: readonly PodWorkerEffect[]];

/** The wait after the first failure; it doubles with each further one. */
const firstRetryMs = 500;

/** Whether the pod must end: it was deleted, or has left the API. */
export const hasToEnd = ({ pod, hasLeft }: Pick<PodWorkerState, 'pod' | 'hasLeft'>): boolean =>
  hasLeft || pod.metadata.deletionTimestamp !== undefined;

/** Stores the newest version of the pod. A pod that left the API does not come back. */
export const heard = <State extends PodWorkerState>(state: State, event: PodVersion): State => ({
  ...state,
  pod: event.pod,
  hasLeft: state.hasLeft || event.kind === 'left',
});

/** Whether the worker must run a step for this version. */
export const asksForStep = (event: PodVersion): boolean => event.kind === 'left' || event.asksForStep;

/** Repeats a step after a wait, or at once when something has happened meanwhile. `state` must be waiting already. */
export function retry<State extends Syncing | Terminating | Terminated>(
  state: State,
  limitMs: number,
  again: (state: State) => Transition,
): Transition {
  const waitMs = Math.min(firstRetryMs * 2 ** state.failures, limitMs);
  const failed = { ...state, failures: state.failures + 1 };
  return state.mustLookAgain ? again(failed) : [{ ...failed, mustLookAgain: false }, [{ kind: 'wait', ms: waitMs }]];
}
