/**
 * Computes the number of replicas from a metric. Pure.
 *
 * Deleted pods are ignored. Pods that are not ready yet, and pods without a metric, dampen the change: for a scale up they count as unused,
 * for a scale down as fully used.
 *
 * Source: kubernetes `pkg/controller/podautoscaler/{replica_calculator.go,metrics/utilization.go}`.
 */

import { isPodReady, podCondition } from '#api/pod/conditions.ts';
import { isSidecar } from '#api/pod/containers.ts';
import { isPodLevelResource, podResourceList } from '#api/pod/requests.ts';
import type { Container, Pod } from '#api/types.generated.ts';
import { ceilReplicas, maxInt64, milliValue } from './milli-values.ts';

/** One pod's metric. */
export interface PodMetric {
  /** The value in thousandths. */
  value: bigint;
  timestampMs: number;
  windowMs: number;
}

/** Metrics by pod name. */
export type PodMetrics = ReadonlyMap<string, PodMetric>;

/** The tolerances: how far the ratio of usage to target may be from 1 without scaling. */
export interface Tolerances {
  down: number;
  up: number;
}

/** Whether the ratio of usage to target is within the tolerances. */
export const isWithin = ({ down, up }: Tolerances, ratio: number): boolean => 1 - down <= ratio && ratio <= 1 + up;

/** The pods of a metric, and the settings that decide how they count. */
export interface PodFacts {
  pods: readonly Pod[];
  nowMs: number;
  /** `--horizontal-pod-autoscaler-cpu-initialization-period`. */
  cpuInitializationPeriodMs: number;
  /** `--horizontal-pod-autoscaler-initial-readiness-delay`. */
  initialReadinessDelayMs: number;
}

/** A number of replicas, and the usage from which it was computed. */
export interface Proposal {
  replicas: number;
  /** Average usage per pod, in thousandths. */
  usage: bigint;
  /** Usage as a percentage of the requests. */
  utilization?: number;
}

/** For a target that is a percentage of the requests. @throws Error in upstream's words */
export function replicasForUtilization(
  current: number,
  target: number,
  resource: string,
  container: string,
  metrics: PodMetrics,
  tolerances: Tolerances,
  facts: PodFacts,
): Proposal {
  const groups = grouped(facts, metrics, resource);
  const requests = requestsOf(facts.pods, container, resource);
  const { ratio, utilization, usage } = utilizationRatio(groups.counted, requests, target);
  const fallback = BigInt(Math.max(100, target));
  const replicas = settle(current, ratio, groups, tolerances, {
    // A pod without a metric counts as using its whole request, or the target if that is more.
    missing: (pod) => ((requests.get(pod) ?? 0n) * fallback) / 100n,
    again: (all) => utilizationRatio(all, requests, target).ratio,
  });
  return { replicas, utilization, usage };
}

/** For a target value per pod. @param resource '' for metrics other than resources @throws Error in upstream's words */
export function replicasForAverage(
  current: number,
  target: bigint,
  resource: string,
  metrics: PodMetrics,
  tolerances: Tolerances,
  facts: PodFacts,
): Proposal {
  const groups = grouped(facts, metrics, resource);
  const { ratio, usage } = usageRatio(groups.counted, target);
  const replicas = settle(current, ratio, groups, tolerances, {
    missing: () => target,
    again: (all) => usageRatio(all, target).ratio,
  });
  return { replicas, usage };
}

/** For one value of an object or external metric, which is for all pods together. @throws Error in upstream's words */
export function replicasForValue(
  current: number,
  usage: bigint,
  target: bigint,
  tolerances: Tolerances,
  { pods }: Pick<PodFacts, 'pods'>,
): Proposal {
  const ratio = Number(usage) / Number(target);
  // From zero replicas, there is no tolerance.
  if (current === 0) return { replicas: ceilReplicas(ratio), usage };
  if (isWithin(tolerances, ratio)) return { replicas: current, usage };
  if (pods.length === 0)
    throw new Error('unable to calculate ready pods: no pods returned by selector while calculating replica count');
  const ready = pods.filter((pod) => pod.status?.phase === 'Running' && isPodReady(pod)).length;
  return { replicas: ceilReplicas(ratio * ready), usage };
}

/** For one value that is divided by the number of pods. */
export function replicasForShare(statusReplicas: number, usage: bigint, target: bigint, tolerances: Tolerances): Proposal {
  const ratio = Number(usage) / (Number(target) * statusReplicas);
  const replicas = isWithin(tolerances, ratio) ? statusReplicas : ceilReplicas(Number(usage) / Number(target));
  if (usage >= maxInt64) return { replicas, usage: maxInt64 };
  const average = statusReplicas === 0 ? maxInt64 : ceilDivided(usage, BigInt(statusReplicas));
  return { replicas, usage: average };
}

/** The sum of external metric values, limited to int64. Pure. */
export function sumOf(values: readonly bigint[]): bigint {
  const sum = values.reduce((total, one) => total + one, 0n);
  return sum > maxInt64 ? maxInt64 : sum;
}

const ceilDivided = (value: bigint, by: bigint): bigint => (value <= 0n ? value / by : (value + by - 1n) / by);

interface Groups {
  ready: number;
  unready: ReadonlySet<string>;
  missing: ReadonlySet<string>;
  /** Metrics of ready pods, and of pods that the selector does not match. */
  counted: Map<string, PodMetric>;
}

