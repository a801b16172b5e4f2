/**
 * API priority and fairness: each priority level has a part of the server's seats, lends seats that it does not need, and shares its seats
 * fairly among the flows of its requests. A request that finds no place in a queue, or waits too long, gets 429 with Retry-After.
 *
 * Source: KEP-1040; apiserver `pkg/util/flowcontrol/apf_controller.go`, `pkg/server/filters/priority-and-fairness.go`.
 */
import type { PriorityLevelConfiguration } from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';
import type { UserInfo } from '../registry/strategy.ts';
import type { RequestInfo } from '../rest/request-info.ts';
import { allocate } from './concurrency-allocation.ts';
import type { Distribution } from './distribution.ts';
import { DroppedRequests } from './dropped-requests.ts';
import { type FlowCounts, FlowMetrics } from './flow-metrics.ts';
import type { Flow, FlowSchemas } from './flow-schemas.ts';
import type { LevelState } from './level-state.ts';
import type { Refusal, Ticket } from './queue.ts';
import { QueueSet, type QueueSetConfig } from './queue-set.ts';
import { estimateWork, type StoredFacts } from './work-estimate.ts';

/** What {@link PriorityLevels} needs. */
export interface PriorityLevelsDeps {
  clock: Clock;
  schemas: Pick<FlowSchemas, 'levels' | 'flows'>;
  /** The number and size of a resource's objects. */
  factsOf(info: RequestInfo): StoredFacts | undefined;
}

/** The result for a request: it is served now, or must be retried later. */
export type Entry = { leave: () => void } | { retryAfterSeconds: number };

/** The maximum seats of one request, in percent of the level's nominal seats. */
const maxSeatsShare = 0.15;
const adjustmentMs = 10_000;
/** A quarter of `--request-timeout`. */
const defaultWaitMs = 15_000;
const longestWaitMs = 60_000;

/** All priority levels with their seats, updated from the stored objects. */
export class PriorityLevels {
  readonly metrics: FlowMetrics;
  readonly #deps: PriorityLevelsDeps;
  readonly #total: number;
  readonly #dropped = new DroppedRequests();
  readonly #levels = new Map<string, LevelState>();
  /** The objects from which {@link #levels} was computed. */
  #configs: readonly PriorityLevelConfiguration[] = [];
  #adjustedMs: number;

  /** @param total the server's seats: `--max-requests-inflight` and `--max-mutating-requests-inflight` together */
  constructor(deps: PriorityLevelsDeps, total: number) {
    this.#deps = deps;
    this.#total = total;
    this.#adjustedMs = deps.clock.monotonic();
    this.metrics = new FlowMetrics(
      () => this.states(),
      () => deps.clock.monotonic(),
    );
  }

