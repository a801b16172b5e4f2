/**
 * The status of a PodDisruptionBudget: how many of its pods are healthy, how many must be, and how many may go. Pure.
 *
 * Source: kubernetes `pkg/controller/disruption/disruption.go`; apimachinery `pkg/util/intstr`.
 */
import type { IntOrString } from '#api/json.ts';
import { sameJson } from '#api/meta.ts';
import { isPodReady } from '#api/pod/conditions.ts';
import { disruptedAt, disruptionAllowed, expectedCondition, withDisruptionAllowed } from '#api/policy/disruption-budget.ts';
import type { Pod, PodDisruptionBudget, PodDisruptionBudgetSpec, PodDisruptionBudgetStatus } from '#api/types.generated.ts';

/** An evicted pod must be seen to go within this time; else it is believed to stay. */
export const deletionTimeoutMs = 2 * 60_000;

/** Whether the limit depends on how many pods there should be, and not on how many there are. */
export const needsScale = ({ minAvailable, maxUnavailable }: PodDisruptionBudgetSpec): boolean =>
  maxUnavailable !== undefined || typeof minAvailable === 'string';

/** How many pods must be healthy, of `expected` ones. @throws Error for text that is no percentage */
export function desiredHealthy({ minAvailable, maxUnavailable }: PodDisruptionBudgetSpec, expected: number): number {
  if (maxUnavailable !== undefined) return Math.max(0, (expected - scaled(maxUnavailable, expected)) | 0);
  return minAvailable === undefined ? 0 : scaled(minAvailable, expected);
}

/** Rounded up: a part of a pod is a pod. */
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

/** The evictions that were granted for pods that are still there. */
export interface Disrupted {
  /** Pod name → when. */
  pods: Record<string, string>;
  /** Their pods should be gone by now. */
  overdue: Pod[];
  /** When the next of them is overdue. Undefined: there is none. */
  nextMs: number | undefined;
}

/** Forgets evictions of pods that are being deleted, are gone, or should be gone by now. */
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

/** Ready pods that stay. */
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

/** What was counted. */
export interface BudgetCounts {
  currentHealthy: number;
  desiredHealthy: number;
  expectedPods: number;
  disruptedPods: Record<string, string>;
}

/** The status to report; undefined: as it is. */
export function nextBudgetStatus(
  { metadata, status = {} }: PodDisruptionBudget,
  counts: BudgetCounts,
  nowMs: number,
): PodDisruptionBudgetStatus | undefined {
  const { currentHealthy, desiredHealthy: desired, expectedPods } = counts;
  // Without pods nothing may go: the first ones must not be evicted before they have been counted.
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

/** A condition's message may have 32 KiB, and an error may quote an object's owner of any length. */
const maxMessageLength = 8192;

/** The status after a failure: no eviction is allowed while the pods cannot be counted. */
export function failedBudgetStatus(
  { status = {} }: PodDisruptionBudget,
  message: string,
  nowMs: number,
): PodDisruptionBudgetStatus {
  const next = { ...status, disruptionsAllowed: 0 };
  const told = { status: 'False', reason: 'SyncFailed', message: message.slice(0, maxMessageLength).toWellFormed() };
  return { ...next, conditions: withDisruptionAllowed(next, told, nowMs) };
}
