/**
 * The life of one pod on this node, as data: the states of its worker, the events that move it, and the effects that follow.
 * `next.ts` says which state follows which; `pod-worker.ts` carries out the effects.
 *
 *                   deleted, ended,               nothing runs                given back, and
 *                   or left the API               any more                    left the API
 *     ┌─────────┐                 ┌─────────────┐              ┌────────────┐               ┌──────┐
 *     │ syncing ├────────────────►│ terminating ├─────────────►│ terminated ├──────────────►│ gone │
 *     └────┬────┘                 └─────────────┘              └────────────┘               └──────┘
 *          │ rejected                                                 ▲
 *          └──────────────────────────────────────────────────────────┘
 *
 * - syncing: containers are made as the spec asks.
 * - terminating: the pod was deleted, has ended or has failed; its containers are being stopped.
 * - terminated: nothing runs; volumes and control groups are given back. A deleted pod is then deleted from the API for good.
 * - gone: the pod left the API, and its containers, sandboxes and logs are removed.
 *
 * A state does one step at a time, and a step ends with one event:
 *
 *     syncing:      sync                       synced: another sync, or a wait
 *     terminating:  begin ─► kill ─► confirm   kill: the containers stop, and are looked at whenever something happens
 *     terminated:   release ─► clear           clear: once the pod has left the API; until then a wait
 *
 * An event during a step is remembered, and another step follows at once. A step that fails is repeated after a wait that doubles each
 * time; `terminating` starts again at `begin`.
 *
 * Source: upstream `pkg/kubelet/pod_workers.go`.
 */
import type { Pod } from '#api/types.generated.ts';
import type { Rejection } from '../../admission/rejection.ts';

/** The fields that all states have. */
interface Known {
  /** The newest version from the API; for a pod that left the API, the last one. */
  readonly pod: Pod;
  /** The pod left the API: nobody reads its status any more. */
  readonly hasLeft: boolean;
  /** The number of consecutive failed steps. The wait before the next attempt doubles with each. */
  readonly failures: number;
  /** Something happened during the step under way: another one follows at once. */
  readonly mustLookAgain: boolean;
}

/** Containers are made as the spec asks. */
export interface Syncing extends Known {
  readonly kind: 'syncing';
  readonly step: 'wait' | 'sync';
  /** The node has admitted the pod. It is not checked again. */
  readonly isAdmitted: boolean;
}

/** Containers are being stopped. */
export interface Terminating extends Known {
  readonly kind: 'terminating';
  readonly step: TerminatingStep;
  /** The reason for which the kubelet itself ended the pod, such as `DeadlineExceeded`. */
  readonly verdict: Rejection | undefined;
  /** How often `kill` began. */
  readonly round: number;
  /** The grace period that was granted, in seconds; it only gets shorter. Undefined until the first kill. */
  readonly graceSeconds: number | undefined;
}

/** The steps of terminating; `wait`: one failed, and is tried again later. */
export type TerminatingStep = { readonly kind: 'wait' | 'begin' | 'confirm' } | Killing;

/**
 * Containers are being stopped. A second stop with a shorter grace period may run beside the first: `kubectl delete
 * --grace-period=1`.
 */
export interface Killing {
  readonly kind: 'kill';
  /** When the granted grace period ends, in milliseconds since the epoch. */
  readonly deadlineMs: number;
  /** How many stops have neither succeeded nor failed. */
  readonly running: number;
  /** One stop has succeeded, which is enough. An earlier stop may still wait for a preStop hook, which does not matter any more. */
  readonly hasStopped: boolean;
  /** An observation of the containers is under way. */
  readonly isLooking: boolean;
  /** The limit of the wait that follows when all stops have failed, in milliseconds. */
  readonly retryLimitMs: number;
}

/** Nothing runs. `wait`: for the deletion of the pod, or for another try. */
export interface Terminated extends Known {
  readonly kind: 'terminated';
  readonly step: 'wait' | 'release' | 'clear';
}

