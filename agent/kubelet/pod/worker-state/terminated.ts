/** Transitions of a pod of which nothing runs any more. Pure. */
import { asksForStep, hasToEnd, heard, retry, type Transition } from './transition.ts';
import type { PodWorkerEffect, PodWorkerEvent, Syncing, Terminated, Terminating } from './types.ts';

/** Interval in ms at which a terminated pod that is not deleted yet releases its volumes and control groups again. */
const releaseAgainMs = 600_000;

/** The state that follows {@link Terminated}, and what has to be done. */
export function nextTerminated(state: Terminated, event: PodWorkerEvent): Transition {
  switch (event.kind) {
    case 'updated':
    case 'left':
      return asksForStep(event) ? releaseSoon(heard(state, event)) : [heard(state, event), []];
    case 'woken':
      return releaseSoon(state);
    case 'timeUp':
      return state.step === 'wait' ? release(state) : [state, []];
    case 'released':
      return state.step === 'release' ? afterRelease({ ...state, failures: 0 }) : [state, []];
    case 'cleared': {
      if (state.step !== 'clear') return [state, []];
      const { pod, hasLeft } = state;
      return [{ kind: 'gone', pod, hasLeft, failures: 0, mustLookAgain: false }, [{ kind: 'end' }]];
    }
    case 'failed':
      return state.step === 'wait' ? [state, []] : retry({ ...state, step: 'wait' }, event.limitMs, release);
    case 'admitted':
    case 'synced':
    case 'rejected':
    case 'ended':
    case 'begun':
    case 'looked':
    case 'killed':
    case 'killFailed':
    case 'confirmed':
      return [state, []];
  }
}

/** Releases the pod's volumes and control groups. It is the first step of `terminated`, and is repeated until the pod has left the API. */
export const release = ({ kind, pod, hasLeft, failures }: Syncing | Terminating | Terminated): Transition => [
  {
    kind: 'terminated',
    step: 'release',
    pod,
    hasLeft,
    failures: kind === 'terminated' ? failures : 0,
    mustLookAgain: false,
  },
  [{ kind: 'release' }],
];

const releaseSoon = (state: Terminated): Transition =>
  state.step === 'wait' ? release(state) : [{ ...state, mustLookAgain: true }, []];

/**
 * After the release: a pod that left the API is removed from the node; a deleted pod may leave the API now; a pod that ended by itself
 * stays until it is deleted.
 */
function afterRelease(state: Terminated): Transition {
  if (state.hasLeft) return [{ ...state, step: 'clear', mustLookAgain: false }, [{ kind: 'clear' }]];
  const finish: PodWorkerEffect[] = hasToEnd(state) ? [{ kind: 'finish' }] : [];
  if (!state.mustLookAgain) return [{ ...state, step: 'wait' }, [...finish, { kind: 'wait', ms: releaseAgainMs }]];
  const [then, effects] = release(state);
  return [then, [...finish, ...effects]];
}
