/**
 * metrics.k8s.io/v1beta1: NodeMetrics and PodMetrics, which are computed when they are asked for.
 *
 * They are kinds that come at run time (`ApiServer.addKind`), not built in: an APIService for the group takes them away (`removeKind`) and serves
 * its own.
 *
 * Source: metrics-server `pkg/api/{node,pod,table}.go`; k8s.io/metrics `pkg/apis/metrics/v1beta1`.
 */
import { type KubeObject, rfc3339 } from '#api/meta.ts';
import { addQuantity, formatQuantity, parseQuantity, wholeQuantity } from '#api/quantity.ts';
import type { Resource, ResourceId } from '#api/resources.ts';
import { notFound } from '#api/status.ts';
import type { Node, Pod } from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';
import { column, nameColumn } from '../kinds/columns.ts';
import type { Strategy, TableColumns } from '../registry/strategy.ts';
import type { RestKind } from '../rest/exchange.ts';
import type { Usage, UsageStore } from './usage-store.ts';

const types = `metrics/v1beta1.ContainerMetrics
 name 1 s !
 usage 2 {}quantity ! go=v1.ResourceList
metrics/v1beta1.NodeMetrics kind=metrics.k8s.io/v1beta1/NodeMetrics
 apiVersion 0 s
 kind 0 s
 metadata 1 meta/v1.ObjectMeta
 timestamp 2 time !
 usage 4 {}quantity ! go=v1.ResourceList
 window 3 duration !
metrics/v1beta1.NodeMetricsList kind=metrics.k8s.io/v1beta1/NodeMetricsList
 apiVersion 0 s
 items 2 []metrics/v1beta1.NodeMetrics !
 kind 0 s
 metadata 1 meta/v1.ListMeta`;
const podTypes = `metrics/v1beta1.PodMetrics kind=metrics.k8s.io/v1beta1/PodMetrics
 apiVersion 0 s
 containers 4 []metrics/v1beta1.ContainerMetrics ! list=atomic
 kind 0 s
 metadata 1 meta/v1.ObjectMeta
 timestamp 2 time !
 window 3 duration !
metrics/v1beta1.PodMetricsList kind=metrics.k8s.io/v1beta1/PodMetricsList
 apiVersion 0 s
 items 2 []metrics/v1beta1.PodMetrics !
 kind 0 s
 metadata 1 meta/v1.ListMeta`;

interface NodeMetrics extends KubeObject {
  timestamp: string;
  window: string;
  usage: Usage;
}

interface PodMetrics extends KubeObject {
  timestamp: string;
  window: string;
  containers: { name: string; usage: Usage }[];
}

/** What the kinds of metrics.k8s.io are computed from. */
export interface MetricsKindsDeps {
  store: UsageStore;
  clock: Clock;
  /** As `Registry.list` and `Registry.read`. */
  list(resource: ResourceId, namespace: string | undefined): Promise<readonly KubeObject[]>;
  read(resource: ResourceId, namespace: string | undefined, name: string): Promise<KubeObject | undefined>;
}

const apiVersion = 'metrics.k8s.io/v1beta1';

const rowOf = (plural: 'nodes' | 'pods', kind: string): Resource => ({
  id: `${plural}.metrics.k8s.io`,
  group: 'metrics.k8s.io',
  version: 'v1beta1',
  kind,
  plural,
  singular: '',
  namespaced: plural === 'pods',
  verbs: ['get', 'list'],
  shortNames: [],
  categories: [],
  subresources: [],
  // Nothing is stored there.
  storagePrefix: `/registry/metrics.k8s.io/${plural}`,
  storedAs: undefined,
  schema: `metrics/v1beta1.${kind}`,
  deprecation: undefined,
  announced: true,
  returnsDeleted: 'no',
  garbageCollected: false,
  // Those of metrics-server's APIService: behind every built-in group, so that `pods` alone means the core group's.
  priority: { group: 100, version: 100 },
});

