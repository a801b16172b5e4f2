/** The API server's metrics, under upstream's names, for Prometheus. */

import { collectDefaultMetrics, Gauge, Registry as MetricsRegistry } from 'prom-client';
import type { ResourceCatalog } from '#api/resource-catalog.ts';
import type { Resource } from '#api/resources.ts';
import { reviewResources } from '#api/review-resources.ts';
import type { TransportResponse } from '#client/transport.ts';
import type { RequestInfo } from '../rest/request-info.ts';
import { bytesResponse } from '../rest/responses.ts';
import type { FlowControl } from './inflight.ts';
import { type CounterSeries, type HistogramSeries, LeanCounter, LeanHistogram } from './lean-metrics.ts';

const durationBuckets = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60];

const verbs = new Set(['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection']);
const unknown = { group: '', version: '', resource: 'unknown', subresource: '' };

/** What one request counts in. */
interface RequestSeries {
  requests: CounterSeries;
  durations(): HistogramSeries;
}

/** Counts requests; {@link ApiServerMetrics.registry} may get further metrics. */
export class ApiServerMetrics {
  readonly registry = new MetricsRegistry();
  readonly #catalog: ResourceCatalog;
  readonly #requests: LeanCounter;
  readonly #durations: LeanHistogram;
  /** Of the resources that are served now, by verb, subresource and code: found once, because each request counts in them. */
  readonly #series = new WeakMap<Resource, Map<string, RequestSeries>>();
  readonly #inflight: Gauge;

  constructor(catalog: ResourceCatalog) {
    this.#catalog = catalog;
    collectDefaultMetrics({ register: this.registry });
    const registers = [this.registry];
    const labelNames = ['verb', 'group', 'version', 'resource', 'subresource', 'code'];
    this.#requests = new LeanCounter({
      name: 'apiserver_request_total',
      help: 'Requests by verb, resource and HTTP response code.',
      labelNames,
      registers,
    });
    this.#durations = new LeanHistogram({
      name: 'apiserver_request_duration_seconds',
      help: 'Response latency in seconds by verb and resource; without watches.',
      labelNames: ['verb', 'group', 'version', 'resource', 'subresource'],
      buckets: durationBuckets,
      registers,
    });
    this.#inflight = new Gauge({
      name: 'apiserver_longrunning_requests',
      help: 'Watches and streams under way.',
      labelNames: ['verb', 'resource'],
      registers,
    });
  }

  /** Each value of a label is kept for ever: only names that are served may become one, never what a client invents. */
  #isServed({ group, version, resource }: RequestInfo, subresource: string): boolean {
    const found = this.#catalog.find(group, version, resource);
    if (found !== undefined) return subresource === '' || found.subresources.some(({ name }) => name === subresource);
    return (
      subresource === '' &&
      reviewResources.some((one) => one.plural === resource && one.group === group && one.version === version)
    );
  }

  observe(info: RequestInfo, code: number, seconds: number): void {
    if (!info.isResource) return;
    const { requests, durations } = this.#seriesOf(info, code);
    requests.inc();
    if (info.verb !== 'watch') durations().observe(seconds);
  }

  #seriesOf(info: RequestInfo, code: number): RequestSeries {
    const { group, version, resource, subresource } = info;
    const found = this.#catalog.find(group, version, resource);
    // What is not served is rare, and what clients invent must not be kept.
    if (found === undefined || !this.#isServed(info, subresource)) return this.#newSeries(info, code);
    let ofResource = this.#series.get(found);
    if (ofResource === undefined) this.#series.set(found, (ofResource = new Map()));
    const key = `${info.verb} ${subresource} ${code}`;
    let series = ofResource.get(key);
    if (series === undefined) ofResource.set(key, (series = this.#newSeries(info, code)));
    return series;
  }

  #newSeries(info: RequestInfo, code: number): RequestSeries {
    const { group, version, resource, subresource } = this.#isServed(info, info.subresource) ? info : unknown;
    const verb = verbs.has(info.verb) ? info.verb.toUpperCase() : 'OTHER';
    const labels = [verb, group, version, resource, subresource];
    let durations: HistogramSeries | undefined;
    return {
      requests: this.#requests.series(...labels, String(code)),
      durations: () => {
        durations ??= this.#durations.series(...labels);
        return durations;
      },
    };
  }

  longRunning(info: RequestInfo, change: 1 | -1): void {
    const resource = this.#isServed(info, '') ? info.resource : unknown.resource;
    this.#inflight.inc({ verb: info.verb.toUpperCase(), resource }, change);
  }

  /** From now on the requests under way are reported. */
  reportInflight(inflight: Pick<FlowControl, 'takePeak'>): void {
    new Gauge({
      name: 'apiserver_current_inflight_requests',
      help: 'Maximal number of currently used inflight request limit of this apiserver per request kind since the last look.',
      labelNames: ['request_kind'],
      registers: [this.registry],
      collect() {
        for (const kind of ['readOnly', 'mutating'] as const) this.set({ request_kind: kind }, inflight.takePeak(kind));
      },
    });
  }

  async respond(): Promise<TransportResponse> {
    return bytesResponse(200, this.registry.contentType, Buffer.from(await this.registry.metrics()));
  }
}
