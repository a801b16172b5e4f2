/**
 * Virtual time: a step jumps to the next timer at once, however far away it is. Timers that are due at the same moment fire in the order in
 * which they were set.
 */
interface Timer {
  atMs: number;
  /** Order of creation: of timers at the same moment, the earlier one fires first. */
  serial: number;
  callback: (() => void) | undefined;
}

/** A `Clock` (clock.ts) whose time passes only by {@link step} and {@link passTo}. */
export class VirtualTime {
  #nowMs = 0;
  #wallMs = 0;
  #serial = 0;
  /** A binary heap: the next timer is the first. */
  #timers: Timer[] = [];

  constructor(wallMs: number) {
    this.reset(wallMs);
  }

  /** Resets the time to 0. Pending timers never fire. */
  reset(wallMs: number): void {
    for (const timer of this.#timers) timer.callback = undefined;
    this.#timers = [];
    this.#nowMs = 0;
    this.#serial = 0;
    this.#wallMs = wallMs;
  }

  now(): number {
    return this.#wallMs + this.#nowMs;
  }

  monotonic(): number {
    return this.#nowMs;
  }

  /** Sets the wall clock forward, or back where negative. No time passes. */
  setBy(byMs: number): void {
    this.#wallMs += byMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer: Timer = { atMs: this.#nowMs + Math.max(0, delayMs), serial: ++this.#serial, callback };
    push(this.#timers, timer);
    return () => {
      timer.callback = undefined;
    };
  }

  /** When the next timer is due; undefined when there is none. */
  nextMs(): number | undefined {
    while (this.#timers.length > 0 && this.#timers[0]?.callback === undefined) pop(this.#timers);
    return this.#timers[0]?.atMs;
  }

  /** Moves on to the next timer and fires it. @returns whether there was one */
  step(): boolean {
    if (this.nextMs() === undefined) return false;
    const timer = pop(this.#timers);
    const { callback } = timer;
    timer.callback = undefined;
    this.#nowMs = Math.max(this.#nowMs, timer.atMs);
    callback?.();
    return true;
  }

  /** Moves the time forward without firing timers: none may be due before. */
  passTo(atMs: number): void {
    this.#nowMs = Math.max(this.#nowMs, atMs);
  }
}

const isBefore = (a: Timer, b: Timer): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.serial < b.serial);

function push(heap: Timer[], timer: Timer): void {
  let at = heap.length;
  heap.push(timer);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = heap[parent] as Timer;
    if (!isBefore(timer, above)) break;
    heap[at] = above;
    at = parent;
  }
  heap[at] = timer;
}

function pop(heap: Timer[]): Timer {
  const first = heap[0] as Timer;
  const last = heap.pop() as Timer;
  if (heap.length === 0) return first;
  let at = 0;
  for (;;) {
    const left = 2 * at + 1;
    if (left >= heap.length) break;
    const right = left + 1;
    const child = right < heap.length && isBefore(heap[right] as Timer, heap[left] as Timer) ? right : left;
    if (!isBefore(heap[child] as Timer, last)) break;
    heap[at] = heap[child] as Timer;
    at = child;
  }
  heap[at] = last;
  return first;
}
