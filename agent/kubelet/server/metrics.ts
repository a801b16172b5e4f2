/** /metrics: the kubelet's own process and its pods, under upstream's names. */
import { collectDefaultMetrics, Gauge, type Metric, Registry } from 'prom-client';
import { kubeletVersion } from '../options.ts';
import type { PodWorker } from '../pod/pod-worker.ts';

const registry = new Registry();
collectDefaultMetrics({ register: registry });
const runningPods = new Gauge({
  name: 'kubelet_running_pods',
  help: 'Number of pods that have a running pod sandbox',
  registers: [registry],
});
const runningContainers = new Gauge({
  name: 'kubelet_running_containers',
  help: 'Number of containers currently running',
  labelNames: ['container_state'],
  registers: [registry],
});
const nodeName = new Gauge({
  name: 'kubelet_node_name',
  help: "The node's name. The count is always 1.",
  labelNames: ['node'],
  registers: [registry],
});
const buildInfo = new Gauge({
  name: 'kubernetes_build_info',
  help: 'The version that runs. The count is always 1.',
  labelNames: ['git_version'],
  registers: [registry],
});

const states: Record<string, string> = {
  CONTAINER_CREATED: 'created',
  CONTAINER_RUNNING: 'running',
  CONTAINER_EXITED: 'exited',
  CONTAINER_UNKNOWN: 'unknown',
};

/** Adds a metric of another part of the agent to `/metrics`. */
export function addMetric(metric: Metric): void {
  registry.registerMetric(metric);
}

/** All metrics in Prometheus' text format. @param input `uptimeMs`: since the kubelet began */
export function renderMetrics(input: { workers: readonly PodWorker[]; nodeName: string; uptimeMs: number }): Promise<string> {
  const observed = input.workers.flatMap((worker) => (worker.observed === undefined ? [] : [worker.observed]));
  runningPods.set(observed.filter(({ sandboxes }) => sandboxes[0]?.state === 'SANDBOX_READY').length);
  runningContainers.reset();
  for (const { containers } of observed)
    for (const { status } of containers) runningContainers.inc({ container_state: states[status.state] ?? 'unknown' });
  nodeName.set({ node: input.nodeName }, 1);
  buildInfo.set({ git_version: kubeletVersion }, 1);
  return registry.metrics();
}
