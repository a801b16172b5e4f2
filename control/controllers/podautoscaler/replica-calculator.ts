/**
 * How many replicas a metric asks for. Pure.
 *
 * Pods that are gone count for nothing. Pods that are not ready yet, and pods without a metric, are taken into account so that they dampen the
 * change: on the way up as if they used nothing, on the way down as if they used all that they may.
 *
 * Source: kubernetes `pkg/controller/podautoscaler/{replica_calculator.go,metrics/utilization.go}`.
 */

import { isPodReady, podCondition } from '#api/pod/conditions.ts';
import { isPodLevelResource, podResourceList } from '#api/pod/requests.ts';
import type { Container, Pod } from '#api/types.generated.ts';
import { ceilReplicas, maxInt64, milliValue } from './milli-values.ts';

/** One pod's metric. */
export interface PodMetric {
  /** In thousandths. */
  value: bigint;
  timestampMs: number;
  windowMs: number;
}

/** By the pod's name. */
export type PodMetrics = ReadonlyMap<string, PodMetric>;

/** How far the ratio of use and target may be from 1 before anything is scaled. */
export interface Tolerances {
  down: number;
  up: number;
}

/** Whether the ratio of use to target is so near to 1 that nothing is to change. */
export const isWithin = ({ down, up }: Tolerances, ratio: number): boolean => 1 - down <= ratio && ratio <= 1 + up;

/** Which pods a metric is for, and how they count. */
export interface PodFacts {
  pods: readonly Pod[];
  nowMs: number;
  /** `--horizontal-pod-autoscaler-cpu-initialization-period`. */
  cpuInitializationPeriodMs: number;
  /** `--horizontal-pod-autoscaler-initial-readiness-delay`. */
  initialReadinessDelayMs: number;
}

/** A number of replicas with the use that it follows from. */
export interface Proposal {
  replicas: number;
  /** What a pod uses now, on average, in thousandths. */
  usage: bigint;
  /** The same as a percentage of its requests. */
  utilization?: number;
}

/** A share of what the pods request. @throws Error in upstream's words */
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
    // All of the request, or the target where that is more.
    missing: (pod) => ((requests.get(pod) ?? 0n) * fallback) / 100n,
    again: (all) => utilizationRatio(all, requests, target).ratio,
  });
  return { replicas, utilization, usage };
}

/** An amount per pod. @param resource '' for metrics that are no resource @throws Error in upstream's words */
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

/** One amount for all pods together, of an object or from outside. @throws Error in upstream's words */
export function replicasForValue(
  current: number,
  usage: bigint,
  target: bigint,
  tolerances: Tolerances,
  { pods }: Pick<PodFacts, 'pods'>,
): Proposal {
  const ratio = Number(usage) / Number(target);
  // From nothing it may go anywhere.
  if (current === 0) return { replicas: ceilReplicas(ratio), usage };
  if (isWithin(tolerances, ratio)) return { replicas: current, usage };
  if (pods.length === 0)
    throw new Error('unable to calculate ready pods: no pods returned by selector while calculating replica count');
  const ready = pods.filter((pod) => pod.status?.phase === 'Running' && isPodReady(pod)).length;
  return { replicas: ceilReplicas(ratio * ready), usage };
}

/** One amount, of which each pod shall have its part. */
export function replicasForShare(statusReplicas: number, usage: bigint, target: bigint, tolerances: Tolerances): Proposal {
  const ratio = Number(usage) / (Number(target) * statusReplicas);
  const replicas = isWithin(tolerances, ratio) ? statusReplicas : ceilReplicas(Number(usage) / Number(target));
  if (usage >= maxInt64) return { replicas, usage: maxInt64 };
  const average = statusReplicas === 0 ? maxInt64 : ceilDivided(usage, BigInt(statusReplicas));
  return { replicas, usage: average };
}

/** The sum of what the metrics from outside say, within int64. Pure. */
export function sumOf(values: readonly bigint[]): bigint {
  const sum = values.reduce((total, one) => total + one, 0n);
  return sum > maxInt64 ? maxInt64 : sum;
}

const ceilDivided = (value: bigint, by: bigint): bigint => (value <= 0n ? value / by : (value + by - 1n) / by);

interface Groups {
  ready: number;
  unready: ReadonlySet<string>;
  missing: ReadonlySet<string>;
  /** The metrics of ready pods, and of pods that the selector does not find. */
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

/** A pod that starts uses CPU that tells nothing about its work. */
function isStarting(pod: Pod, metric: PodMetric, facts: PodFacts): boolean {
  const ready = podCondition(pod, 'Ready');
  const startTime = pod.status?.startTime;
  if (ready === undefined || startTime === undefined) return true;
  const startMs = Date.parse(startTime);
  const changedMs = Date.parse(ready.lastTransitionTime ?? '0001-01-01T00:00:00Z');
  if (startMs + facts.cpuInitializationPeriodMs > facts.nowMs)
    return ready.status === 'False' || metric.timestampMs < changedMs + metric.windowMs;
  // Later only a pod that has never been ready.
  return ready.status === 'False' && startMs + facts.initialReadinessDelayMs > changedMs;
}

/** @param how what a pod without a metric is taken to use, and the ratio with those in it */
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
  // What is only assumed turns no decision round.
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

/** What each pod requests, by name. @throws Error in upstream's words when one requests nothing */
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
  const sidecars = (pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  const all: readonly Container[] = [...(pod.spec?.containers ?? []), ...sidecars];
  const asked = container === '' ? all : all.filter((one) => one.name === container).slice(0, 1);
  // Containers before the asked one need no request.
  let sum = 0n;
  for (const { name: of, resources } of asked) {
    const request = resources?.requests?.[resource];
    if (request === undefined) throw new Error(`missing request for ${resource} in container ${of} of Pod ${name}`);
    sum += milliValue(request);
  }
  if (container !== '' && asked.length === 0) throw new Error(`container ${container} not found in Pod ${name}`);
  return sum;
}
