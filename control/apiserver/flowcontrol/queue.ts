/**
 * One queue of a priority level, and the requests in it.
 *
 * Source: KEP-1040; apiserver `pkg/util/flowcontrol/fairqueuing/queueset/types.go`.
 */

/** The seats that a request takes, and for how long. */
export interface Work {
  /** Seats while it is served. */
  initialSeats: number;
  /** Seats that it keeps for {@link additionalMs} after its answer: watchers are being told. */
  finalSeats: number;
  additionalMs: number;
  /** How many watch what it changes, for a change; for the metrics. */
  watchers?: number;
}

/** Why a request is refused, as the metrics call it. */
export type Refusal = 'queue-full' | 'concurrency-limit' | 'time-out' | 'cancelled';

/** Served at once, refused, or waiting for which of them it is. */
export type Admission = Ticket | Refusal | Promise<Ticket | Refusal>;

/** A request that is served. */
export interface Ticket {
  /** To call once, when it has been answered. */
  leave(): void;
  waitedMs: number;
}

/** The facts about a request that the queues need. */
export interface RequestFacts {
  schema: string;
  distinguisher: string;
  work: Work;
  /** How long it may wait for a seat. */
  waitMs: number;
  /** The client has left. */
  signal?: AbortSignal | undefined;
  /** For the debug pages. */
  about?: unknown;
}

/** A request that waits for its seats. */
export interface Waiting {
  facts: RequestFacts;
  queue: Queue;
  arrivalR: number;
  arrivalMs: number;
  decide(result: Ticket | Refusal): void;
}

/** A request that has its seats. */
export interface Executing {
  facts: RequestFacts;
  arrivalMs: number;
  startMs: number;
}

/** One queue of a level. */
export class Queue {
  readonly index: number;
  readonly waiting: Waiting[] = [];
  readonly executing = new Set<Executing>();
  nextDispatchR = 0;
  seatsInUse = 0;
  seatsWaiting = 0;
  /** Work of the waiting requests, in seat-seconds. */
  work = 0;

  constructor(index: number) {
    this.index = index;
  }

  get isIdle(): boolean {
    return this.waiting.length === 0 && this.executing.size === 0;
  }
}

/** The assumed duration of a request in seconds, before the real one is known. */
export const estimatedSeconds = 0.003;

/** The seats that the request needs at most at one time. */
export const seatsOf = ({ work }: RequestFacts): number => Math.max(work.initialSeats, work.finalSeats);
/** The work of the request, in seat-seconds. */
export const workOf = ({ work }: RequestFacts): number =>
  work.initialSeats * estimatedSeconds + (work.finalSeats * work.additionalMs) / 1000;
