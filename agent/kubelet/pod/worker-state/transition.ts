/** What the transitions of all states have in common. Pure. */
import type { PodVersion, PodWorkerEffect, PodWorkerState, Syncing, Terminated, Terminating } from './types.ts';

/** The state that follows, and what has to be done, in this order. */
export type Transition = readonly [state: PodWorkerState, effects: readonly PodWorkerEffect[]];

/** The wait after the first failure; it doubles with each further one. */
const firstRetryMs = 500;

/** Whether the pod has to end, whatever its containers do. */
export const hasToEnd = ({ pod, hasLeft }: Pick<PodWorkerState, 'pod' | 'hasLeft'>): boolean =>
  hasLeft || pod.metadata.deletionTimestamp !== undefined;

/** Notes the newest version of the pod. A pod that left the API does not come back. */
export const heard = <State extends PodWorkerState>(state: State, event: PodVersion): State => ({
  ...state,
  pod: event.pod,
  hasLeft: state.hasLeft || event.kind === 'left',
});

/** Whether the worker has to do something about it, other than to remember it. */
export const asksForStep = (event: PodVersion): boolean => event.kind === 'left' || event.asksForStep;

/** The same again after a wait; at once where something has happened meanwhile. `state` already waits. */
export function retry<State extends Syncing | Terminating | Terminated>(
  state: State,
  limitMs: number,
  again: (state: State) => Transition,
): Transition {
  const waitMs = Math.min(firstRetryMs * 2 ** state.failures, limitMs);
  const failed = { ...state, failures: state.failures + 1 };
  return state.mustLookAgain ? again(failed) : [{ ...failed, mustLookAgain: false }, [{ kind: 'wait', ms: waitMs }]];
}