/** Nothing is left of the pod. */
export interface Gone extends Known {
  readonly kind: 'gone';
}

/** The state of a pod worker. */
export type PodWorkerState = Syncing | Terminating | Terminated | Gone;

/** A version of the pod that the API gave. */
export type PodVersion =
  /** A new version from the API. `asksForStep`: it differs in something that needs a step. `nowMs`: since the epoch. */
  | { readonly kind: 'updated'; readonly pod: Pod; readonly asksForStep: boolean; readonly nowMs: number }
  /** The pod left the API. `pod`: how it left, which may carry a grace period of 0. */
  | { readonly kind: 'left'; readonly pod: Pod; readonly nowMs: number };

/** The other events from outside: from the runtime, probes and the clock. */
export type PodNews =
  /** Its containers or probe results have changed; and the first event of every worker. */
  | { readonly kind: 'woken' }
  /** The wait is over. */
  | { readonly kind: 'timeUp' };

/** The outcome of a step, or of a stop that runs beside it. */
export type StepOutcome =
  /** The node has admitted the pod; the sync goes on. */
  | { readonly kind: 'admitted' }
  /** `acted`: something was started or stopped, so another sync follows at once; else it follows after `waitMs`. */
  | { readonly kind: 'synced'; readonly acted: boolean; readonly waitMs: number }
  /** The node has rejected the pod. */
  | { readonly kind: 'rejected' }
  /** The pod has ended by itself, or the kubelet has ended it (`verdict`). */
  | { readonly kind: 'ended'; readonly verdict: Rejection | undefined }
  /** Probes were stopped and the pod was observed. The grace period begins at `nowMs`, in ms since the epoch. */
  | { readonly kind: 'begun'; readonly nowMs: number }
  | { readonly kind: 'looked' }
  /** The containers that were told to stop in `round` have stopped. */
  | { readonly kind: 'killed'; readonly round: number }
  | { readonly kind: 'killFailed'; readonly round: number; readonly limitMs: number }
  /** None of the pod's containers runs. */
  | { readonly kind: 'confirmed' }
  | { readonly kind: 'released' }
  | { readonly kind: 'cleared' }
  /** The step under way failed. `limitMs`: how long the wait before the next try may become. */
  | { readonly kind: 'failed'; readonly limitMs: number };

/** All events of a worker. */
export type PodWorkerEvent = PodVersion | PodNews | StepOutcome;

/** A step that begins; it ends any wait. */
export type StepEffect =
  /** Makes the runtime match the spec. Ends with admitted and synced, or with ended, rejected or failed. */
  | { readonly kind: 'sync'; readonly isAdmitted: boolean }
  /** Ends with begun or failed. */
  | { readonly kind: 'begin' }
  /** Observes the containers while they stop, and reports the status. Ends with looked or failed. */
  | { readonly kind: 'look' }
  /** Checks that nothing runs, and reports the status. Ends with confirmed or failed. */
  | { readonly kind: 'confirm' }
  /** Gives back volumes and control groups. Ends with released or failed. */
  | { readonly kind: 'release' }
  /** Removes what is left of a pod that left the API. Ends with cleared or failed. */
  | { readonly kind: 'clear' };

/** All effects of the state machine. */
export type PodWorkerEffect =
  | StepEffect
  /** Ends the sync under way early. Otherwise an image pull would delay the pod's end. */
  | { readonly kind: 'abortSync' }
  /** Stops the containers, beside the steps. Ends with killed or killFailed. */
  | { readonly kind: 'kill'; readonly round: number; readonly graceSeconds: number; readonly skipPreStop: boolean }
  /** Reports the last status, and then deletes the pod from the API. */
  | { readonly kind: 'finish' }
  /** Sends timeUp after so many milliseconds. A new wait replaces the one before. */
  | { readonly kind: 'wait'; readonly ms: number }
  /** The worker has done its work. */
  | { readonly kind: 'end' };
