/**
 * One queue of a priority level, and the requests in it.
 *
 * Source: KEP-1040; apiserver `pkg/util/flowcontrol/fairqueuing/queueset/types.go`.
 */

/** The seats that a request takes, and for how long. */
export interface Work {
  /** Seats while it is served. */
  initialSeats: number;
  /** Seats that it keeps for {@link additionalMs} after its response, while watchers are notified. */
  finalSeats: number;
  additionalMs: number;
  /** The number of watchers of the changed objects, for write requests; only for metrics. */
  watchers?: number;
}

/** The reason of a refusal, as in the metrics. */
export type Refusal = 'queue-full' | 'concurrency-limit' | 'time-out' | 'cancelled';

/** Served at once, refused, or waiting for one of both. */
export type Admission = Ticket | Refusal | Promise<Ticket | Refusal>;

/** A request that is served. */
export interface Ticket {
  /** Must be called once, after the response. */
  leave(): void;
  waitedMs: number;
}

/** The facts about a request that the queues need. */
export interface RequestFacts {
  schema: string;
  distinguisher: string;
  work: Work;
  /** The maximum time in the queue. */
  waitMs: number;
  /** Aborts when the client disconnects. */
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
