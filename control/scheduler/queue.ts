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
import { sameJson } from '#api/meta.ts';
import type { Pod } from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';
import { type ClusterEvent, eventLabel } from './cluster-event.ts';
import { Heap } from './heap.ts';
import { podPriority } from './node-info.ts';
import { concerns, mayHelp } from './queueing-hints.ts';

type Place =
  | { kind: 'active' }
  | { kind: 'backoff'; untilMs: number; afterError: boolean }
  | { kind: 'unschedulable'; sinceMs: number }
  | { kind: 'gated' }
  /** `eventsFrom`: the number of the first event since the pod was taken. Events may be newer than the state its attempt saw. */
  | { kind: 'inFlight'; eventsFrom: number };

/** A pod that was taken from the queue. */
export interface QueuedPod {
  readonly pod: Pod;
  /** Number of attempts; 1 during the first one. */
  readonly attempts: number;
  /** When the first attempt began, on the monotonic clock. */
  readonly firstAttemptMs: number;
  /** Whether this attempt was begun only because the pod had waited too long, and no event had come that might help it. */
  readonly wasFlushed: boolean;
}

interface Entry {
  pod: Pod;
  place: Place;
  /** When the pod began to wait: when it was added, and again after each attempt. */
  sinceMs: number;
  order: number;
  priority: number;
  attempts: number;
  firstAttemptMs: number;
  wasFlushed: boolean;
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

/** Is told of pods that come into the active or back-off part, or are set aside (upstream's queue_incoming_pods_total). */
export type IncomingListener = (queue: 'active' | 'backoff' | 'unschedulable' | 'gated', event: string) => void;

const flushPeriodMs = 30_000;
const unschedulableTimeout = 'UnschedulableTimeout';
/** The key of pods that no plugin rejected. */
const nobody = '';

/** The pods that wait for a node, see the diagram above. Source: upstream `pkg/scheduler/backend/queue`. */
export class SchedulingQueue {
  readonly #clock: Clock;
  readonly #initialBackoffMs: number;
  readonly #maxBackoffMs: number;
  readonly #maxUnschedulableMs: number;
  readonly #onIncoming: IncomingListener;
  readonly #entries = new Map<string, Entry>();
  readonly #active = new Heap<Entry>(comesBefore);
  readonly #backoff = new Heap<Entry>(endsBefore);
  readonly #backoffAfterError = new Heap<Entry>(endsBefore);
  /** The pod that waits longest comes first. */
  readonly #unschedulable = new Set<Entry>();
  readonly #rejectedBy = new Map<string, Set<Entry>>();
  /** The pod that was taken first comes first. */
  readonly #inFlight = new Set<Entry>();
  /** What has happened since the first of the pods in flight was taken. `#firstEvent` is the number of its first one. */
  #events: ClusterEvent[] = [];
  #firstEvent = 0;
  #gated = 0;
  #nextOrder = 0;
  #waiter: (() => void) | undefined;
  #timer: { dueMs: number; cancel: () => void } | undefined;

  constructor(clock: Clock, options: QueueOptions = {}, onIncoming: IncomingListener = () => undefined) {
    this.#clock = clock;
    this.#initialBackoffMs = options.initialBackoffMs ?? 1000;
    this.#maxBackoffMs = options.maxBackoffMs ?? 10_000;
    this.#maxUnschedulableMs = options.maxUnschedulableMs ?? 300_000;
    this.#onIncoming = onIncoming;
  }

