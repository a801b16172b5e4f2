/**
 * `/metrics/resource`: CPU and memory of node, pods and containers, for metrics-server. Source: upstream
 * `pkg/kubelet/metrics/collectors/resource_metrics.go`.
 */

interface Usage {
  cpu?: { time: string; usageCoreNanoSeconds?: number } | undefined;
  memory?: { time: string; workingSetBytes?: number } | undefined;
}

/** The fields of `/stats/summary` that the metrics show. */
export interface UsageSummary {
  node: Usage;
  pods: readonly (Usage & {
    podRef: { name: string; namespace?: string | undefined };
    containers: readonly (Usage & { name: string; startTime?: string | undefined })[];
  })[];
}

type Labels = Readonly<Record<string, string>>;
interface Sample {
  labels: Labels;
  value: number;
  time: string | undefined;
}

/**
 * The metrics in Prometheus' text format, each sample with its own time. Pure.
 * @param summary undefined when usage could not be read; a metric then reports the error
 */
export function renderResourceMetrics(summary: UsageSummary | undefined): string {
  const cpu = (usage: Usage, labels: Labels): Sample[] =>
    usage.cpu?.usageCoreNanoSeconds === undefined
      ? []
      : [{ labels, value: usage.cpu.usageCoreNanoSeconds / 1e9, time: usage.cpu.time }];
  const memory = (usage: Usage, labels: Labels): Sample[] =>
    usage.memory?.workingSetBytes === undefined ? [] : [{ labels, value: usage.memory.workingSetBytes, time: usage.memory.time }];
  const pods = (summary?.pods ?? []).map((pod) => ({
    pod,
    labels: { namespace: pod.podRef.namespace ?? '', pod: pod.podRef.name },
  }));
  const containers = pods.flatMap(({ pod, labels }) =>
    pod.containers.map((container) => ({ container, labels: { container: container.name, ...labels } })),
  );
  const node = summary?.node ?? {};
  const started = containers.flatMap(({ container: { startTime }, labels }): Sample[] =>
    startTime === undefined ? [] : [{ labels, value: Date.parse(startTime) / 1000, time: undefined }],
  );
  const failed: Sample[] = [{ labels: {}, value: summary === undefined ? 1 : 0, time: undefined }];
  return [
    family(
      'container_cpu_usage_seconds_total',
      'counter',
      'Cumulative cpu time consumed by the container in core-seconds',
      containers.flatMap(({ container, labels }) => cpu(container, labels)),
    ),
    family(
      'container_memory_working_set_bytes',
      'gauge',
      'Current working set of the container in bytes',
      containers.flatMap(({ container, labels }) => memory(container, labels)),
    ),
    family('container_start_time_seconds', 'gauge', 'Start time of the container since unix epoch in seconds', started),
    family('node_cpu_usage_seconds_total', 'counter', 'Cumulative cpu time consumed by the node in core-seconds', cpu(node, {})),
    family('node_memory_working_set_bytes', 'gauge', 'Current working set of the node in bytes', memory(node, {})),
    family(
      'pod_cpu_usage_seconds_total',
      'counter',
      'Cumulative cpu time consumed by the pod in core-seconds',
      pods.flatMap(({ pod, labels }) => cpu(pod, labels)),
    ),
    family(
      'pod_memory_working_set_bytes',
      'gauge',
      'Current working set of the pod in bytes',
      pods.flatMap(({ pod, labels }) => memory(pod, labels)),
    ),
    family('resource_scrape_error', 'gauge', '1 if there was an error while getting container metrics, 0 otherwise', failed),
  ].join('');
}

function family(name: string, type: string, help: string, samples: readonly Sample[]): string {
  if (samples.length === 0) return '';
  const lines = samples.map(({ labels, value, time }) => {
    const pairs = Object.entries(labels).map(([key, text]) => `${key}=${JSON.stringify(text)}`);
    return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}${time === undefined ? '' : ` ${Date.parse(time)}`}\n`;
  });
  return `# HELP ${name} [STABLE] ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}
