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
  /** The events since the pod was taken. They may be newer than the snapshot of its attempt. */
  | { kind: 'inFlight'; events: ClusterEvent[] };

/** A pod that was taken from the queue. */
export interface QueuedPod {
  readonly pod: Pod;
  /** Number of attempts; 1 during the first one. */
  readonly attempts: number;
}

interface Entry {
  pod: Pod;
  place: Place;
  /** When the pod began to wait: when it was added, and again after each attempt. */
  sinceMs: number;
  order: number;
  attempts: number;
  rejections: number;
  errorsInARow: number;
  rejectedBy: ReadonlySet<string>;
}

/** Options of the queue. */
export interface QueueOptions {
  /** Back-off after the first failed attempt; it doubles with each further one. Default 1 s. */
  initialBackoffMs?: number;
  /** Longest back-off. Default 10 s. */
  maxBackoffMs?: number;
  /** A pod is tried again after this time in any case. Default five minutes. */
  maxUnschedulableMs?: number;
}

/** The number of pods in each state. */
export type QueueLengths = Record<Place['kind'], number>;

const flushPeriodMs = 30_000;

/** The pods that wait for a node, see the diagram above. Source: upstream `pkg/scheduler/backend/queue`. */
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

  /**
   * Adds a pod, or replaces the queued one with a newer version. When a field that filters read has changed, the pod is tried
   * again.
   */
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

  /** The pod in its last version; undefined when it is not waiting. */
  get(uid: string): Pod | undefined {
    return this.#entries.get(uid)?.pod;
  }

  /**
   * Takes the next pod, and waits until there is one. Active pods come first. When there is none, a pod in back-off is taken
   * early, unless its last attempt ended in an error. Undefined when `signal` aborts. Only one caller at a time.
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

  /** Removes a pod: it is bound, deleted or not ours. */
  done(uid: string): void {
    this.remove(uid);
  }

  /** The filters in `rejectedBy` left no node for the pod. Events since the pod was taken are handled now. */
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

  /** The attempt failed with an error. It is repeated after the back-off, whatever happens in the cluster. */
  failed(uid: string): void {
    const entry = this.#entries.get(uid);
    if (entry?.place.kind !== 'inFlight') return;
    entry.errorsInARow++;
    entry.sinceMs = this.#clock.monotonic();
    entry.rejectedBy = new Set();
    entry.place = { kind: 'backoff', untilMs: entry.sinceMs + this.#backoffMs(entry.errorsInARow), afterError: true };
    this.#changed();
  }

  /** Queues the pods again that the event may make schedulable. */
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
      // Upstream checks every 30 s for pods that wait too long. Their exact time does not matter, and few wake-ups are better.
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

/**
 * Whether `a` is taken before `b`. In back-off, the one whose back-off ends first. Otherwise the one of higher priority, then the
 * one that has waited longer.
 */
function comesBefore(a: Entry, b: Entry): boolean {
  if (a.place.kind === 'backoff' && b.place.kind === 'backoff' && a.place.untilMs !== b.place.untilMs)
    return a.place.untilMs < b.place.untilMs;
  const [aPriority, bPriority] = [podPriority(a.pod), podPriority(b.pod)];
  if (aPriority !== bPriority) return aPriority > bPriority;
  return a.sinceMs < b.sinceMs || (a.sinceMs === b.sinceMs && a.order < b.order);
}
