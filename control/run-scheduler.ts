/** The scheduler of a process: alone, or beside the API server. */
import type { Metric, Registry } from 'prom-client';
import type { Client } from '#client/client.ts';
import { createEventRecorder } from '#client/event-recorder.ts';
import type { DebugPages } from './apiserver/serving/debug-pages.ts';
import type { SchedulerConfiguration } from './scheduler/config/configuration.ts';
import { createProfile } from './scheduler/config/profile.ts';
import { podRecord, podRecordPath } from './scheduler/explanation.ts';
import { createScheduler, type Scheduler, type SchedulerDeps, type SchedulerOptions } from './scheduler/scheduler.ts';

/** Of the scheduler, which records an event for each pod that it binds. */
const eventsAtOnce = 16;

/** Makes a client that ends with `signal`. */
export type ClientUntil = (signal: AbortSignal) => Client;

/** The scheduler is made anew for each term; what is served of it is the last one's. */
export class SchedulerTerms {
  readonly #clientUntil: ClientUntil;
  readonly #registry: Registry;
  #current: Scheduler | undefined;

  /**
   * @param registry where its metrics are served
   * @param debug where it tells how pods were decided upon; absent: it does not
   */
  constructor(clientUntil: ClientUntil, registry: Registry, debug?: DebugPages) {
    this.#clientUntil = clientUntil;
    this.#registry = registry;
    const none: Pick<Scheduler, 'explain'> = { explain: () => ({ decisions: [], remedies: [] }) };
    debug?.add(podRecordPath, (path) => podRecord(this.#current ?? none, path));
  }

  /** Schedules until `signal` aborts. */
  async run(
    deps: Pick<SchedulerDeps, 'informers' | 'clock' | 'log' | 'leftOut'>,
    options: SchedulerOptions,
    signal: AbortSignal,
  ): Promise<void> {
    const client = this.#clientUntil(signal);
    const events = createEventRecorder({ ...deps, client, component: 'default-scheduler', atOnce: eventsAtOnce });
    const scheduler = createScheduler({ ...deps, client, events, random: Math.random }, options);
    for (const metric of this.#current?.metrics ?? [])
      this.#registry.removeSingleMetric((metric as Metric & { name: string }).name);
    for (const metric of scheduler.metrics) this.#registry.registerMetric(metric);
    this.#current = scheduler;
    await scheduler.run(signal);
    await events.flush();
  }
}

/** What a KubeSchedulerConfiguration says; absent: upstream's defaults. */
export function schedulerOptions(configuration: SchedulerConfiguration | undefined): SchedulerOptions {
  if (configuration === undefined) return {};
  const { profiles, percentageOfNodesToScore, podInitialBackoffMs, podMaxBackoffMs, extenders } = configuration;
  return {
    extenders,
    profiles: profiles.map(createProfile),
    percentageOfNodesToScore,
    queue: { initialBackoffMs: podInitialBackoffMs, maxBackoffMs: podMaxBackoffMs },
  };
}
