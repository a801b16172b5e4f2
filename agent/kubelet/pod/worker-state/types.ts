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
 * What happens during a step is remembered, and another step follows at once. A step that fails is tried again after a wait that
 * doubles each time; in terminating, everything starts again at `begin`.
 *
 * Source: upstream `pkg/kubelet/pod_workers.go`.
 */
import type { Pod } from '#api/types.generated.ts';
import type { Rejection } from '../../admission/rejection.ts';

/** What every state remembers. */
interface Known {
  /** The newest version from the API; for a pod that left the API, the last one. */
  readonly pod: Pod;
  /** The pod left the API: nobody reads its status any more. */
  readonly hasLeft: boolean;
  /** How many steps in a row have failed: the wait before the next try doubles with each. */
  readonly failures: number;
  /** Something happened during the step under way: another one follows at once. */
  readonly mustLookAgain: boolean;
}

/** Containers are made as the spec asks. */
export interface Syncing extends Known {
  readonly kind: 'syncing';
  readonly step: 'wait' | 'sync';
  /** This node took the pod: it is not asked again. */
  readonly isAdmitted: boolean;
}

/** Containers are being stopped. */
export interface Terminating extends Known {
  readonly kind: 'terminating';
  readonly step: TerminatingStep;
  /** The verdict of the kubelet itself that ended the pod, such as `DeadlineExceeded`. */
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
  /** A stop has succeeded, which is enough: the first may still wait for a preStop hook that nothing waits for any more. */
  readonly hasStopped: boolean;
  /** A look at the containers is under way. */
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

/** Where the life of a pod stands. */
export type PodWorkerState = Syncing | Terminating | Terminated | Gone;

/** A version of the pod that the API gave. */
export type PodVersion =
  /** A new version from the API. `asksForStep`: it differs in something that needs a step. `nowMs`: since the epoch. */
  | { readonly kind: 'updated'; readonly pod: Pod; readonly asksForStep: boolean; readonly nowMs: number }
  /** The pod left the API. `pod`: how it left, which may carry a grace period of 0. */
  | { readonly kind: 'left'; readonly pod: Pod; readonly nowMs: number };

/** What else comes from outside: from the runtime, probes, the clock. */
export type PodNews =
  /** Its containers or probe results have changed; and the first event of every worker. */
  | { readonly kind: 'woken' }
  /** The wait is over. */
  | { readonly kind: 'timeUp' };

/** How a step, or a stop beside it, went. */
export type StepOutcome =
  /** This node takes the pod; the sync goes on. */
  | { readonly kind: 'admitted' }
  /** `acted`: something was started or stopped, so another sync follows at once; else it follows after `waitMs`. */
  | { readonly kind: 'synced'; readonly acted: boolean; readonly waitMs: number }
  /** This node does not take the pod. */
  | { readonly kind: 'rejected' }
  /** The pod has ended by itself, or by a verdict of the kubelet. */
  | { readonly kind: 'ended'; readonly verdict: Rejection | undefined }
  /** Probes were told, the pod was looked at. `nowMs`: since the epoch; the grace period begins. */
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

/** All that a worker can be told. */
export type PodWorkerEvent = PodVersion | PodNews | StepOutcome;

/** A step that begins; it ends any wait. */
export type StepEffect =
  /** Makes the runtime have what the spec asks for. Ends with admitted and synced, or with ended, rejected, failed. */
  | { readonly kind: 'sync'; readonly isAdmitted: boolean }
  /** Ends with begun or failed. */
  | { readonly kind: 'begin' }
  /** Looks at the containers while they stop, and reports. Ends with looked or failed. */
  | { readonly kind: 'look' }
  /** Makes sure that nothing runs, and reports that. Ends with confirmed or failed. */
  | { readonly kind: 'confirm' }
  /** Gives back volumes and control groups. Ends with released or failed. */
  | { readonly kind: 'release' }
  /** Removes what is left of a pod that left the API. Ends with cleared or failed. */
  | { readonly kind: 'clear' };

/** All that a state machine can ask for. */
export type PodWorkerEffect =
  | StepEffect
  /** Ends the sync under way early: an image pull would hold the pod's end up. */
  | { readonly kind: 'abortSync' }
  /** Stops the containers, beside the steps. Ends with killed or killFailed. */
  | { readonly kind: 'kill'; readonly round: number; readonly graceSeconds: number; readonly skipPreStop: boolean }
  /** Reports the last status, and then deletes the pod from the API. */
  | { readonly kind: 'finish' }
  /** Sends timeUp after so many milliseconds. A new wait replaces the one before. */
  | { readonly kind: 'wait'; readonly ms: number }
  /** The worker has done its work. */
  | { readonly kind: 'end' };
