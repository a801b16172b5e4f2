/**
 * Disruption controller: sets the number of allowed disruptions in each PodDisruptionBudget, which `pods/eviction` then decreases. It also
 * resets the condition DisruptionTarget of pods that were not deleted after all.
 *
 * Owns: -.  Watches: PodDisruptionBudget, Pod; reads ReplicaSet, Deployment, StatefulSet, ReplicationController, and `scale` of others.
 * Writes: PodDisruptionBudget/status, Pod/status.
 * Source: kubernetes.io, Disruptions; kubernetes `pkg/controller/disruption`; KEP-85, KEP-3329.
 */
import { errorText } from '#api/error-text.ts';
import { keyOf, rfc3339, sameJson } from '#api/meta.ts';
import { isPodTerminal, podCondition } from '#api/pod/conditions.ts';
import { BudgetIndex } from '#api/policy/budget-index.ts';
import { labelMatcher, matchesLabels } from '#api/selector.ts';
import { isConflict, isNotFound } from '#api/status.ts';
import type { LabelSelector, Pod, PodCondition, PodDisruptionBudget } from '#api/types.generated.ts';
import type { Controller, ControllerDeps, ReconcileResult } from '#client/controller.ts';
import { done, requeueAfter } from '#client/controller.ts';
import { reads } from '#client/controller-runner.ts';
import { letOthersIn } from '#client/turns.ts';
import { CrowdedPods } from './crowded-pods.ts';
import { expectedScale } from './disruption-scale.ts';
import {
  desiredHealthy,
  disruptedPods,
  failedBudgetStatus,
  healthyPods,
  needsScale,
  nextBudgetStatus,
} from './disruption-status.ts';

/** A pod should have one budget. If it has more (the eviction API then refuses), at most this many are updated. */
const maxBudgetsOfPod = 4;
/** In namespaces with more budgets, matching them with pods is split over turns of the event loop. */
const maxBudgetsAtOnce = 100;
const podsPerTurn = 2000;

/** Makes the disruption controller. */
export function disruptionController(deps: ControllerDeps): Controller {
  const { caches, events, log } = deps;
  const index = new BudgetIndex();
  const crowd = new CrowdedPods();

  const budgetsOf = (pod: Pod): string[] => {
    const found = index.of(pod, maxBudgetsOfPod);
    const [first] = found;
    if (first !== undefined && found.length > 1) {
      const { namespace, name } = pod.metadata;
      const pods = `${JSON.stringify(namespace)}/${JSON.stringify(name)}`;
      const chosen = `Chose ${JSON.stringify(first.metadata.name)} arbitrarily.`;
      const text = `Pod ${pods} matches multiple PodDisruptionBudgets.  ${chosen}`;
      events.event(pod, 'Warning', 'MultiplePodDisruptionBudgets', text);
    }
    return found.map(keyOf);
  };
  const keysOf = (pod: Pod): string[] => (index.candidates(pod) > maxBudgetsAtOnce ? [crowd.add(pod)] : budgetsOf(pod));

  async function reconcileBudget(key: string): Promise<ReconcileResult> {
    const budget = caches.cache('poddisruptionbudgets.policy').get(key);
    if (budget === undefined) return done;
    try {
      return await sync(deps, budget);
    } catch (error) {
      if (isConflict(error)) throw error;
      log.warn({ err: error, budget: key }, 'Failed to sync PDB');
      return await fail(deps, budget, error);
    }
  }

  /** Each budget's own key is queued for its next check already. */
  async function reconcileCrowd(namespace: string): Promise<ReconcileResult> {
    const pods = crowd.take(namespace);
    try {
      const keys = new Set<string>();
      for (const pod of pods) {
        await letOthersIn();
        for (const key of budgetsOf(pod)) keys.add(key);
      }
      for (const key of keys) await reconcileBudget(key);
    } catch (error) {
      for (const pod of pods) crowd.add(pod);
      throw error;
    }
    return done;
  }

  return {
    name: 'disruption',
    watches: [
      {
        resource: 'poddisruptionbudgets.policy',
        keys(budget, _previous, all) {
          const key = keyOf(budget);
          const current = all.cache('poddisruptionbudgets.policy').get(key);
          if (current === undefined) index.remove(key);
          else index.put(current);
          return [key];
        },
      },
      {
        resource: 'pods',
        // A pod whose labels changed may have left a budget.
        keys: (pod, previous) =>
          previous === undefined || sameJson(previous.metadata.labels, pod.metadata.labels)
            ? keysOf(pod)
            : new Set([...keysOf(previous), ...keysOf(pod)]),
      },
      reads('replicationcontrollers'),
      reads('replicasets.apps'),
      reads('deployments.apps'),
      reads('statefulsets.apps'),
    ],

    async reconcile(key) {
      const namespace = CrowdedPods.namespaceOf(key);
      return namespace === undefined ? await reconcileBudget(key) : await reconcileCrowd(namespace);
    },
  };
}

async function sync(deps: ControllerDeps, budget: PodDisruptionBudget): Promise<ReconcileResult> {
  const { client, clock, events } = deps;
  const pods = await podsOf(deps, budget);
  if (pods.length === 0) events.event(budget, 'Normal', 'NoPods', 'No matching pods found');
  const wanted = await countWanted(deps, budget, pods);
  const nowMs = clock.now();
  const disrupted = disruptedPods(pods, budget.status, nowMs);
  const { namespace = '' } = budget.metadata;
  // Upstream names the namespace twice.
  const overdue = `Pod was expected by PDB ${namespace}/${namespace} to be deleted but it wasn't`;
  for (const pod of disrupted.overdue) events.event(pod, 'Warning', 'NotDeleted', overdue);
  const currentHealthy = healthyPods(pods, disrupted, nowMs);
  const status = nextBudgetStatus(budget, { ...wanted, currentHealthy, disruptedPods: disrupted.pods }, nowMs);
  if (status !== undefined) await client.resource('poddisruptionbudgets.policy').updateStatus({ ...budget, status });
  // Overdue pods have passed their deadline, so the wait may be 0.
  return disrupted.nextMs === undefined ? done : requeueAfter(Math.max(0, disrupted.nextMs - nowMs) + 1);
}

