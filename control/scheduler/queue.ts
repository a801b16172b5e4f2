/**
 * Pods that wait for a node.
 *
 *   add ──► active ──pop──► in flight ──done──► (bound)
 *             ▲  ▲              │
 *             │  │              ├─ rejected, and something that may help happened meanwhile ──► backoff
 *    time out │  └── backoff ◄──┤  an error
 *    or event │         ▲       │
 *             │         │ event │
 *             └─── unschedulable ◄─ rejected
 *
 * A pod with scheduling gates stays gated until they are gone. Order: priority, then how long it waits.
 */
import { stringifyExact } from '#api/int64.ts';
import type { Pod } from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';
import { type ClusterEvent, mayHelp } from './cluster-event.ts';
import { podPriority } from './node-info.ts';

type Place =
  | { kind: 'active' }
  | { kind: 'backoff'; untilMs: number; afterError: boolean }
  | { kind: 'unschedulable'; sinceMs: number }
  | { kind: 'gated' }
  /** Events since the pod was taken: they may have come too late for the snapshot it was judged by. */
  | { kind: 'inFlight'; events: ClusterEvent[] };

export interface QueuedPod {
  readonly pod: Pod;
  /** Counts from 1 while the pod is in flight. */
  readonly attempts: number;
}

interface Entry {
  pod: Pod;
  place: Place;
  /** When it came to wait: at first, and after each attempt. */
  sinceMs: number;
  order: number;
  attempts: number;
  rejections: number;
  errorsInARow: number;
  rejectedBy: ReadonlySet<string>;
}

export interface QueueOptions {
  initialBackoffMs?: number;
  maxBackoffMs?: number;
  /** After this long without a helpful event a pod is tried again in any case. */
  maxUnschedulableMs?: number;
}

export type QueueLengths = Record<Place['kind'], number>;

const flushPeriodMs = 30_000;

export class SchedulingQueue {
  readonly #clock: Clock;
  readonly #initialBackoffMs: number;
  readonly #maxBackoffMs: number;
  readonly #maxUnschedulableMs: number;
  readonly #entries = new Map<string, Entry>();
  #nextOrder = 0;
  #waiter: (() => void) | undefined;
  #cancelTimer: (() => void) | undefined;

  constructor(clock: Clock, options: QueueOptions = {}) {
    this.#clock = clock;
    this.#initialBackoffMs = options.initialBackoffMs ?? 1000;
    this.#maxBackoffMs = options.maxBackoffMs ?? 10_000;
    this.#maxUnschedulableMs = options.maxUnschedulableMs ?? 300_000;
  }