  /** All levels, including deleted ones that still serve requests. */
  states(): readonly LevelState[] {
    this.#follow();
    return [...this.#levels.values()];
  }

  /** The result is no promise if a seat is free. @param timeoutMs of the request, if it has one of its own */
  enter(info: RequestInfo, user: UserInfo, flow: Flow, signal?: AbortSignal, timeoutMs?: number): Entry | Promise<Entry> {
    const level = this.#levelOf(flow);
    const schema = flow.schema.metadata.name;
    const work = estimateWork(info, level.maxSeats, this.#deps.factsOf);
    const counts = this.metrics.of(level.name, schema);
    counts.seats.observe(Math.max(work.initialSeats, work.finalSeats));
    if (work.watchers !== undefined) counts.watchers.observe(work.watchers);
    const executions = info.verb === 'watch' ? counts.watchExecutions : counts.executions;
    const waitMs = Math.min(longestWaitMs, timeoutMs === undefined ? defaultWaitMs : timeoutMs / 4);
    const distinguisher = distinguisherOf(flow, info, user);
    const admitted = level.queues.start({ schema, distinguisher, work, waitMs, signal, about: { user, info } });
    if (admitted instanceof Promise) {
      const arrivedMs = this.#deps.clock.monotonic();
      return admitted.then((result) => this.#entry(level, counts, executions, result, this.#deps.clock.monotonic() - arrivedMs));
    }
    return this.#entry(level, counts, executions, admitted, 0);
  }

  #entry(level: LevelState, counts: FlowCounts, executions: Distribution, result: Ticket | Refusal, waitedMs: number): Entry {
    const { clock } = this.#deps;
    if (typeof result === 'string') {
      counts.refusedWaits.observe(waitedMs / 1000);
      counts.reject(result);
      return { retryAfterSeconds: this.#dropped.record(level.name, clock.now()) };
    }
    counts.waits.observe(waitedMs / 1000);
    counts.dispatched += 1;
    const startMs = clock.monotonic();
    return {
      leave: () => {
        executions.observe((clock.monotonic() - startMs) / 1000);
        result.leave();
        if (level.quiescing && level.queues.isIdle) this.#remove(level);
      },
    };
  }

  #levelOf({ level }: Flow): LevelState {
    this.#follow();
    const { clock } = this.#deps;
    if (clock.monotonic() - this.#adjustedMs >= adjustmentMs) this.adjust();
    const known = this.#levels.get(level.metadata.name);
    if (known !== undefined) return known;
    // The default of a mandatory level that is not stored.
    return this.#add(level);
  }

  /** Applies changes of the stored levels. */
  #follow(): void {
    const configs = this.#deps.schemas.levels();
    if (configs === this.#configs) return;
    this.#configs = configs;
    const names = new Set(configs.map(({ metadata }) => metadata.name));
    for (const config of configs) {
      const known = this.#levels.get(config.metadata.name);
      if (known === undefined) this.#add(config);
      else {
        known.config = config;
        known.quiescing = false;
      }
    }
    for (const level of this.#levels.values()) {
      level.quiescing = !names.has(level.name);
      if (level.quiescing && level.queues.isIdle) this.#remove(level);
    }
    this.metrics.keepOnly(new Set(this.#deps.schemas.flows().map(({ schema }) => schema.metadata.name)));
    this.#divide();
  }

  #add(config: PriorityLevelConfiguration): LevelState {
    const { name } = config.metadata;
    const queues = new QueueSet(queuesOf(config), 1, this.#deps.clock, this.metrics.observerOf(name));
    const limits = { nominal: 0, lower: 0, upper: 0 };
    const level: LevelState = { name, config, limits, current: 0, maxSeats: 1, queues, quiescing: false };
    this.#levels.set(name, level);
    this.#divide();
    return level;
  }

  #remove(level: LevelState): void {
    this.#levels.delete(level.name);
    this.#dropped.forget(level.name);
    this.metrics.forget(level.name);
  }

  /** Gives each level its nominal seats. Those in use are adjusted at once, not only at the next {@link adjust}. */
  #divide(): void {
    const levels = [...this.#levels.values()];
    const shares = levels.map(({ config }) => commonsOf(config).shares);
    const sum = shares.reduce((total, one) => total + one, 0);
    for (const [index, level] of levels.entries()) {
      const { lendable, borrowing } = commonsOf(level.config);
      const nominal = sum === 0 ? 0 : Math.ceil((this.#total * (shares[index] ?? 0)) / sum);
      const lent = Math.round((nominal * lendable) / 100);
      const borrowed = borrowing === undefined ? this.#total : Math.round((nominal * borrowing) / 100);
      level.limits = { nominal, lower: nominal - lent, upper: nominal + borrowed };
      const { handSize, queues } = queuesOf(level.config);
      const most = queues > 0 ? Math.min(Math.ceil(nominal * maxSeatsShare), Math.trunc(nominal / handSize)) : nominal;
      level.maxSeats = Math.max(1, Math.min(most, 100));
      level.queues.configure(queuesOf(level.config));
    }
    this.adjust();
  }

  /** Moves seats from levels that do not need them to those that do. */
  adjust(): void {
    const nowMs = this.#deps.clock.monotonic();
    this.#adjustedMs = nowMs;
    const levels = [...this.#levels.values()];
    for (const { queues } of levels) queues.demand.update(nowMs);
    let rest = this.#total;
    const limited: { level: LevelState; least: number }[] = [];
    for (const level of levels) {
      const { limits, queues, config } = level;
      const { highWatermark } = queues.demand;
      if (config.spec.type === 'Exempt') {
        level.current = Math.max(limits.lower, highWatermark);
        rest -= level.current;
      } else limited.push({ level, least: Math.max(limits.lower, Math.min(limits.nominal, highWatermark)) });
    }
    const lower = limited.reduce((sum, { level }) => sum + level.limits.lower, 0);
    const least = limited.reduce((sum, one) => sum + one.least, 0);
    if (rest <= lower) for (const { level } of limited) level.current = level.limits.lower;
    else if (rest <= least) {
      const share = (rest - lower) / (least - lower);
      for (const one of limited)
        one.level.current = one.level.limits.lower + Math.round((one.least - one.level.limits.lower) * share);
    } else {
      const items = limited.map((one) => ({
        lower: one.least,
        upper: one.level.limits.upper,
        target: Math.max(one.least, one.level.queues.demand.smoothed),
      }));
      const { fraction, allocations } = allocate(this.#total, items);
      this.metrics.fair(fraction);
      for (const [index, { level }] of limited.entries()) level.current = Math.round(allocations[index] ?? 0);
    }
    // Each level has at least one seat: otherwise its waiting requests would never be served.
    for (const level of levels)
      level.queues.setLimit(Math.max(level.config.spec.type === 'Exempt' ? 0 : 1, level.current), level.limits.nominal);
  }
}

function commonsOf({ spec }: PriorityLevelConfiguration): { shares: number; lendable: number; borrowing: number | undefined } {
  const { nominalConcurrencyShares, lendablePercent = 0 } = (spec.type === 'Exempt' ? spec.exempt : spec.limited) ?? {};
  const shares = nominalConcurrencyShares ?? (spec.type === 'Exempt' ? 0 : 30);
  return { shares, lendable: lendablePercent, borrowing: spec.limited?.borrowingLimitPercent };
}

function queuesOf({ spec }: PriorityLevelConfiguration): QueueSetConfig {
  if (spec.type === 'Exempt') return { queues: -1, handSize: 1, queueLength: 0 };
  const { type, queuing } = spec.limited?.limitResponse ?? { type: 'Reject' };
  if (type !== 'Queue') return { queues: 0, handSize: 1, queueLength: 0 };
  const { queues = 64, handSize = 8, queueLengthLimit = 50 } = queuing ?? {};
  return { queues, handSize, queueLength: queueLengthLimit };
}

function distinguisherOf({ schema }: Flow, { namespace }: RequestInfo, user: UserInfo): string {
  switch (schema.spec.distinguisherMethod?.type) {
    case 'ByUser':
      return user.name;
    case 'ByNamespace':
      return namespace;
    default:
      return '';
  }
}