  /**
   * Adds a pod, or replaces the queued one with a newer version. When a field that filters read has changed, the pod is tried
   * again.
   */
  upsert(pod: Pod): void {
    const entry = this.#entries.get(pod.metadata.uid);
    const gated = (pod.spec.schedulingGates ?? []).length > 0;
    if (entry === undefined) {
      this.#add(pod, gated);
      return;
    }
    const before = entry.pod;
    const { place } = entry;
    if (podPriority(pod) !== entry.priority && place.kind === 'active') this.#active.delete(entry);
    entry.pod = pod;
    entry.priority = podPriority(pod);
    if (place.kind === 'active' && !this.#active.has(entry)) this.#active.push(entry);
    if (place.kind === 'gated' && !gated) this.#move(entry, { kind: 'active' }, 'PodUpdate');
    else if (place.kind === 'unschedulable' && isChanged(before, pod)) this.#retry(entry, 'PodUpdate');
    else if (this.#inFlight.has(entry) && isChanged(before, pod))
      this.#events.push({ kind: 'podChanged', uid: pod.metadata.uid });
  }

  remove(uid: string): void {
    const entry = this.#entries.get(uid);
    if (entry === undefined) return;
    this.#leave(entry);
    this.#entries.delete(uid);
    this.#arm();
  }

  /** The pod in its last version; undefined when it is not waiting. */
  get(uid: string): Pod | undefined {
    return this.#entries.get(uid)?.pod;
  }

  /** A waiting pod, and where it waits; undefined when it does not wait. */
  waiting(uid: string): { pod: Pod; place: Place['kind'] } | undefined {
    const entry = this.#entries.get(uid);
    return entry === undefined ? undefined : { pod: entry.pod, place: entry.place.kind };
  }

  /**
   * Takes the next pod, and waits until there is one. Active pods come first. When there is none, a pod in back-off is taken
   * early, unless its last attempt ended in an error. Undefined when `signal` aborts. Only one caller at a time.
   */
  async pop(signal: AbortSignal): Promise<QueuedPod | undefined> {
    for (;;) {
      if (signal.aborted) return undefined;
      const entry = this.#active.first ?? this.#backoff.first;
      if (entry !== undefined) {
        this.#move(entry, { kind: 'inFlight', eventsFrom: this.#firstEvent + this.#events.length });
        if (entry.attempts++ === 0) entry.firstAttemptMs = this.#clock.monotonic();
        const { pod, attempts, firstAttemptMs, wasFlushed } = entry;
        return { pod, attempts, firstAttemptMs, wasFlushed };
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

  /** The pod has its node, and waits for its volumes. No event can change that, so none is kept for it any more. */
  settled(uid: string): void {
    const entry = this.#entries.get(uid);
    if (entry?.place.kind !== 'inFlight') return;
    entry.place = { kind: 'inFlight', eventsFrom: Number.POSITIVE_INFINITY };
    this.#inFlight.delete(entry);
    this.#forgetEvents();
  }

  /** Removes a pod: it is bound, deleted or not ours. */
  done(uid: string): void {
    this.remove(uid);
  }

  /** The plugins in `rejectedBy` left no node for the pod. Events since the pod was taken are handled now. */
  rejected(uid: string, rejectedBy: ReadonlySet<string>): void {
    const entry = this.#entries.get(uid);
    if (entry?.place.kind !== 'inFlight') return;
    const missed = this.#events.slice(entry.place.eventsFrom - this.#firstEvent);
    entry.rejectedBy = rejectedBy;
    entry.rejections++;
    entry.errorsInARow = 0;
    entry.sinceMs = this.#clock.monotonic();
    const helps = missed.some(
      (event) => (event.kind !== 'podChanged' || event.uid === uid) && mayHelp(event, entry.pod, rejectedBy),
    );
    if (helps) this.#retry(entry, 'ScheduleAttemptFailure');
    else this.#move(entry, { kind: 'unschedulable', sinceMs: entry.sinceMs }, 'ScheduleAttemptFailure');
  }

  /** The attempt failed with an error. It is repeated after the back-off, whatever happens in the cluster. */
  failed(uid: string): void {
    const entry = this.#entries.get(uid);
    if (entry?.place.kind !== 'inFlight') return;
    entry.errorsInARow++;
    entry.sinceMs = this.#clock.monotonic();
    entry.rejectedBy = new Set();
    const untilMs = entry.sinceMs + this.#backoffMs(entry.errorsInARow);
    this.#move(entry, { kind: 'backoff', untilMs, afterError: true }, 'ScheduleAttemptFailure');
  }

  /** Queues the pods again that the event may make schedulable. */
  move(event: ClusterEvent): void {
    if (this.#inFlight.size > 0) this.#events.push(event);
    if (this.#unschedulable.size === 0) return;
    for (const [plugin, entries] of this.#rejectedBy) {
      if (plugin !== nobody && !concerns(event.kind, plugin)) continue;
      for (const entry of entries)
        if (entry.place.kind === 'unschedulable' && mayHelp(event, entry.pod, entry.rejectedBy))
          this.#retry(entry, eventLabel(event));
    }
  }

  /** The pods that wait because of a plugin, by plugin and then by the name of their scheduler. */
  rejections(): Map<string, Map<string, number>> {
    const counts = new Map<string, Map<string, number>>();
    for (const [plugin, entries] of this.#rejectedBy) {
      if (plugin === nobody) continue;
      const byScheduler = new Map<string, number>();
      for (const { pod } of entries) {
        const name = pod.spec.schedulerName ?? 'default-scheduler';
        byScheduler.set(name, (byScheduler.get(name) ?? 0) + 1);
      }
      counts.set(plugin, byScheduler);
    }
    return counts;
  }

  /** The number of events that are kept for pods in flight, by their names in metrics. */
  keptEvents(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const event of this.#events) counts.set(eventLabel(event), (counts.get(eventLabel(event)) ?? 0) + 1);
    return counts;
  }

  lengths(): QueueLengths {
    return {
      active: this.#active.size,
      backoff: this.#backoff.size + this.#backoffAfterError.size,
      unschedulable: this.#unschedulable.size,
      gated: this.#gated,
      inFlight: this.#inFlight.size,
    };
  }

  /** Stops the timer. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #add(pod: Pod, gated: boolean): void {
    const entry: Entry = {
      pod,
      place: { kind: 'gated' },
      sinceMs: this.#clock.monotonic(),
      order: this.#nextOrder++,
      priority: podPriority(pod),
      attempts: 0,
      firstAttemptMs: 0,
      wasFlushed: false,
      rejections: 0,
      errorsInARow: 0,
      rejectedBy: new Set(),
    };
    this.#entries.set(pod.metadata.uid, entry);
    this.#gated++;
    if (gated) this.#onIncoming('gated', 'PodAdd');
    else this.#move(entry, { kind: 'active' }, 'PodAdd');
  }

  #retry(entry: Entry, event: string): void {
    entry.wasFlushed = event === unschedulableTimeout;
    const untilMs = entry.sinceMs + this.#backoffMs(entry.rejections);
    const isOver = untilMs <= this.#clock.monotonic();
    this.#move(entry, isOver ? { kind: 'active' } : { kind: 'backoff', untilMs, afterError: false }, event);
  }

  #backoffMs(count: number): number {
    return count === 0 ? 0 : Math.min(this.#maxBackoffMs, this.#initialBackoffMs * 2 ** (count - 1));
  }

  #move(entry: Entry, place: Place, event?: string): void {
    this.#leave(entry);
    entry.place = place;
    switch (place.kind) {
      case 'active':
        this.#active.push(entry);
        break;
      case 'backoff':
        (place.afterError ? this.#backoffAfterError : this.#backoff).push(entry);
        break;
      case 'unschedulable':
        this.#unschedulable.add(entry);
        for (const plugin of entry.rejectedBy.size === 0 ? [nobody] : entry.rejectedBy)
          this.#rejectedBy.getOrInsertComputed(plugin, () => new Set()).add(entry);
        break;
      case 'gated':
        this.#gated++;
        break;
      case 'inFlight':
        this.#inFlight.add(entry);
        break;
    }
    if (event !== undefined && place.kind !== 'inFlight') this.#onIncoming(place.kind, event);
    if (place.kind === 'active' || place.kind === 'backoff') this.#waiter?.();
    this.#arm();
  }

  #leave(entry: Entry): void {
    const { place } = entry;
    switch (place.kind) {
      case 'active':
        this.#active.delete(entry);
        break;
      case 'backoff':
        (place.afterError ? this.#backoffAfterError : this.#backoff).delete(entry);
        break;
      case 'unschedulable':
        this.#unschedulable.delete(entry);
        for (const plugin of entry.rejectedBy.size === 0 ? [nobody] : entry.rejectedBy) {
          const others = this.#rejectedBy.get(plugin);
          others?.delete(entry);
          if (others?.size === 0) this.#rejectedBy.delete(plugin);
        }
        break;
      case 'gated':
        this.#gated--;
        break;
      case 'inFlight':
        this.#inFlight.delete(entry);
        this.#forgetEvents();
        break;
    }
  }

  /** Drops the events from before the first of the pods in flight was taken. */
  #forgetEvents(): void {
    const [first] = this.#inFlight;
    const from = first?.place.kind === 'inFlight' ? first.place.eventsFrom : this.#firstEvent + this.#events.length;
    const passed = from - this.#firstEvent;
    // Each event is moved a few times at most: half of the list goes at once.
    if (passed === 0 || (first !== undefined && passed < this.#events.length / 2)) return;
    this.#events = this.#events.slice(passed);
    this.#firstEvent = from;
  }

  #arm(): void {
    const dueMs = this.#nextTimeMs();
    if (dueMs === this.#timer?.dueMs) return;
    this.#timer?.cancel();
    this.#timer =
      dueMs === undefined
        ? undefined
        : { dueMs, cancel: this.#clock.after(Math.max(0, dueMs - this.#clock.monotonic()), () => this.#timePassed()) };
  }

  #nextTimeMs(): number | undefined {
    const due = [this.#backoff.first, this.#backoffAfterError.first].flatMap((entry) =>
      entry?.place.kind === 'backoff' ? [entry.place.untilMs] : [],
    );
    const [oldest] = this.#unschedulable;
    // Upstream checks every 30 s for pods that wait too long. Their exact time does not matter, and few wake-ups are better.
    if (oldest !== undefined) due.push(Math.ceil((oldest.sinceMs + this.#maxUnschedulableMs) / flushPeriodMs) * flushPeriodMs);
    return due.length === 0 ? undefined : Math.min(...due);
  }

  #timePassed(): void {
    this.#timer = undefined;
    const now = this.#clock.monotonic();
    for (const heap of [this.#backoff, this.#backoffAfterError]) {
      for (let { first } = heap; first?.place.kind === 'backoff' && first.place.untilMs <= now; first = heap.first)
        this.#move(first, { kind: 'active' }, 'BackoffComplete');
    }
    for (const entry of this.#unschedulable) {
      if (entry.sinceMs + this.#maxUnschedulableMs > now) break;
      this.#retry(entry, unschedulableTimeout);
    }
    this.#arm();
  }
}

/** Whether a field of the pod has changed that filters read. */
const isChanged = (before: Pod, pod: Pod): boolean =>
  !sameJson(before.spec, pod.spec) ||
  !sameJson(before.metadata.labels ?? {}, pod.metadata.labels ?? {}) ||
  !sameJson(before.status?.resourceClaimStatuses ?? [], pod.status?.resourceClaimStatuses ?? []);

/** The pod of higher priority comes first, then the one that has waited longer. */
function comesBefore(a: Entry, b: Entry): boolean {
  if (a.priority !== b.priority) return a.priority > b.priority;
  return a.sinceMs < b.sinceMs || (a.sinceMs === b.sinceMs && a.order < b.order);
}

/** The pod whose back-off ends first comes first. */
function endsBefore(a: Entry, b: Entry): boolean {
  if (a.place.kind !== 'backoff' || b.place.kind !== 'backoff') return false;
  return a.place.untilMs < b.place.untilMs || (a.place.untilMs === b.place.untilMs && comesBefore(a, b));
}
