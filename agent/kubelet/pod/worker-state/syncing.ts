/** Transitions of a pod whose containers run, or are being started, by its spec. Pure. */

import { release } from './terminated.ts';
import { terminate } from './terminating.ts';
import { asksForStep, hasToEnd, heard, retry, type Transition } from './transition.ts';
import type { PodWorkerEvent, Syncing } from './types.ts';

/** The state that follows {@link Syncing}, and what has to be done. */
export function nextSyncing(state: Syncing, event: PodWorkerEvent): Transition {
  switch (event.kind) {
    case 'updated':
    case 'left': {
      const known = heard(state, event);
      if (!hasToEnd(known)) return asksForStep(event) ? syncSoon(known) : [known, []];
      return known.step === 'wait' ? terminate(known) : [known, [{ kind: 'abortSync' }]];
    }
    case 'woken':
      return syncSoon(state);
    case 'timeUp':
      return state.step === 'wait' ? sync(state) : [state, []];
    case 'admitted':
      return [{ ...state, isAdmitted: true }, []];
    case 'synced': {
      if (state.step === 'wait') return [state, []];
      const done = { ...state, failures: 0 };
      if (hasToEnd(done)) return terminate(done);
      return event.acted || done.mustLookAgain ? sync(done) : [{ ...done, step: 'wait' }, [{ kind: 'wait', ms: event.waitMs }]];
    }
    case 'ended':
      return state.step === 'wait' ? [state, []] : terminate(state, event.verdict);
    case 'rejected':
      return state.step === 'wait' ? [state, []] : release(state);
    case 'failed':
      if (state.step === 'wait') return [state, []];
      if (hasToEnd(state)) return terminate(state);
      return retry({ ...state, step: 'wait' }, event.limitMs, sync);
    case 'begun':
    case 'looked':
    case 'killed':
    case 'killFailed':
    case 'confirmed':
    case 'released':
    case 'cleared':
      return [state, []];
  }
}

/** Never sync a pod that must end. The first event of a worker may come with such a pod. */
const sync = (state: Syncing): Transition =>
  hasToEnd(state)
    ? terminate(state)
    : [{ ...state, step: 'sync', mustLookAgain: false }, [{ kind: 'sync', isAdmitted: state.isAdmitted }]];

const syncSoon = (state: Syncing): Transition => (state.step === 'wait' ? sync(state) : [{ ...state, mustLookAgain: true }, []]);