/** The pods that the budget selects. @throws SelectorError */
async function podsOf({ caches, events }: ControllerDeps, budget: PodDisruptionBudget): Promise<Pod[]> {
  try {
    const matcher = labelMatcher(budget.spec.selector);
    const found: Pod[] = [];
    if (matcher.nothing === true) return found;
    for (const [index, pod] of caches.cache('pods').list(budget.metadata.namespace).entries()) {
      if (index > 0 && index % podsPerTurn === 0) await letOthersIn();
      if (matchesLabels(matcher, pod.metadata.labels)) found.push(pod);
    }
    return found;
  } catch (error) {
    events.event(budget, 'Warning', 'NoPods', `Failed to get pods: ${errorText(error)}`);
    throw error;
  }
}

async function countWanted(
  deps: ControllerDeps,
  budget: PodDisruptionBudget,
  pods: readonly Pod[],
): Promise<{ expectedPods: number; desiredHealthy: number }> {
  const { events } = deps;
  const { spec } = budget;
  try {
    const isLimited = spec.minAvailable !== undefined || spec.maxUnavailable !== undefined;
    const ofPods = { expected: isLimited ? pods.length : 0, unmanaged: false };
    const { expected, unmanaged } = needsScale(spec) ? await expectedScale(deps, pods) : ofPods;
    const counts = { expectedPods: expected, desiredHealthy: desiredHealthy(spec, expected) };
    if (unmanaged) events.event(budget, 'Warning', 'UnmanagedPods', unmanagedText(spec.selector));
    return counts;
  } catch (error) {
    const text = `Failed to calculate the number of expected pods: ${errorText(error)}`;
    events.event(budget, 'Warning', 'CalculateExpectedPodCountFailed', text);
    throw error;
  }
}

const unmanagedText = (selector: LabelSelector | undefined): string =>
  `Pods selected by this PodDisruptionBudget (selector: ${goSelector(selector)}) were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.`;

/** As Go prints it. */
function goSelector({ matchLabels = {}, matchExpressions = [] }: LabelSelector = {}): string {
  const labels = Object.keys(matchLabels)
    .sort()
    .map((key) => `${key}: ${matchLabels[key]},`);
  const expressions = matchExpressions.map(
    ({ key, operator, values = [] }) =>
      `LabelSelectorRequirement{Key:${key},Operator:${operator},Values:[${values.join(' ')}],},`,
  );
  return `&LabelSelector{MatchLabels:map[string]string{${labels.join('')}},MatchExpressions:[]LabelSelectorRequirement{${expressions.join('')}},}`;
}

/** Reports a failure: no disruption is allowed until the pods can be counted again. */
async function fail({ client, clock }: ControllerDeps, budget: PodDisruptionBudget, error: unknown): Promise<ReconcileResult> {
  const status = failedBudgetStatus(budget, errorText(error), clock.now());
  try {
    await client.resource('poddisruptionbudgets.policy').updateStatus({ ...budget, status });
  } catch (failure) {
    if (!isNotFound(failure)) throw failure;
  }
  return done;
}

/** A pod that was not deleted within this time is not a disruption target any more. */
const staleAfterMs = 2 * 60_000;

/** Makes the controller that resets stale conditions `DisruptionTarget`, of pods that were not deleted. */
export const staleDisruptionController = ({ client, caches, clock }: ControllerDeps): Controller => ({
  name: 'stale-pod-disruption',
  watches: [{ resource: 'pods', keys: (pod) => (staleInMs(pod, clock.now()) === undefined ? [] : [keyOf(pod)]) }],

  async reconcile(key) {
    const pod = caches.cache('pods').get(key);
    const leftMs = pod === undefined ? undefined : staleInMs(pod, clock.now());
    if (pod === undefined || leftMs === undefined) return done;
    if (leftMs > 0) return requeueAfter(leftMs);
    const condition: PodCondition = {
      type: 'DisruptionTarget',
      status: 'False',
      lastTransitionTime: rfc3339(clock.now()),
      observedGeneration: pod.metadata.generation,
    };
    const conditions = (pod.status?.conditions ?? []).map((one) => (one.type === condition.type ? condition : one));
    await client.resource('pods').updateStatus({ ...pod, status: { ...pod.status, conditions } });
    return done;
  },
});

/**
 * Milliseconds until the pod's condition DisruptionTarget is stale; 0: it is stale now. Undefined: it has none, or the pod is ending. A
 * condition of the kubelet is never stale.
 */
export function staleInMs(pod: Pod, nowMs: number): number | undefined {
  if (pod.metadata.deletionTimestamp !== undefined || isPodTerminal(pod)) return undefined;
  const condition = podCondition(pod, 'DisruptionTarget');
  if (condition?.status !== 'True' || condition.reason === 'TerminationByKubelet') return undefined;
  const sinceMs = Date.parse(condition.lastTransitionTime ?? '');
  return Number.isNaN(sinceMs) ? 0 : Math.max(0, sinceMs + staleAfterMs - nowMs);
}
