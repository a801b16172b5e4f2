/**
 * The queues of one priority level. Requests of different flows share the level's seats fairly, however many requests one flow sends.
 *
 * Time is measured in R, a virtual time in which every active queue is served at the same rate. The next request is the one that its
 * queue would finish first in virtual time.
 *
 * Source: KEP-1040; apiserver `pkg/util/flowcontrol/fairqueuing/queueset/queueset.go`.
 */
import type { Clock } from '#client/clock.ts';
import {
  type Admission,
  type Executing,
  estimatedSeconds,
  Queue,
  type Refusal,
  type RequestFacts,
  seatsOf,
  type Ticket,
  type Waiting,
  workOf,
} from './queue.ts';
import { SeatDemand } from './seat-demand.ts';
import { Dealer } from './shuffle-sharding.ts';
import { TimedRatio } from './timed-ratio.ts';

/** The queues of one level: their number, length and hand size. */
export interface QueueSetConfig {
  /** The number of queues. 0: requests do not wait, and are refused when no seat is free. -1: no limit at all. */
  queues: number;
  handSize: number;
  /** The maximum length of a queue. */
  queueLength: number;
}

/** Called for events of a FlowSchema's requests, for metrics. */
export interface QueueSetObserver {
  queued(schema: string, change: 1 | -1, seats: number): void;
  executing(schema: string, change: 1 | -1, seats: number): void;
  lengthAfterEnqueue(schema: string, length: number): void;
  noAccommodation(schema: string): void;
}

// Upstream's buckets.
const seatShares = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1];
const requestShares = [0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.25, 0.5, 0.75, 1];
const demandShares = [0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.4, 1.7, 2, 2.8, 4, 6];

/** The fair queues of one level. Source: apiserver `pkg/util/flowcontrol/fairqueuing/queueset`. */
export class QueueSet {
  readonly demand: SeatDemand;
  /** Histograms over time, as ratios of the level's limits. */
  readonly ratios: { seats: TimedRatio; executing: TimedRatio; waiting: TimedRatio; demand: TimedRatio };
  /** R at the last dispatch, and S of the dispatched request. */
  readonly last = { dispatchR: 0, latestS: 0 };
  readonly counts = { dispatched: 0, rejected: 0, timedOut: 0, cancelled: 0 };
  readonly #clock: Clock;
  readonly #observer: QueueSetObserver;
  #config: QueueSetConfig;
  #limit: number;
  #dealer: Dealer;
  #queues: Queue[] = [];
  /** The queues with waiting requests. */
  readonly #withWaiting = new Set<Queue>();
  readonly #queueless = new Set<Executing>();
  #active = 0;
  #robin = 0;
  #enqueues = 0;
  #currentR = 0;
  #lastMs: number;
  #seatsInUse = 0;
  #seatsWaiting = 0;
  #waiting = 0;
  #executing = 0;

