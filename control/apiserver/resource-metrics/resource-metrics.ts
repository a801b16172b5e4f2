/**
 * What metrics-server is to other clusters: metrics.k8s.io, from the kubelets' own numbers, and the role that lets people read them.
 *
 * A metrics-server that is installed over it takes its place: whoever serves an APIService `v1beta1.metrics.k8s.io` calls
 * {@link ResourceMetrics.withdraw} first.
 */
import type { Metric } from 'prom-client';
import { isAlreadyExists } from '#api/status.ts';
import type { Node } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import type { Clock } from '#client/clock.ts';
import type { ApiServer } from '../api-server.ts';
import { type BackendOptions, Backends } from '../proxy/backend.ts';
import { requestKubelet } from '../proxy/kubelet-request.ts';
import { kubeletOf } from '../proxy/location.ts';
import type { ServerLog } from '../serving/server-log.ts';
import { KubeletScraper, type KubeletScraperOptions } from './kubelet-scraper.ts';
import { metricsKinds } from './metrics-kinds.ts';
import { UsageStore } from './usage-store.ts';

/** What {@link ResourceMetrics} needs. */
export interface ResourceMetricsDeps {
  server: ApiServer;
  clock: Clock;
  log: ServerLog;
  /** How kubelets are reached. */
  backend: BackendOptions & { addressTypes?: readonly string[] | undefined };
  /** A number in [0, 1). */
  random(): number;
}

/** metrics-server's own, of its manifests. */
export const defaultScraping: KubeletScraperOptions = { resolutionMs: 15_000, timeoutMs: 10_000 };

/** The API group metrics.k8s.io, as metrics-server serves it. */
export class ResourceMetrics {
  readonly #server: ApiServer;
  readonly #scraper: KubeletScraper;
  readonly #store: UsageStore;
  readonly #clock: Clock;
  readonly #ended = new AbortController();

  constructor({ server, clock, log, backend, random }: ResourceMetricsDeps, options: KubeletScraperOptions) {
    const backends = new Backends(backend);
    const { registry } = server;
    this.#server = server;
    this.#clock = clock;
    this.#store = new UsageStore(options.resolutionMs);
    this.#scraper = new KubeletScraper(
      {
        clock,
        log,
        store: this.#store,
        random,
        nodes: async () => (await registry.list('nodes', undefined)) as Node[],
        async ask(node, path, signal) {
          const { hostname, port } = await kubeletOf(registry, node.metadata.name, backend.addressTypes);
          const location = { scheme: 'https', address: hostname, hostname, port, kubelet: true } as const;
          return await requestKubelet(backends, log, location, path, signal);
        },
      },
      options,
    );
  }

  get metrics(): readonly Metric[] {
    return this.#scraper.metrics;
  }

  /** Serves the group. @throws Error when it is served already */
  async serve(): Promise<void> {
    const { registry } = this.#server;
    const kinds = metricsKinds({
      store: this.#store,
      clock: this.#clock,
      list: (resource, namespace) => registry.list(resource, namespace),
      read: (resource, namespace, name) => registry.read(resource, namespace, name),
    });
    for (const kind of kinds) await this.#server.addKind(kind);
  }

  /** Stops serving the group and asking the kubelets: somebody else does. */
  withdraw(): void {
    this.#ended.abort();
    for (const id of ['pods.metrics.k8s.io', 'nodes.metrics.k8s.io']) this.#server.removeKind(id);
  }

  /** Asks the kubelets until `signal` aborts or it is withdrawn. */
  run(signal: AbortSignal): Promise<void> {
    return this.#scraper.run(AbortSignal.any([signal, this.#ended.signal]));
  }
}

/** metrics-server's role; one that is there stays as it is, as it belongs to whoever installed it. @throws ApiError */
export async function ensureMetricsReader(client: Client): Promise<void> {
  const aggregated = ['admin', 'edit', 'view'].map((role) => [`rbac.authorization.k8s.io/aggregate-to-${role}`, 'true']);
  try {
    await client.resource('clusterroles.rbac.authorization.k8s.io').create({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: 'system:aggregated-metrics-reader', labels: Object.fromEntries(aggregated) },
      rules: [{ apiGroups: ['metrics.k8s.io'], resources: ['pods', 'nodes'], verbs: ['get', 'list', 'watch'] }],
    });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}
