/**
 * Delays notifications to the end of the event-loop turn, so that each watcher gets all changes of the turn in one piece (one TLS
 * record, one system call). Notifies {@link watchersPerTurn} watchers per turn, so that requests are served in between. After
 * each pass it pauses for as long as the pass took, at most {@link maxRestMs}: a busy server keeps about half of its time for
 * requests, and sends more changes at a time, which costs hardly more than one. A server with few changes sends each at once.
 *
 *   quiet ──changed──▶ due ──turn's end, rest over──▶ telling ──all told──▶ quiet
 *                                                        └──changed meanwhile──▶ due
 */
import { type Clock, systemClock } from '#client/clock.ts';

/** How many watchers are told in one turn of the event loop. */
const watchersPerTurn = 128;
/** The longest rest after a pass: a pass may take long because other programs use the machine. */
const maxRestMs = 50;

interface Told {
  changed(): void;
}

/** Tells the watchers of one cache of changes; see the top of this file. */
export class WatcherTurns {
  readonly #watchers: ReadonlySet<Told>;
  readonly #clock: Clock;
  #state: 'quiet' | 'due' | 'telling' = 'quiet';
  /** Whether there was a change since the pass over the watchers began. */
  #isChanged = false;
  #restUntilMs = Number.NEGATIVE_INFINITY;

  /** @param clock measures how long a pass takes. The event loop takes real time also where a test's clock stands still. */
  constructor(watchers: ReadonlySet<Told>, clock: Clock = systemClock) {
    this.#watchers = watchers;
    this.#clock = clock;
  }

  /** Whether there are watchers that have yet to be told of something. */
  get isUnderWay(): boolean {
    return this.#state !== 'quiet';
  }

  changed(): void {
    this.#isChanged = true;
    if (this.#state !== 'quiet' || this.#watchers.size === 0) return;
    this.#state = 'due';
    const restMs = this.#restUntilMs - this.#clock.monotonic();
    if (restMs > 0) this.#clock.after(restMs, () => this.#begin());
    else setImmediate(() => this.#begin());
  }

  #begin(): void {
    this.#state = 'telling';
    this.#isChanged = false;
    this.#tell(this.#watchers.values(), this.#clock.monotonic());
  }

  #tell(watchers: Iterator<Told>, startMs: number): void {
    let told = 0;
    let next = watchers.next();
    for (; next.done !== true; next = watchers.next()) {
      next.value.changed();
      if (++told === watchersPerTurn) break;
    }
    // The watchers send what they took in promise callbacks, which all run before `setImmediate` does.
    setImmediate(() => (next.done === true ? this.#end(startMs) : this.#tell(watchers, startMs)));
  }

  #end(startMs: number): void {
    const nowMs = this.#clock.monotonic();
    this.#restUntilMs = nowMs + Math.min(nowMs - startMs, maxRestMs);
    this.#state = 'quiet';
    if (this.#isChanged) this.changed();
  }
}
