/**
 * Metrics of nodes, pod CIDRs, and pods evicted or deleted because of their node. Source: kubernetes
 * `pkg/controller/{nodelifecycle,nodeipam,tainteviction,podgc}`.
 */

import { Counter, Gauge, Histogram, type Metric } from 'prom-client';
import { readyCondition } from '#api/node-conditions.ts';
import { notReadyTaint, unreachableTaint } from '#api/node-taints.ts';
import type { Node, Pod } from '#api/types.generated.ts';
import type { Informers } from '#client/informers.ts';
import { zoneOf } from '../node-health.ts';
import type { Monitor, MonitorDeps } from './monitor.ts';
import { follow } from './since.ts';

const registers: [] = [];
const evictionTaints: ReadonlySet<string> = new Set([notReadyTaint, unreachableTaint]);
const isEvicted = ({ spec }: Node): boolean =>
  (spec.taints ?? []).some(({ key, effect }) => effect === 'NoExecute' && evictionTaints.has(key));

/** Metrics of pods that a controller deletes because of taints. */
export class EvictionMonitor implements Monitor {
  readonly #deletions: Counter;
  readonly #seconds: Histogram;

  /** @param name `TaintEvictionController` @param prefix of the metrics */
  constructor(name: string, prefix: string) {
    this.#deletions = new Counter({
      name: `${prefix}_pod_deletions_total`,
      help: `Total number of Pods deleted by ${name} since its start.`,
      registers,
    });
    this.#seconds = new Histogram({
      name: `${prefix}_pod_deletion_duration_seconds`,
      help: `Latency, in seconds, between the time when a taint effect has been activated and a Pod's deletion via ${name}.`,
      buckets: [0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 30, 60, 120, 180, 240],
      registers,
    });
  }

  get metrics(): readonly Metric[] {
    return [this.#deletions, this.#seconds];
  }

  /** A pod was deleted. @param seconds the time since its eviction was due */
  evicted(seconds: number): void {
    this.#deletions.inc();
    this.#seconds.observe(Math.max(0, seconds));
  }
}

/** Metrics that are computed from changes of Nodes. */
export class NodeMonitor implements Monitor {
  #informers: Informers | undefined;
  readonly #evictions = new Counter({
    name: 'node_collector_evictions_total',
    help: 'Number of Node evictions that happened since current instance of NodeController started.',
    labelNames: ['zone'],
    registers,
  });
  readonly #healthSeconds = new Histogram({
    name: 'node_collector_update_node_health_duration_seconds',
    help: 'Duration in seconds for NodeController to update the health of a single node.',
    buckets: [0.001, 0.004, 0.016, 0.064, 0.256, 1.024, 4.096, 16.384],
    registers,
  });
  readonly #allocations = new Counter({
    name: 'node_ipam_controller_cidrset_cidrs_allocations_total',
    help: 'Counter measuring total number of CIDR allocations.',
    labelNames: ['clusterCIDR'],
    registers,
  });
  readonly #releases = new Counter({
    name: 'node_ipam_controller_cidrset_cidrs_releases_total',
    help: 'Counter measuring total number of CIDR releases.',
    labelNames: ['clusterCIDR'],
    registers,
  });
  readonly #forced = new Counter({
    name: 'pod_gc_collector_force_delete_pods_total',
    help: 'Number of pods that are being forcefully deleted since the Pod GC Controller started.',
    labelNames: ['namespace', 'reason'],
    registers,
  });
  readonly #forcedErrors = new Counter({
    name: 'pod_gc_collector_force_delete_pod_errors_total',
    help: 'Number of errors encountered when forcefully deleting the pods since the Pod GC Controller started.',
    labelNames: ['namespace', 'reason'],
    registers,
  });
  readonly #gauges: readonly Metric[];
  readonly #clusterCidrs: readonly string[];

  /** @param clusterCidrs the ranges from which nodes get pod CIDRs */
  constructor(clusterCidrs: readonly string[]) {
    this.#clusterCidrs = clusterCidrs;
    const nodes = (): readonly Node[] => this.#informers?.cache('nodes').list() ?? [];
    const perZone = (name: string, help: string, value: (ready: number, all: number) => number): Gauge =>
      new Gauge({
        name,
        help,
        labelNames: ['zone'],
        registers,
        collect() {
          this.reset();
          for (const [zone, ofZone] of Map.groupBy(nodes(), zoneOf)) {
            const ready = ofZone.filter((node) => readyCondition(node)?.status === 'True').length;
            this.set({ zone }, value(ready, ofZone.length));
          }
        },
      });
    this.#gauges = [
      perZone(
        'node_collector_zone_health',
        'Gauge measuring percentage of healthy nodes per zone.',
        (ready, all) => (100 * ready) / all,
      ),
      perZone('node_collector_zone_size', 'Gauge measuring number of registered Nodes per zones.', (_, all) => all),
      perZone(
        'node_collector_unhealthy_nodes_in_zone',
        'Gauge measuring number of not Ready Nodes per zones.',
        (ready, all) => all - ready,
      ),
    ];
  }

  get metrics(): readonly Metric[] {
    return [
      this.#evictions,
      this.#healthSeconds,
      this.#allocations,
      this.#releases,
      this.#forced,
      this.#forcedErrors,
      ...this.#gauges,
    ];
  }

  observe(deps: MonitorDeps): () => void {
    this.#informers = deps.informers;
    const ranges = ({ spec }: Node): number => (spec.podCIDRs ?? []).length;
    const count = (counter: Counter, node: Node): void => {
      for (const clusterCIDR of this.#clusterCidrs.slice(0, ranges(node))) counter.inc({ clusterCIDR });
    };
    return follow(deps, 'nodes', {
      updated: (node, previous) => {
        if (isEvicted(node) && !isEvicted(previous)) this.#evictions.inc({ zone: zoneOf(node) });
        if (ranges(node) > 0 && ranges(previous) === 0) count(this.#allocations, node);
      },
      deleted: (node) => count(this.#releases, node),
    });
  }

  reconciled(controller: string, seconds: number): void {
    if (controller === 'node-lifecycle') this.#healthSeconds.observe(seconds);
  }

  /** The pod garbage collector has deleted a pod, or failed to. @param reason upstream's label value */
  collected({ metadata }: Pod, reason: string, error?: unknown): void {
    const labels = { namespace: metadata.namespace ?? '', reason };
    (error === undefined ? this.#forced : this.#forcedErrors).inc(labels);
  }
}
