/**
 * Whether disruption budgets let a pod be evicted, and the count that goes down when they do.
 *
 * Source: kubernetes `pkg/registry/core/pod/storage/eviction.go` (getPodDisruptionBudgets, checkAndDecrement).
 */
import { type KubeObject, rfc3339 } from '#api/meta.ts';
import { isPodReady } from '#api/pod/conditions.ts';
import { budgetMatcher, disruptionAllowed, expectedCondition, withDisruptionAllowed } from '#api/policy/disruption-budget.ts';
import { matchesLabels } from '#api/selector.ts';
import { type ApiError, failure, forbidden } from '#api/status.ts';
import type { Pod, PodDisruptionBudget } from '#api/types.generated.ts';
import { letOthersIn } from '#client/turns.ts';
import { componentUser } from '../../../authentication/component-users.ts';
import type { Parts } from '../../../rest/exchange.ts';

/** A budget grants no more evictions while its status lists this many pods that the controller has not processed. */
const maxDisruptedPods = 2000;
/** How many budgets are examined in one turn of the event loop. */
const budgetsPerTurn = 500;

/** What the budgets say of an eviction. */
export type Verdict =
  | { kind: 'free' }
  | { kind: 'several' }
  /** The pod is not ready and counts for no budget: it may be evicted, provided that it does not change meanwhile. */
  | { kind: 'unhealthy'; budget: string }
  | { kind: 'counted'; budget: string };

/** Asks the budgets. `counted`: the eviction must still be counted against that budget ({@link countEviction}). */
export async function judgeEviction({ registry }: Pick<Parts, 'registry'>, pod: Pod): Promise<Verdict> {
  const budgets = (await registry.list('poddisruptionbudgets.policy', pod.metadata.namespace)) as PodDisruptionBudget[];
  let found: PodDisruptionBudget | undefined;
  for (const [index, budget] of budgets.entries()) {
    if (index > 0 && index % budgetsPerTurn === 0) await letOthersIn();
    if (!matchesLabels(budgetMatcher(budget), pod.metadata.labels)) continue;
    if (found !== undefined) return { kind: 'several' };
    found = budget;
  }
  if (found === undefined) return { kind: 'free' };
  return { kind: !isPodReady(pod) && mayGoUnhealthy(found) ? 'unhealthy' : 'counted', budget: found.metadata.name };
}

/** Whether a pod that is not ready may be evicted. By default only if the application has enough healthy pods. */
function mayGoUnhealthy({ spec, status }: PodDisruptionBudget): boolean {
  if (spec.unhealthyPodEvictionPolicy === 'AlwaysAllow') return true;
  const { currentHealthy = 0, desiredHealthy = 0 } = status ?? {};
  return currentHealthy >= desiredHealthy && desiredHealthy > 0;
}

/**
 * Counts the eviction against the budget; the write and the check see the same version of it.
 * @throws ApiError 429 when the budget does not allow it, 403 when its status cannot be relied on, 404 when it is gone, 409 when too many
 * races in a row were lost
 */
export async function countEviction(parts: Parts, pod: Pod, budget: string, dryRun: boolean): Promise<void> {
  const { registry, clock } = parts;
  const resource = registry.resource('poddisruptionbudgets.policy');
  const name = { namespace: pod.metadata.namespace, name: budget };
  const transform = (current: KubeObject | undefined): KubeObject =>
    counted(current as PodDisruptionBudget, pod.metadata.name, clock.now());
  // Upstream's API server reads the budget as a client here, so its errors are those of a GET.
  const context = {
    user: componentUser('apiserver'),
    clock,
    warn: () => undefined,
    annotate: () => undefined,
    read: registry.read.bind(registry),
    list: registry.list.bind(registry),
    fieldManager: 'kube-apiserver',
    dryRun,
  };
  await registry.update(resource, name, { transform, subresource: 'status', mode: 'status' }, context);
}

/** The budget with this eviction counted. @throws ApiError when the budget refuses */
function counted(budget: PodDisruptionBudget, podName: string, nowMs: number): PodDisruptionBudget {
  const { metadata, status = {} } = budget;
  const { observedGeneration = 0, disruptionsAllowed = 0, disruptedPods = {} } = status;
  const cannot = (why: string): ApiError => forbidden({ group: 'policy', name: 'poddisruptionbudget' }, metadata.name, why);
  if (observedGeneration < (metadata.generation ?? 0)) throw stillProcessed(metadata.name);
  if (disruptionsAllowed < 0) throw cannot('pdb disruptions allowed is negative');
  if (Object.keys(disruptedPods).length > maxDisruptedPods)
    throw cannot('DisruptedPods map too big - too many evictions not confirmed by PDB controller');
  if (disruptionsAllowed === 0) throw refusal(whyNot(budget));
  const next = {
    ...status,
    disruptionsAllowed: disruptionsAllowed - 1,
    disruptedPods: { ...disruptedPods, [podName]: rfc3339(nowMs) },
  };
  if (next.disruptionsAllowed > 0) return { ...budget, status: next };
  const conditions = withDisruptionAllowed(next, { ...expectedCondition(next), message: '' }, nowMs);
  return { ...budget, status: { ...next, conditions } };
}

/** The answer while the disruption controller has not seen the newest budget; the client should soon try again. */
export const stillProcessed = (budget: string): ApiError =>
  refusal(`The disruption budget ${budget} is still being processed by the server.`, 10);

function refusal(cause: string, retryAfterSeconds = 0): ApiError {
  const message = "Cannot evict pod as it would violate the pod's disruption budget.";
  return failure(429, 'TooManyRequests', message, {
    ...(retryAfterSeconds === 0 ? {} : { retryAfterSeconds }),
    causes: [{ reason: 'DisruptionBudget', message: cause }],
  });
}

function whyNot({ metadata: { name }, status }: PodDisruptionBudget): string {
  const { currentHealthy = 0, desiredHealthy = 0 } = status ?? {};
  const condition = disruptionAllowed(status);
  const reported = condition?.status === 'False' && condition.message !== '' ? condition : undefined;
  // This comes first: after a failed sync the counts mean nothing.
  if (reported?.reason === 'SyncFailed')
    return `The disruption budget ${name} does not allow evicting pods currently because it failed sync: ${reported.message}`;
  if (currentHealthy <= desiredHealthy)
    return `The disruption budget ${name} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`;
  if (reported !== undefined)
    return `The disruption budget ${name} does not allow evicting pods currently (${reported.reason}): ${reported.message}`;
  return `The disruption budget ${name} does not allow evicting pods currently`;
}