  /** A pod that is new, or newer than the one queued. A change of what filters look at brings it back into play. */
  upsert(pod: Pod): void {
    const entry = this.#entries.get(pod.metadata.uid);
    const gated = (pod.spec.schedulingGates ?? []).length > 0;
    if (entry === undefined) {
      this.#entries.set(pod.metadata.uid, {
        pod,
        place: gated ? { kind: 'gated' } : { kind: 'active' },
        sinceMs: this.#clock.monotonic(),
        order: this.#nextOrder++,
        attempts: 0,
        rejections: 0,
        errorsInARow: 0,
        rejectedBy: new Set(),
      });
    } else {
      const specChanged =
        stringifyExact([entry.pod.spec, entry.pod.metadata.labels]) !== stringifyExact([pod.spec, pod.metadata.labels]);
      entry.pod = pod;
      if (entry.place.kind === 'gated' && !gated) entry.place = { kind: 'active' };
      else if (specChanged && entry.place.kind === 'unschedulable') this.#retry(entry);
      else if (specChanged && entry.place.kind === 'inFlight') entry.place.events.push({ kind: 'podChanged' });
    }
    this.#changed();
  }

  remove(uid: string): void {
    this.#entries.delete(uid);
    this.#changed();
  }

  /** The pod as last seen; undefined when it is not waiting. */
  get(uid: string): Pod | undefined {
    return this.#entries.get(uid)?.pod;
  }

  /**
   * Takes the next pod, once there is one: the first of the active ones, else one that backs off although nothing else is to
   * do (not one whose last attempt ended in an error). Undefined when `signal` aborts. One caller at a time.
   */
  async pop(signal: AbortSignal): Promise<QueuedPod | undefined> {
    for (;;) {
      if (signal.aborted) return undefined;
      const entry = this.#first('active') ?? this.#first('backoff');
      if (entry !== undefined) {
        entry.place = { kind: 'inFlight', events: [] };
        entry.attempts++;
        return { pod: entry.pod, attempts: entry.attempts };
      }
      await new Promise<void>((resolve) => {
        const finish = (): void => {
          signal.removeEventListener('abort', finish);
          this.#waiter = undefined;
          resolve();
        };
        this.#waiter = finish;
        signal.addEventListener('abort', finish, { once: true });
      });
    }
  }

  #first(kind: 'active' | 'backoff'): Entry | undefined {
    let first: Entry | undefined;
    for (const entry of this.#entries.values()) {
      if (entry.place.kind !== kind || (entry.place.kind === 'backoff' && entry.place.afterError)) continue;
      if (first === undefined || comesBefore(entry, first)) first = entry;
    }
    return first;
  }

  /** The pod needs no place in the queue any more: it is bound, gone or not ours. */
  done(uid: string): void {
    this.remove(uid);
  }

  /** The filters in `rejectedBy` left no node. Events since the pod was taken count as if they came now. */
  rejected(uid: string, rejectedBy: ReadonlySet<string>): void {
    const entry = this.#entries.get(uid);
    if (entry?.place.kind !== 'inFlight') return;
    const { events } = entry.place;
    entry.rejectedBy = rejectedBy;
    entry.rejections++;
    entry.errorsInARow = 0;
    entry.sinceMs = this.#clock.monotonic();
    entry.place = { kind: 'unschedulable', sinceMs: entry.sinceMs };
    if (events.some((event) => mayHelp(event, entry.pod, rejectedBy))) this.#retry(entry);
    this.#changed();
  }

  /** The attempt itself failed: it is made again after a while, whatever happens in the cluster. */
  failed(uid: string): void {
    const entry = this.#entries.get(uid);
    if (entry?.place.kind !== 'inFlight') return;
    entry.errorsInARow++;
    entry.sinceMs = this.#clock.monotonic();
    entry.rejectedBy = new Set();
    entry.place = { kind: 'backoff', untilMs: entry.sinceMs + this.#backoffMs(entry.errorsInARow), afterError: true };
    this.#changed();
  }

  /** Brings back the pods that the event may help. */
  move(event: ClusterEvent): void {
    for (const entry of this.#entries.values()) {
      if (entry.place.kind === 'inFlight') entry.place.events.push(event);
      else if (entry.place.kind === 'unschedulable' && mayHelp(event, entry.pod, entry.rejectedBy)) this.#retry(entry);
    }
    this.#changed();
  }

  lengths(): QueueLengths {
    const lengths: QueueLengths = { active: 0, backoff: 0, unschedulable: 0, gated: 0, inFlight: 0 };
    for (const { place } of this.#entries.values()) lengths[place.kind]++;
    return lengths;
  }

  /** Stops the timer. */
  close(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #retry(entry: Entry): void {
    const untilMs = entry.sinceMs + this.#backoffMs(entry.rejections);
    entry.place = untilMs > this.#clock.monotonic() ? { kind: 'backoff', untilMs, afterError: false } : { kind: 'active' };
  }

  #backoffMs(count: number): number {
    return count === 0 ? 0 : Math.min(this.#maxBackoffMs, this.#initialBackoffMs * 2 ** (count - 1));
  }

  #changed(): void {
    this.#waiter?.();
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const nextMs = this.#nextTimeMs();
    if (nextMs !== undefined)
      this.#cancelTimer = this.#clock.after(Math.max(0, nextMs - this.#clock.monotonic()), () => this.#timePassed());
  }

  #nextTimeMs(): number | undefined {
    let next: number | undefined;
    for (const { place } of this.#entries.values()) {
      // Upstream looks every 30 s for those that wait too long; their exact time does not matter, few wake-ups do.
      const dueMs =
        place.kind === 'backoff'
          ? place.untilMs
          : place.kind === 'unschedulable'
            ? Math.ceil((place.sinceMs + this.#maxUnschedulableMs) / flushPeriodMs) * flushPeriodMs
            : undefined;
      if (dueMs !== undefined && (next === undefined || dueMs < next)) next = dueMs;
    }
    return next;
  }

  #timePassed(): void {
    const now = this.#clock.monotonic();
    for (const entry of this.#entries.values()) {
      if (entry.place.kind === 'backoff' && entry.place.untilMs <= now) entry.place = { kind: 'active' };
      if (entry.place.kind === 'unschedulable' && entry.place.sinceMs + this.#maxUnschedulableMs <= now) this.#retry(entry);
    }
    this.#changed();
  }
}

/** Of those that back off, the one that has done so longest; else the more important, then the one that waits longer. */
function comesBefore(a: Entry, b: Entry): boolean {
  if (a.place.kind === 'backoff' && b.place.kind === 'backoff' && a.place.untilMs !== b.place.untilMs)
    return a.place.untilMs < b.place.untilMs;
  const [aPriority, bPriority] = [podPriority(a.pod), podPriority(b.pod)];
  if (aPriority !== bPriority) return aPriority > bPriority;
  return a.sinceMs < b.sinceMs || (a.sinceMs === b.sinceMs && a.order < b.order);
}
