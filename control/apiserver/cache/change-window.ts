/**
 * The recent changes of one kind, bounded in time, number and bytes. All watchers read from it, each from its own place: a watcher
 * costs no memory. One that reads too slowly, so that the window drops changes it has not read, cannot go on.
 *
 * Source: apiserver `pkg/storage/cacher/watch_cache.go` (a window of at least 75 s; upstream bounds it in number alone).
 */
import type { CachedObject } from './cached-object.ts';

/** One change of one object. */
export interface CacheEvent {
  revision: number;
  /** The state after the change; undefined: deleted. */
  current: CachedObject | undefined;
  /** The state before; undefined: created. */
  previous: CachedObject | undefined;
  atMs: number;
}

/** How long, how many and how large the changes of a window may be. */
export interface WindowLimits {
  /** Changes are kept at least this long … */
  windowMs: number;
  /** … and at least so many … */
  minEvents: number;
  /** … but never more than so many … */
  maxEvents: number;
  /** … nor more than this, by the objects' stored size, which is about a quarter of what they take in memory. */
  maxBytes: number;
}

/** In bytes: counted for a change whose object's size is not known. */
const eventBytes = 256;

/** A queue of changes with a bounded length; see the top of this file. */
export class ChangeWindow {
  readonly #limits: WindowLimits;
  /** The changes; those before index `#head` have been dropped and wait to be cut off together. */
  #events: (CacheEvent | undefined)[] = [];
  #head = 0;
  /** The place of `#events[0]`. A place is a change's number, counted from the first change of all. */
  #base = 0;
  #bytes = 0;
  #startRevision = 0;

  constructor(limits: WindowLimits) {
    this.#limits = limits;
  }

  /** Every change above this revision is here. */
  get startRevision(): number {
    return this.#startRevision;
  }

  /** The place of the oldest change. */
  get first(): number {
    return this.#base + this.#head;
  }

  /** The place of the next change. */
  get end(): number {
    return this.#base + this.#events.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Forgets everything: what lies before `revision` is not known. */
  reset(revision: number): void {
    this.#base = this.end;
    this.#events = [];
    this.#head = 0;
    this.#bytes = 0;
    this.#startRevision = revision;
  }

  push(event: CacheEvent): void {
    this.#events.push(event);
    this.#bytes += sizeOf(event);
  }

  /** The revision of the oldest change. */
  get oldestRevision(): number | undefined {
    return this.#events[this.#head]?.revision;
  }

  /** Drops what is too old, too much or too large. The newest change always stays. */
  trim(nowMs: number): void {
    const { windowMs, minEvents, maxEvents, maxBytes } = this.#limits;
    for (;;) {
      const count = this.#events.length - this.#head;
      const oldest = this.#events[this.#head];
      if (oldest === undefined || count <= 1) break;
      const isOld = count > minEvents && oldest.atMs < nowMs - windowMs;
      if (count <= maxEvents && this.#bytes <= maxBytes && !isOld) break;
      this.dropOldest();
    }
    this.#cut();
  }

  dropOldest(): void {
    const oldest = this.#events[this.#head];
    if (oldest === undefined) return;
    this.#bytes -= sizeOf(oldest);
    this.#startRevision = oldest.revision;
    this.#events[this.#head++] = undefined;
    this.#cut();
  }

  /** Cutting the array one change at a time would make every write cost the length of the window. */
  #cut(): void {
    if (this.#head <= 1024 && this.#head <= this.#events.length >> 1) return;
    this.#events = this.#events.slice(this.#head);
    this.#base += this.#head;
    this.#head = 0;
  }

  /** The place of the first change after `revision`. */
  placeAfter(revision: number): number {
    let [low, high] = [this.#head, this.#events.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#events[middle]?.revision ?? 0) <= revision) low = middle + 1;
      else high = middle;
    }
    return this.#base + low;
  }

  /** From `place` on, until they are `maxBytes` large; at least one where there is one. */
  from(place: number, maxBytes: number): CacheEvent[] {
    const taken: CacheEvent[] = [];
    let bytes = 0;
    for (let index = place - this.#base; index < this.#events.length && bytes < maxBytes; index++) {
      const event = this.#events[index];
      if (event === undefined) break;
      taken.push(event);
      bytes += sizeOf(event);
    }
    return taken;
  }
}

const sizeOf = ({ current, previous }: CacheEvent): number => eventBytes + (current?.bytes ?? previous?.bytes ?? 0);