/** Both kinds, in the order in which they have to be added. */
export function metricsKinds(deps: MetricsKindsDeps): RestKind[] {
  return [
    {
      resource: rowOf('nodes', 'NodeMetrics'),
      types,
      strategy: strategyOf<NodeMetrics>(({ usage }) => [usage]),
      computed: { singular: 'nodemetrics', ...nodeObjects(deps) },
    },
    {
      resource: rowOf('pods', 'PodMetrics'),
      types: podTypes,
      strategy: strategyOf<PodMetrics>(({ containers }) => containers.map(({ usage }) => usage)),
      computed: { singular: 'podmetrics', ...podObjects(deps) },
    },
  ];
}

function nodeObjects({ store, clock, list, read }: MetricsKindsDeps) {
  const metricsOf = ({ metadata: { name, labels } }: Node): NodeMetrics | undefined => {
    const usage = store.node(name);
    return usage === undefined ? undefined : metricsObject('NodeMetrics', { name }, labels, clock, usage);
  };
  return {
    async objects() {
      return (await list('nodes', undefined)).flatMap((node) => metricsOf(node as Node) ?? []);
    },
    async object(_namespace: string | undefined, name: string) {
      const node = await read('nodes', undefined, name);
      if (node === undefined) throw notFound({ group: '', name: 'nodes' }, name);
      const metrics = metricsOf(node as Node);
      if (metrics === undefined) throw notFound({ group: 'metrics.k8s.io', name: 'nodemetrics' }, name);
      return metrics;
    },
  };
}

function podObjects({ store, clock, list, read }: MetricsKindsDeps) {
  const metricsOf = ({ metadata, spec, status }: Pod): PodMetrics | undefined => {
    const { name, namespace, labels } = metadata;
    if (status?.phase !== 'Running' || spec?.nodeName === undefined) return undefined;
    const usage = store.pod(spec.nodeName, namespace ?? '', name);
    return usage === undefined
      ? undefined
      : metricsObject('PodMetrics', { name, namespace: namespace ?? '' }, labels, clock, usage);
  };
  return {
    async objects(namespace?: string) {
      const pods = await list('pods', namespace === '' ? undefined : namespace);
      return pods.flatMap((pod) => metricsOf(pod as Pod) ?? []);
    },
    async object(namespace: string | undefined, name: string) {
      const pod = await read('pods', namespace, name);
      if (pod === undefined) throw notFound({ group: '', name: 'pods' }, name);
      const metrics = metricsOf(pod as Pod);
      if (metrics === undefined) throw notFound({ group: 'metrics.k8s.io', name: 'podmetrics' }, `${namespace}/${name}`);
      return metrics;
    },
  };
}

function metricsObject<T extends KubeObject>(
  kind: string,
  name: { name: string; namespace?: string },
  labels: Record<string, string> | undefined,
  clock: Clock,
  usage: object,
): T {
  const metadata = { ...name, creationTimestamp: rfc3339(clock.now()), ...(labels === undefined ? {} : { labels }) };
  return { kind, apiVersion, metadata, ...usage } as unknown as T;
}

function strategyOf<T extends PodMetrics | NodeMetrics>(usagesOf: (object: T) => readonly Usage[]): Strategy {
  const sum = (object: T, name: 'cpu' | 'memory'): string => {
    const usages = usagesOf(object).map((usage) => parseQuantity(usage[name]));
    return formatQuantity(
      usages.reduce((total, one) => addQuantity(total, one), wholeQuantity(0, name === 'cpu' ? 'DecimalSI' : 'BinarySI')),
    );
  };
  const quantity = (name: string) => ({ ...column(name, ''), format: 'quantity' });
  const table: TableColumns<T> = {
    columns: [nameColumn, quantity('cpu'), quantity('memory'), { ...column('Window', ''), format: 'duration' }],
    cells: (object) => [object.metadata.name, sum(object, 'cpu'), sum(object, 'memory'), object.window],
  };
  return {
    validate() {
      throw new Error('no metrics can be written: their resource has verbs to read only');
    },
    table: table as unknown as TableColumns<KubeObject>,
  };
}
