/**
 * The status of a PodDisruptionBudget: the number of healthy pods, of pods that must stay healthy, and of allowed disruptions. Pure.
 *
 * Source: kubernetes `pkg/controller/disruption/disruption.go`; apimachinery `pkg/util/intstr`.
 */
import type { IntOrString } from '#api/json.ts';
import { sameJson } from '#api/meta.ts';
import { isPodReady } from '#api/pod/conditions.ts';
import { disruptedAt, disruptionAllowed, expectedCondition, withDisruptionAllowed } from '#api/policy/disruption-budget.ts';
import type { Pod, PodDisruptionBudget, PodDisruptionBudgetSpec, PodDisruptionBudgetStatus } from '#api/types.generated.ts';

/** Time in which the deletion of an evicted pod must be observed. After that, the pod counts as healthy again. */
export const deletionTimeoutMs = 2 * 60_000;

/** Whether the limit depends on the expected number of pods, not on the existing ones. */
export const needsScale = ({ minAvailable, maxUnavailable }: PodDisruptionBudgetSpec): boolean =>
  maxUnavailable !== undefined || typeof minAvailable === 'string';

/** The number of pods that must be healthy. @throws Error for an invalid percentage */
export function desiredHealthy({ minAvailable, maxUnavailable }: PodDisruptionBudgetSpec, expected: number): number {
  if (maxUnavailable !== undefined) return Math.max(0, (expected - scaled(maxUnavailable, expected)) | 0);
  return minAvailable === undefined ? 0 : scaled(minAvailable, expected);
}

/** Resolves a percentage, rounded up. */
function scaled(limit: IntOrString, total: number): number {
  if (typeof limit === 'number') return limit;
  if (!limit.endsWith('%')) throw new Error('invalid value for IntOrString: invalid type: string is not a percentage');
  const digits = limit.slice(0, -1);
  if (!/^[+-]?\d+$/.test(digits)) {
    const why = `strconv.Atoi: parsing ${JSON.stringify(digits)}: invalid syntax`;
    throw new Error(`invalid value for IntOrString: invalid value ${JSON.stringify(limit)}: ${why}`);
  }
  return Math.ceil((Number(digits) * total) / 100) | 0;
}

/** Granted evictions of pods that still exist. */
export interface Disrupted {
  /** Pod name → when. */
  pods: Record<string, string>;
  /** Pods that should have been deleted by now. */
  overdue: Pod[];
  /** When the next eviction becomes overdue. Undefined when there is none. */
  nextMs: number | undefined;
}

/** Drops evictions of pods that are being deleted, are gone, or are overdue. */
export function disruptedPods(pods: readonly Pod[], status: PodDisruptionBudgetStatus | undefined, nowMs: number): Disrupted {
  const found: [string, string][] = [];
  const overdue: Pod[] = [];
  let nextMs: number | undefined;
  for (const pod of status?.disruptedPods === undefined ? [] : pods) {
    const { name, deletionTimestamp } = pod.metadata;
    const time = disruptedAt(status, name);
    if (time === undefined || deletionTimestamp !== undefined) continue;
    const untilMs = Date.parse(time) + deletionTimeoutMs;
    if (untilMs >= nowMs) {
      found.push([name, time]);
      nextMs = Math.min(nextMs ?? untilMs, untilMs);
    } else overdue.push(pod);
  }
  return { pods: Object.fromEntries(found), overdue, nextMs };
}

/** Ready pods that are not being disrupted. */
export function healthyPods(pods: readonly Pod[], { pods: disrupted }: Pick<Disrupted, 'pods'>, nowMs: number): number {
  const going = { disruptedPods: disrupted };
  let healthy = 0;
  for (const pod of pods) {
    if (pod.metadata.deletionTimestamp !== undefined || !isPodReady(pod)) continue;
    const time = disruptedAt(going, pod.metadata.name);
    if (time === undefined || Date.parse(time) + deletionTimeoutMs <= nowMs) healthy++;
  }
  return healthy;
}

/** The counts of a budget. */
export interface BudgetCounts {
  currentHealthy: number;
  desiredHealthy: number;
  expectedPods: number;
  disruptedPods: Record<string, string>;
}

/** The status to report; undefined when it has not changed. */
export function nextBudgetStatus(
  { metadata, status = {} }: PodDisruptionBudget,
  counts: BudgetCounts,
  nowMs: number,
): PodDisruptionBudgetStatus | undefined {
  const { currentHealthy, desiredHealthy: desired, expectedPods } = counts;
  // Without pods, no disruption is allowed: new pods must not be evicted before they are counted.
  const disruptionsAllowed = expectedPods <= 0 ? 0 : Math.max(0, currentHealthy - desired);
  const { disruptedPods: disrupted, ...numbers } = counts;
  const next: PodDisruptionBudgetStatus = {
    ...numbers,
    disruptionsAllowed,
    observedGeneration: metadata.generation,
    ...(Object.keys(disrupted).length === 0 ? {} : { disruptedPods: disrupted }),
    ...(status.conditions === undefined ? {} : { conditions: status.conditions }),
  };
  const isSame =
    (status.currentHealthy ?? 0) === currentHealthy &&
    (status.desiredHealthy ?? 0) === desired &&
    (status.expectedPods ?? 0) === expectedPods &&
    (status.disruptionsAllowed ?? 0) === disruptionsAllowed &&
    sameJson(status.disruptedPods ?? {}, disrupted) &&
    status.observedGeneration === metadata.generation &&
    isConditionRight(status);
  if (isSame) return undefined;
  return { ...next, conditions: withDisruptionAllowed(next, { ...expectedCondition(next), message: '' }, nowMs) };
}

function isConditionRight(status: PodDisruptionBudgetStatus): boolean {
  const wanted = expectedCondition(status);
  const condition = disruptionAllowed(status);
  return condition?.status === wanted.status && condition.reason === wanted.reason;
}

/** Limit of a condition's message. The API allows 32 KiB, and an error may quote owner names of any length. */
const maxMessageLength = 8192;

/** The status after a failure: while pods cannot be counted, no disruption is allowed. */
export function failedBudgetStatus(
  { status = {} }: PodDisruptionBudget,
  message: string,
  nowMs: number,
): PodDisruptionBudgetStatus {
  const next = { ...status, disruptionsAllowed: 0 };
  const told = { status: 'False', reason: 'SyncFailed', message: message.slice(0, maxMessageLength).toWellFormed() };
  return { ...next, conditions: withDisruptionAllowed(next, told, nowMs) };
}
