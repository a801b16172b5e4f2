/** Transitions of a pod whose containers are being stopped. Pure. */
import type { Rejection } from '../../admission/rejection.ts';
import { podGraceSeconds } from '../grace-period.ts';
import { release } from './terminated.ts';
import { asksForStep, heard, retry, type Transition } from './transition.ts';
import type { Killing, PodWorkerEffect, PodWorkerEvent, Syncing, Terminating } from './types.ts';

/** Interval in ms at which a terminating pod is observed when no event comes. */
const lookMs = 60_000;

/** From syncing to terminating. @param verdict the reason when the kubelet itself ended the pod */
export const terminate = ({ pod, hasLeft }: Syncing, verdict?: Rejection): Transition =>
  begin({
    kind: 'terminating',
    step: { kind: 'wait' },
    pod,
    hasLeft,
    failures: 0,
    mustLookAgain: false,
    verdict,
    round: 0,
    graceSeconds: undefined,
  });

/** The state that follows {@link Terminating}, and what has to be done. */
export function nextTerminating(state: Terminating, event: PodWorkerEvent): Transition {
  const { step } = state;
  switch (event.kind) {
    case 'updated':
    case 'left': {
      const [known, kills] = shortenGrace(heard(state, event), event.nowMs);
      if (!asksForStep(event)) return [known, kills];
      const [then, effects] = lookSoon(known);
      return [then, [...kills, ...effects]];
    }
    case 'woken':
      return lookSoon(state);
    case 'timeUp':
      return step.kind === 'wait' || (step.kind === 'kill' && !step.isLooking) ? lookSoon(state) : [state, []];
    case 'begun':
      return step.kind === 'begin' ? kill(state, event.nowMs) : [state, []];
    case 'looked':
      return step.kind === 'kill' && step.isLooking ? afterLook(state, { ...step, isLooking: false }) : [state, []];
    case 'killed':
      // A stop of an earlier round may still have stopped a container.
      if (step.kind === 'wait') return begin(state);
      if (step.kind !== 'kill' || event.round !== state.round) return [state, []];
      // Wait for the observation under way. If `confirm` ran beside it, the older observation could report running containers afterwards.
      return step.isLooking ? [{ ...state, step: { ...step, running: step.running - 1, hasStopped: true } }, []] : confirm(state);
    case 'killFailed':
      if (step.kind !== 'kill' || event.round !== state.round) return [state, []];
      return afterKill(state, { ...step, running: step.running - 1, retryLimitMs: event.limitMs });
    case 'confirmed':
      return step.kind === 'confirm' ? release(state) : [state, []];
    case 'failed': {
      const isUnderWay = step.kind === 'begin' || step.kind === 'confirm' || (step.kind === 'kill' && step.isLooking);
      return isUnderWay ? retry({ ...state, step: { kind: 'wait' } }, event.limitMs, begin) : [state, []];
    }
    case 'admitted':
    case 'synced':
    case 'rejected':
    case 'ended':
    case 'released':
    case 'cleared':
      return [state, []];
  }
}

const begin = (state: Terminating): Transition => [
  { ...state, step: { kind: 'begin' }, mustLookAgain: false },
  [{ kind: 'begin' }],
];

const confirm = (state: Terminating): Transition => [
  { ...state, step: { kind: 'confirm' }, mustLookAgain: false },
  [{ kind: 'confirm' }],
];

/** Starts the grace period. It is never longer than that of an earlier round. */
function kill(state: Terminating, nowMs: number): Transition {
  const graceSeconds = Math.min(podGraceSeconds(state.pod), state.graceSeconds ?? Number.POSITIVE_INFINITY);
  const round = state.round + 1;
  const deadlineMs = nowMs + graceSeconds * 1000;
  const step: Killing = { kind: 'kill', deadlineMs, running: 1, hasStopped: false, isLooking: false, retryLimitMs: 0 };
  const [then, effects] = afterLook({ ...state, round, graceSeconds, step }, step);
  return [then, [{ kind: 'kill', round, graceSeconds, skipPreStop: false }, ...effects]];
}

/** A deletion with a shorter grace period starts a second stop, which does not wait for hooks. */
function shortenGrace(state: Terminating, nowMs: number): readonly [Terminating, PodWorkerEffect[]] {
  const { step, pod, hasLeft, round } = state;
  // A pod that left the API without deletionTimestamp has only the grace period of its spec, which is used already.
  if (step.kind !== 'kill' || (hasLeft && pod.metadata.deletionTimestamp === undefined)) return [state, []];
  const graceSeconds = podGraceSeconds(pod);
  const deadlineMs = nowMs + graceSeconds * 1000;
  const isShorter = state.graceSeconds !== undefined && graceSeconds < state.graceSeconds && deadlineMs < step.deadlineMs;
  if (!isShorter || step.hasStopped) return [state, []];
  return [
    { ...state, graceSeconds, step: { ...step, deadlineMs, running: step.running + 1 } },
    [{ kind: 'kill', round, graceSeconds, skipPreStop: true }],
  ];
}

function lookSoon(state: Terminating): Transition {
  const { step } = state;
  if (step.kind === 'wait') return begin(state);
  if (step.kind === 'kill' && !step.isLooking)
    return [{ ...state, step: { ...step, isLooking: true }, mustLookAgain: false }, [{ kind: 'look' }]];
  return [{ ...state, mustLookAgain: true }, []];
}

function afterLook(state: Terminating, step: Killing): Transition {
  if (step.hasStopped) return confirm(state);
  if (step.running === 0) return afterKill(state, step);
  if (state.mustLookAgain) return lookSoon({ ...state, step });
  return [{ ...state, step }, [{ kind: 'wait', ms: lookMs }]];
}

/** When all stops have failed, everything is tried again. */
const afterKill = (state: Terminating, step: Killing): Transition =>
  step.running === 0 && !step.isLooking
    ? retry({ ...state, step: { kind: 'wait' } }, step.retryLimitMs, begin)
    : [{ ...state, step }, []];