/** @throws Error in upstream's words */
function grouped(facts: PodFacts, metrics: PodMetrics, resource: string): Groups {
  if (facts.pods.length === 0) throw new Error('no pods returned by selector while calculating replica count');
  const counted = new Map(metrics);
  const [unready, missing] = [new Set<string>(), new Set<string>()];
  let ready = 0;
  for (const pod of facts.pods) {
    const { name, deletionTimestamp } = pod.metadata;
    const metric = metrics.get(name);
    if (deletionTimestamp !== undefined || pod.status?.phase === 'Failed') counted.delete(name);
    else if (pod.status?.phase === 'Pending') unready.add(name);
    else if (metric === undefined) missing.add(name);
    else if (resource === 'cpu' && isStarting(pod, metric, facts)) unready.add(name);
    else ready += 1;
  }
  for (const name of unready) counted.delete(name);
  if (counted.size === 0) throw new Error('did not receive metrics for targeted pods (pods might be unready)');
  return { ready, unready, missing, counted };
}

/** Whether the pod is starting. Its CPU usage then says nothing about its load. */
function isStarting(pod: Pod, metric: PodMetric, facts: PodFacts): boolean {
  const ready = podCondition(pod, 'Ready');
  const startTime = pod.status?.startTime;
  if (ready === undefined || startTime === undefined) return true;
  const startMs = Date.parse(startTime);
  const changedMs = Date.parse(ready.lastTransitionTime ?? '0001-01-01T00:00:00Z');
  if (startMs + facts.cpuInitializationPeriodMs > facts.nowMs)
    return ready.status === 'False' || metric.timestampMs < changedMs + metric.windowMs;
  // After the initialization period, only a pod that has never been ready.
  return ready.status === 'False' && startMs + facts.initialReadinessDelayMs > changedMs;
}

/** Computes the proposal. @param how the assumed usage of pods without a metric, and how to compute the ratio */
function settle(
  current: number,
  ratio: number,
  { ready, unready, missing, counted }: Groups,
  tolerances: Tolerances,
  how: { missing(pod: string): bigint; again(all: ReadonlyMap<string, PodMetric>): number },
): number {
  const withUnready = unready.size > 0 && ratio > 1;
  if (!withUnready && missing.size === 0) return isWithin(tolerances, ratio) ? current : ceilReplicas(ratio * ready);
  const all = new Map(counted);
  const assume = (name: string, value: bigint): void => void all.set(name, { value, timestampMs: 0, windowMs: 0 });
  if (ratio < 1) for (const name of missing) assume(name, how.missing(name));
  if (ratio > 1) for (const name of missing) assume(name, 0n);
  if (withUnready) for (const name of unready) assume(name, 0n);
  const again = how.again(all);
  // Assumed values must not reverse the direction of scaling.
  if (isWithin(tolerances, again) || (ratio < 1 && again > 1) || (ratio > 1 && again < 1)) return current;
  const replicas = ceilReplicas(again * all.size);
  if ((again < 1 && replicas > current) || (again > 1 && replicas < current)) return current;
  return replicas;
}

function utilizationRatio(metrics: ReadonlyMap<string, PodMetric>, requests: ReadonlyMap<string, bigint>, target: number) {
  let [used, requested, count] = [0n, 0n, 0n];
  for (const [name, { value }] of metrics) {
    const request = requests.get(name);
    if (request === undefined) continue;
    used += value;
    requested += request;
    count += 1n;
  }
  if (requested === 0n) throw new Error('no metrics returned matched known pods');
  const utilization = Number(BigInt.asIntN(32, (used * 100n) / requested));
  return { ratio: utilization / target, utilization, usage: used / count };
}

function usageRatio(metrics: ReadonlyMap<string, PodMetric>, target: bigint): { ratio: number; usage: bigint } {
  let used = 0n;
  for (const { value } of metrics.values()) used += value;
  const usage = used / BigInt(metrics.size);
  return { ratio: Number(usage) / Number(target), usage };
}

/** The request of each pod, by name. @throws Error with upstream's text when a request is missing */
function requestsOf(pods: readonly Pod[], container: string, resource: string): Map<string, bigint> {
  return new Map(pods.map((pod) => [pod.metadata.name, requestOf(pod, container, resource)]));
}

function requestOf(pod: Pod, container: string, resource: string): bigint {
  const { name } = pod.metadata;
  const whole = Object.keys(pod.spec?.resources?.requests ?? {});
  if (container === '' && whole.some(isPodLevelResource)) {
    const request = podResourceList(pod, 'requests')[resource];
    if (request === undefined) throw new Error(`missing pod-level request for ${resource} in Pod ${name}`);
    return milliValue(request);
  }
  const sidecars = (pod.spec?.initContainers ?? []).filter(isSidecar);
  const all: readonly Container[] = [...(pod.spec?.containers ?? []), ...sidecars];
  const asked = container === '' ? all : all.filter((one) => one.name === container).slice(0, 1);
  // As upstream, containers before the named one need no request.
  let sum = 0n;
  for (const { name: of, resources } of asked) {
    const request = resources?.requests?.[resource];
    if (request === undefined) throw new Error(`missing request for ${resource} in container ${of} of Pod ${name}`);
    sum += milliValue(request);
  }
  if (container !== '' && asked.length === 0) throw new Error(`container ${container} not found in Pod ${name}`);
  return sum;
}