  constructor(config: QueueSetConfig, limit: number, clock: Clock, observer: QueueSetObserver) {
    this.#clock = clock;
    this.#observer = observer;
    this.#config = config;
    this.#limit = limit;
    this.#lastMs = clock.monotonic();
    this.demand = new SeatDemand(this.#lastMs);
    const ratio = (bounds: readonly number[]): TimedRatio => new TimedRatio(bounds, this.#lastMs);
    this.ratios = {
      seats: ratio(seatShares),
      executing: ratio(requestShares),
      waiting: ratio(requestShares),
      demand: ratio(demandShares),
    };
    this.#dealer = new Dealer(Math.max(1, config.queues), Math.max(1, config.handSize));
    this.#grow();
  }

  get seatsInUse(): number {
    return this.#seatsInUse;
  }
  get waiting(): number {
    return this.#waiting;
  }
  get executing(): number {
    return this.#executing;
  }
  get currentR(): number {
    return this.#currentR;
  }
  get isIdle(): boolean {
    return this.#waiting === 0 && this.#executing === 0;
  }
  get queues(): readonly Queue[] {
    return this.#queues;
  }
  get queueless(): ReadonlySet<Executing> {
    return this.#queueless;
  }

  /** Applies a change of the level's configuration. Waiting requests stay in their queues. */
  configure(config: QueueSetConfig): void {
    const { queues, handSize, queueLength } = this.#config;
    if (config.queues === queues && config.handSize === handSize && config.queueLength === queueLength) return;
    this.#config = config;
    this.#dealer = new Dealer(Math.max(1, config.queues), Math.max(1, config.handSize));
    this.#grow();
  }

  /** Sets the current number of seats. @param nominal the number in the configuration */
  setLimit(limit: number, nominal = limit): void {
    const nowMs = this.#sync();
    this.#limit = limit;
    this.ratios.seats.setDenominator(limit, nowMs);
    this.ratios.executing.setDenominator(limit, nowMs);
    this.ratios.waiting.setDenominator(Math.max(1, this.#config.queues * this.#config.queueLength), nowMs);
    this.ratios.demand.setDenominator(nominal, nowMs);
    this.#dispatch();
  }

  start(facts: RequestFacts): Admission {
    const nowMs = this.#sync();
    if (this.#config.queues < 1) {
      if (!this.#hasRoom(facts.work.initialSeats)) return this.#refuse('concurrency-limit');
      return this.#execute({ facts, arrivalMs: nowMs, startMs: nowMs }, undefined);
    }
    const queue = this.#choose(facts);
    if (this.#seatsInUse >= this.#limit && queue.waiting.length >= this.#config.queueLength) return this.#refuse('queue-full');
    // No request is before it, so it is dispatched at once, without waiting for a turn of the event loop.
    if (this.#waiting === 0 && this.#hasRoom(seatsOf(facts))) {
      if (queue.isIdle) {
        queue.nextDispatchR = this.#currentR;
        this.#active += 1;
      } else queue.nextDispatchR = Math.max(queue.nextDispatchR, this.#currentR);
      this.#noteDispatch(queue);
      queue.nextDispatchR += workOf(facts);
      this.#robin = queue.index;
      return this.#execute({ facts, arrivalMs: nowMs, startMs: nowMs }, queue);
    }
    return this.#enqueue(facts, queue, nowMs);
  }

  #refuse(why: Refusal): Refusal {
    this.counts.rejected += 1;
    return why;
  }

  #grow(): void {
    // Queues beyond the configured number are drained: they get no new requests.
    for (let index = this.#queues.length; index < this.#config.queues; index++) this.#queues.push(new Queue(index));
    while (this.#queues.length > Math.max(0, this.#config.queues) && this.#queues.at(-1)?.isIdle === true) this.#queues.pop();
  }

  /** The queue with the least work in the flow's hand. */
  #choose({ schema, distinguisher }: RequestFacts): Queue {
    const hand = this.#dealer.hand(schema, distinguisher);
    const offset = this.#enqueues++ % hand.length;
    let best: Queue | undefined;
    for (let count = 0; count < hand.length; count++) {
      const queue = this.#queues[hand[(offset + count) % hand.length] ?? 0] as Queue;
      if (best === undefined || queue.work < best.work) best = queue;
    }
    return best as Queue;
  }

  #enqueue(facts: RequestFacts, queue: Queue, nowMs: number): Promise<Ticket | Refusal> {
    const { promise, resolve } = Promise.withResolvers<Ticket | Refusal>();
    if (queue.isIdle) {
      queue.nextDispatchR = this.#currentR;
      this.#active += 1;
    }
    const stopTimer = this.#clock.after(facts.waitMs, () => this.#eject(one, 'time-out'));
    const left = (): void => this.#eject(one, 'cancelled');
    const one: Waiting = {
      facts,
      queue,
      arrivalR: this.#currentR,
      arrivalMs: nowMs,
      decide(result) {
        stopTimer();
        facts.signal?.removeEventListener('abort', left);
        resolve(result);
      },
    };
    const seats = seatsOf(facts);
    queue.waiting.push(one);
    queue.seatsWaiting += seats;
    queue.work += workOf(facts);
    this.#withWaiting.add(queue);
    this.#waiting += 1;
    this.#seatsWaiting += seats;
    this.#observer.queued(facts.schema, 1, seats);
    this.#observer.lengthAfterEnqueue(facts.schema, queue.waiting.length);
    this.#bound(queue);
    this.#noteDemand();
    if (facts.signal?.aborted === true) left();
    else facts.signal?.addEventListener('abort', left, { once: true });
    this.#dispatch();
    return promise;
  }

  #eject(one: Waiting, why: 'time-out' | 'cancelled'): void {
    this.#sync();
    const at = one.queue.waiting.indexOf(one);
    if (at < 0) return;
    this.#unqueue(one, at);
    this.counts.rejected += 1;
    if (why === 'time-out') this.counts.timedOut += 1;
    this.counts.cancelled += 1;
    this.#bound(one.queue);
    if (one.queue.isIdle) this.#active -= 1;
    this.#noteDemand();
    one.decide(why);
    this.#dispatch();
  }

  #unqueue({ facts, queue }: Waiting, at: number): void {
    const seats = seatsOf(facts);
    queue.waiting.splice(at, 1);
    queue.seatsWaiting -= seats;
    queue.work = queue.waiting.length === 0 ? 0 : queue.work - workOf(facts);
    if (queue.waiting.length === 0) this.#withWaiting.delete(queue);
    this.#waiting -= 1;
    this.#seatsWaiting -= seats;
    this.#observer.queued(facts.schema, -1, seats);
  }

  #dispatch(): void {
    while (this.#waiting > 0 && this.#seatsInUse < this.#limit && this.#dispatchOne());
  }

  /** @returns false if the next request needs more seats than are free. Other requests do not overtake it */
  #dispatchOne(): boolean {
    let best: Queue | undefined;
    let [finish, distance] = [Number.POSITIVE_INFINITY, 0];
    const count = this.#queues.length;
    for (const queue of this.#withWaiting) {
      const [oldest] = queue.waiting;
      if (oldest === undefined) continue;
      const end = queue.nextDispatchR + workOf(oldest.facts);
      const away = (queue.index - this.#robin - 1 + 2 * count) % count;
      if (end < finish || (end === finish && away < distance)) [best, finish, distance] = [queue, end, away];
    }
    const one = best?.waiting[0];
    if (best === undefined || one === undefined) return false;
    if (!this.#hasRoom(seatsOf(one.facts))) {
      this.#observer.noAccommodation(one.facts.schema);
      return false;
    }
    this.#robin = best.index;
    this.#unqueue(one, 0);
    this.#noteDispatch(best);
    best.nextDispatchR += workOf(one.facts);
    this.#bound(best);
    const ticket = this.#execute({ facts: one.facts, arrivalMs: one.arrivalMs, startMs: this.#clock.monotonic() }, best);
    one.decide(ticket);
    return true;
  }

  #execute(one: Executing, queue: Queue | undefined): Ticket {
    const seats = seatsOf(one.facts);
    if (queue === undefined) this.#queueless.add(one);
    else {
      queue.executing.add(one);
      queue.seatsInUse += seats;
    }
    this.#executing += 1;
    this.#seatsInUse += seats;
    this.counts.dispatched += 1;
    this.#observer.executing(one.facts.schema, 1, seats);
    this.#noteDemand();
    return { leave: () => this.#finish(one, queue), waitedMs: one.startMs - one.arrivalMs };
  }

  #finish(one: Executing, queue: Queue | undefined): void {
    const nowMs = this.#sync();
    this.#executing -= 1;
    if (queue === undefined) this.#queueless.delete(one);
    else {
      queue.executing.delete(one);
      // The duration is known now.
      queue.nextDispatchR -= one.facts.work.initialSeats * (estimatedSeconds - (nowMs - one.startMs) / 1000);
      this.#bound(queue);
      if (queue.isIdle) this.#active -= 1;
    }
    const seats = seatsOf(one.facts);
    const release = (): void => {
      this.#sync();
      this.#seatsInUse -= seats;
      if (queue !== undefined) queue.seatsInUse -= seats;
      this.#observer.executing(one.facts.schema, -1, seats);
      this.#noteDemand();
      if (queue !== undefined && this.#queues.length > this.#config.queues) this.#grow();
      this.#dispatch();
    };
    if (one.facts.work.additionalMs > 0) this.#clock.after(one.facts.work.additionalMs, release);
    else release();
  }

  #hasRoom(seats: number): boolean {
    if (this.#config.queues < 0) return true;
    // A request that needs more seats than the level has is served alone.
    if (seats > this.#limit) return this.#executing === 0;
    return this.#seatsInUse + seats <= this.#limit;
  }

  /** Sets the queue's virtual time forward: a queue that was idle must not get in advance what it did not use. */
  #bound(queue: Queue): void {
    const [oldest] = queue.waiting;
    if (oldest !== undefined && queue.nextDispatchR < oldest.arrivalR) queue.nextDispatchR = oldest.arrivalR;
  }

  /** Moves the virtual time on. @returns the real one, in milliseconds */
  #sync(): number {
    const nowMs = this.#clock.monotonic();
    if (this.#active > 0) {
      const rate = Math.min(this.#seatsInUse + this.#seatsWaiting, this.#limit) / this.#active;
      this.#currentR += (rate * (nowMs - this.#lastMs)) / 1000;
    }
    this.#lastMs = nowMs;
    return nowMs;
  }

  #noteDemand(): void {
    const { demand, ratios } = this;
    demand.set(this.#seatsInUse + this.#seatsWaiting, this.#lastMs);
    ratios.demand.set(this.#seatsInUse + this.#seatsWaiting, this.#lastMs);
    ratios.seats.set(this.#seatsInUse, this.#lastMs);
    ratios.executing.set(this.#executing, this.#lastMs);
    ratios.waiting.set(this.#waiting, this.#lastMs);
  }

  #noteDispatch(queue: Queue): void {
    this.last.dispatchR = this.#currentR;
    this.last.latestS = queue.nextDispatchR;
  }

  /**
   * The minimum and maximum S of the first waiting requests of all queues, with and without the queue's work in progress. Undefined if no
   * request waits.
   */
  nextBounds(): { next: [min: number, max: number]; discounted: [min: number, max: number] } | undefined {
    if (this.#withWaiting.size === 0) return undefined;
    const bounds = (of: (queue: Queue) => number): [min: number, max: number] => {
      let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
      for (const queue of this.#withWaiting) [min, max] = [Math.min(min, of(queue)), Math.max(max, of(queue))];
      return [min, max];
    };
    return {
      next: bounds(({ nextDispatchR }) => nextDispatchR),
      discounted: bounds(({ nextDispatchR, seatsInUse }) => nextDispatchR - estimatedSeconds * seatsInUse),
    };
  }
}
