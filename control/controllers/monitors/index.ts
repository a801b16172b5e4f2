/** Metrics of the controllers, with upstream's names. One instance serves all leadership terms of a process. */
import { Counter, exponentialBuckets, Gauge, Histogram, type Metric } from 'prom-client';
import { ApiError } from '#api/status.ts';
import type { Clock } from '#client/clock.ts';
import type { ReconcileObserver } from '#client/controller-runner.ts';
import type { WorkQueueObserver } from '#client/workqueue.ts';
import { WorkQueueMetrics } from '#client/workqueue-metrics.ts';
import { ResourceClaimMetrics } from '../resource-claim/metrics.ts';
import { JobMonitor } from './job-monitor.ts';
import type { Monitor, MonitorDeps } from './monitor.ts';
import { upstreamNames } from './names.ts';
import { EvictionMonitor, NodeMonitor } from './node-monitor.ts';
import { ScaleDownMonitor } from './scale-down-monitor.ts';
import { SliceMonitor, TrafficMonitor } from './slice-monitor.ts';
import { VolumeMonitor } from './volume-monitor.ts';

const registers: [] = [];

/** The metrics of all controllers. */
export class ControllerMonitors implements ReconcileObserver {
  readonly resourceClaim = new ResourceClaimMetrics();
  readonly nodes: NodeMonitor;
  readonly evictions = new EvictionMonitor('TaintEvictionController', 'taint_eviction_controller');
  readonly deviceEvictions = new EvictionMonitor('DeviceTaintEvictionController', 'device_taint_eviction_controller');
  readonly #queues = new WorkQueueMetrics();
  readonly #running = new Gauge({
    name: 'running_managed_controllers',
    help: 'Indicates where instances of a controller are currently running',
    labelNames: ['name', 'manager'],
    registers,
  });
  readonly #rootCaSyncs = new Counter({
    name: 'root_ca_cert_publisher_sync_total',
    help: 'Number of namespace syncs happened in root ca cert publisher.',
    labelNames: ['code'],
    registers,
  });
  readonly #rootCaSeconds = new Histogram({
    name: 'root_ca_cert_publisher_sync_duration_seconds',
    help: 'Number of namespace syncs happened in root ca cert publisher.',
    labelNames: ['code'],
    buckets: exponentialBuckets(0.001, 2, 15),
    registers,
  });
  readonly #gcErrors = new Counter({
    name: 'garbagecollector_controller_resources_sync_error_total',
    help: 'Number of garbage collector resources sync errors',
    registers,
  });
  readonly #parts: readonly Monitor[];

  /** @param clusterCidrs the ranges from which nodes get pod CIDRs */
  constructor(clusterCidrs: readonly string[] = []) {
    this.nodes = new NodeMonitor(clusterCidrs);
    this.#parts = [
      new JobMonitor(),
      this.nodes,
      this.evictions,
      this.deviceEvictions,
      new SliceMonitor('endpointslice-controller.k8s.io', 'endpointslice', 'endpoint_slice_controller'),
      new SliceMonitor(
        'endpointslicemirroring-controller.k8s.io',
        'endpointslice-mirroring',
        'endpoint_slice_mirroring_controller',
      ),
      new ScaleDownMonitor(),
      new TrafficMonitor(),
      new VolumeMonitor(),
    ];
  }

  /** The metrics to register. */
  get metrics(): readonly Metric[] {
    return [
      ...this.#queues.metrics,
      this.#running,
      this.#rootCaSyncs,
      this.#rootCaSeconds,
      this.#gcErrors,
      ...this.resourceClaim.metrics,
      ...this.#parts.flatMap(({ metrics }) => metrics),
    ];
  }

  /** Starts a leadership term. @returns a function that ends it */
  observe(deps: MonitorDeps): () => void {
    const stops = this.#parts.flatMap((part) => part.observe?.(deps) ?? []);
    return () => {
      for (const stop of stops) stop();
    };
  }

  reconciled(controller: string, _key: string, durationMs: number, error: unknown): void {
    const seconds = durationMs / 1000;
    for (const part of this.#parts) part.reconciled?.(controller, seconds, error);
    if (controller === 'garbage-collector' && error !== undefined) this.#gcErrors.inc();
    if (controller !== 'root-ca-certificate-publisher') return;
    const code = error === undefined ? '200' : error instanceof ApiError ? String(error.code) : '500';
    this.#rootCaSyncs.inc({ code });
    this.#rootCaSeconds.observe({ code }, seconds);
  }

  queue(controller: string, clock: Clock): WorkQueueObserver {
    return this.#queues.of(upstreamNames[controller]?.queue ?? controller, clock);
  }

  running(controller: string, isRunning: boolean): void {
    const name = upstreamNames[controller]?.controller ?? controller;
    this.#running.set({ name, manager: 'kube-controller-manager' }, isRunning ? 1 : 0);
  }
}
