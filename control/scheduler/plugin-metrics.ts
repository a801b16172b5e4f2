/**
 * Metrics of extension points and plugins, with upstream's names, labels and buckets. Extension points are timed in every attempt; single
 * plugins in one attempt of ten, because that takes longer than most plugins do. What is remembered of earlier pods (`template-memo.ts`) is no
 * run of a plugin.
 *
 * Source: upstream `pkg/scheduler/metrics/metrics.go`, `framework/runtime/framework.go`, `instrumented_plugins.go`.
 */
import { Counter, exponentialBuckets, Histogram, type Metric } from 'prom-client';
import type { Profile } from './config/profile.ts';
import type { FilterPlugin, NodeCheck, ScorePlugin } from './framework.ts';

/** Where plugins have a say. */
export type ExtensionPoint = 'PreFilter' | 'Filter' | 'PostFilter' | 'Score' | 'Reserve' | 'PreBind' | 'Bind';

/** How it ended, in upstream's words. */
export type PointStatus = 'Success' | 'Unschedulable' | 'UnschedulableAndUnresolvable' | 'Skip' | 'Error';

/** One attempt of so many has its plugins timed (upstream's pluginMetricsSamplePercent: 10). */
const sampleEvery = 10;

/** Counts and times the plugins of all profiles. */
export class PluginMetrics {
  readonly #nowMs: () => number;
  #attempts = 0;
  /** Outside of attempts, plugins are asked what would help a pod; that does not count. */
  #attempt: 'none' | 'counted' | 'timed' = 'none';
  readonly #points = new Histogram({
    name: 'scheduler_framework_extension_point_duration_seconds',
    help: 'Latency for running all plugins of a specific extension point.',
    labelNames: ['extension_point', 'status', 'profile'],
    buckets: exponentialBuckets(0.0001, 2, 12),
    registers: [],
  });
  readonly #plugins = new Histogram({
    name: 'scheduler_plugin_execution_duration_seconds',
    help: 'Duration for running a plugin at a specific extension point.',
    labelNames: ['plugin', 'extension_point', 'status'],
    buckets: exponentialBuckets(0.00001, 1.5, 20),
    registers: [],
  });
  readonly #evaluations = new Counter({
    name: 'scheduler_plugin_evaluation_total',
    help: 'Number of attempts to schedule pods by each plugin and the extension point (available only in PreFilter, Filter, PreScore, and Score).',
    labelNames: ['plugin', 'extension_point', 'profile'],
    registers: [],
  });

  /** @param nowMs a monotonic clock */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** For the registry under which they are served. */
  get all(): Metric[] {
    return [this.#points, this.#plugins, this.#evaluations];
  }

  /** Until {@link end}, what plugins do counts. */
  begin(): void {
    this.#attempt = this.#attempts++ % sampleEvery === 0 ? 'timed' : 'counted';
  }

  end(): void {
    this.#attempt = 'none';
  }

  /** An extension point has been passed, which took this long. */
  passed(point: ExtensionPoint, status: PointStatus, profile: string, ms: number): void {
    this.#points.observe({ extension_point: point, status, profile }, ms / 1000);
  }

  /** The same profile; its filters and scores are counted and timed. */
  watched(profile: Profile): Profile {
    return {
      ...profile,
      filters: profile.filters.map((plugin) => this.#filter(plugin, profile.schedulerName)),
      scores: profile.scores.map((plugin) => this.#score(plugin, profile.schedulerName)),
    };
  }

  #filter(plugin: FilterPlugin, profile: string): FilterPlugin {
    const { name } = plugin;
    // Children are made once: looking them up by labels takes longer than to count.
    const prepared = this.#evaluations.labels({ plugin: name, extension_point: 'PreFilter', profile });
    const filtered = this.#evaluations.labels({ plugin: name, extension_point: 'Filter', profile });
    return {
      ...plugin,
      prepare: (pod, snapshot) => {
        if (this.#attempt === 'none') return plugin.prepare(pod, snapshot);
        const startMs = this.#nowMs();
        const filtering = plugin.prepare(pod, snapshot);
        prepared.inc();
        if (filtering.kind === 'check') filtered.inc();
        if (this.#attempt !== 'timed') return filtering;
        const refused = filtering.kind === 'refuse' ? rejected(filtering.rejection.preemptible) : 'Success';
        this.#ran(name, 'PreFilter', filtering.kind === 'skip' ? 'Skip' : refused, startMs);
        return filtering.kind === 'check' ? { ...filtering, check: this.#timed(name, filtering.check) } : filtering;
      },
    };
  }

  #timed(plugin: string, check: NodeCheck): NodeCheck {
    return (info, changes) => {
      // The check may be asked again after its attempt, by a preemption.
      if (this.#attempt !== 'timed') return check(info, changes);
      const startMs = this.#nowMs();
      const rejection = check(info, changes);
      this.#ran(plugin, 'Filter', rejection === undefined ? 'Success' : rejected(rejection.preemptible), startMs);
      return rejection;
    };
  }

  #score(plugin: ScorePlugin, profile: string): ScorePlugin {
    const { name } = plugin;
    const scored = this.#evaluations.labels({ plugin: name, extension_point: 'Score', profile });
    return {
      ...plugin,
      score: (pod, feasible, snapshot) => {
        const startMs = this.#nowMs();
        const raw = plugin.score(pod, feasible, snapshot);
        if (raw !== undefined && this.#attempt !== 'none') scored.inc();
        if (this.#attempt === 'timed') this.#ran(name, 'Score', raw === undefined ? 'Skip' : 'Success', startMs);
        return raw;
      },
    };
  }

  #ran(plugin: string, point: ExtensionPoint, status: PointStatus, startMs: number): void {
    this.#plugins.observe({ plugin, extension_point: point, status }, (this.#nowMs() - startMs) / 1000);
  }
}

const rejected = (preemptible: boolean): PointStatus => (preemptible ? 'Unschedulable' : 'UnschedulableAndUnresolvable');
