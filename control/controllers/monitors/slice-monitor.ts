/** Metrics of EndpointSlices. Source: endpointslice `metrics`; kubernetes `pkg/controller/endpointslicemirroring/metrics`. */
import { Counter, exponentialBuckets, Gauge, Histogram, type Metric } from 'prom-client';
import { managedByLabel, serviceNameLabel } from '#api/service-labels.ts';
import type { EndpointSlice } from '#api/types.generated.ts';
import type { Informers } from '#client/informers.ts';
import type { Monitor, MonitorDeps } from './monitor.ts';
import { follow } from './since.ts';

const registers: [] = [];
/** Limit of endpoints in a slice that the controllers create. */
const maxEndpoints = 100;

/** The slices of one controller. */
export class SliceMonitor implements Monitor {
  readonly #manager: string;
  readonly #controller: string;
  #informers: Informers | undefined;
  readonly #changes: Counter;
  readonly #syncs: Counter;
  readonly #added: Histogram;
  readonly #removed: Histogram;
  readonly metrics: readonly Metric[];

  /** @param manager the label `managed-by` of its slices @param controller our name of it @param prefix of its metrics */
  constructor(manager: string, controller: string, prefix: string) {
    this.#manager = manager;
    this.#controller = controller;
    const buckets = exponentialBuckets(2, 2, 15);
    const [changes, syncs] = ['changes', 'syncs'].map((name) => `${prefix}_${name}`);
    this.#changes = new Counter({
      name: changes ?? '',
      help: 'Number of EndpointSlice changes',
      labelNames: ['operation'],
      registers,
    });
    this.#syncs = new Counter({ name: syncs ?? '', help: 'Number of EndpointSlice syncs', labelNames: ['result'], registers });
    this.#added = new Histogram({
      name: `${prefix}_endpoints_added_per_sync`,
      help: 'Number of endpoints added on each Service sync',
      buckets,
      registers,
    });
    this.#removed = new Histogram({
      name: `${prefix}_endpoints_removed_per_sync`,
      help: 'Number of endpoints removed on each Service sync',
      buckets,
      registers,
    });
    const slices = (): EndpointSlice[] => this.#slices();
    const gauge = (name: string, help: string, value: () => number): Gauge =>
      new Gauge({
        name: `${prefix}_${name}`,
        help,
        registers,
        collect() {
          this.set(value());
        },
      });
    this.metrics = [
      this.#changes,
      this.#syncs,
      this.#added,
      this.#removed,
      gauge('num_endpoint_slices', 'Number of EndpointSlices', () => slices().length),
      gauge('endpoints_desired', 'Number of endpoints desired', () =>
        slices().reduce((sum, { endpoints }) => sum + (endpoints ?? []).length, 0),
      ),
      gauge('desired_endpoint_slices', 'Number of EndpointSlices that would exist with perfect endpoint allocation', () =>
        desiredSlices(slices()),
      ),
    ];
  }

  observe(deps: MonitorDeps): () => void {
    this.#informers = deps.informers;
    const note = (operation: string, slice: EndpointSlice, now: number, before: number): void => {
      if (!this.#isOurs(slice)) return;
      this.#changes.inc({ operation });
      if (now > before) this.#added.observe(now - before);
      if (now < before) this.#removed.observe(before - now);
    };
    const size = ({ endpoints }: EndpointSlice): number => (endpoints ?? []).length;
    return follow(deps, 'endpointslices.discovery.k8s.io', {
      added: (slice) => note('create', slice, size(slice), 0),
      updated: (slice, previous) => note('update', slice, size(slice), size(previous)),
      deleted: (slice) => note('delete', slice, 0, size(slice)),
    });
  }

  reconciled(controller: string, _seconds: number, error: unknown): void {
    if (controller === this.#controller) this.#syncs.inc({ result: error === undefined ? 'success' : 'error' });
  }

  #slices(): EndpointSlice[] {
    const all = this.#informers?.cache('endpointslices.discovery.k8s.io').list() ?? [];
    return all.filter((slice) => this.#isOurs(slice));
  }

  #isOurs({ metadata }: EndpointSlice): boolean {
    return metadata.labels?.[managedByLabel] === this.#manager;
  }
}

/** The number of slices if each were as full as possible. */
function desiredSlices(slices: readonly EndpointSlice[]): number {
  const counts = new Map<string, number>();
  for (const { metadata, addressType, ports, endpoints } of slices) {
    const key = JSON.stringify([metadata.namespace, metadata.labels?.[serviceNameLabel], addressType, ports]);
    counts.set(key, (counts.get(key) ?? 0) + (endpoints ?? []).length);
  }
  return [...counts.values()].reduce((sum, count) => sum + Math.max(1, Math.ceil(count / maxEndpoints)), 0);
}

/** Services by how they distribute their traffic. */
export class TrafficMonitor implements Monitor {
  #informers: Informers | undefined;
  readonly metrics: readonly Metric[];

  constructor() {
    const services = () => this.#informers?.cache('services').list() ?? [];
    this.metrics = [
      new Gauge({
        name: 'endpoint_slice_controller_services_count_by_traffic_distribution',
        help: 'Number of Services using some specific trafficDistribution',
        labelNames: ['traffic_distribution'],
        registers,
        collect() {
          this.reset();
          for (const { spec } of services())
            if (spec.trafficDistribution !== undefined) this.inc({ traffic_distribution: spec.trafficDistribution });
        },
      }),
    ];
  }

  observe({ informers }: MonitorDeps): () => void {
    this.#informers = informers;
    return () => undefined;
  }
}
