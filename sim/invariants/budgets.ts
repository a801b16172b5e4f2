/** Disruption budgets are respected: after an eviction, at least the desired number of healthy pods remains. */
import { controllerOf, keyOf } from '#api/meta.ts';
import { isPodReady, isPodTerminal } from '#api/pod/conditions.ts';
import { labelMatcher, matchesLabels } from '#api/selector.ts';
import type { Deployment, Pod, PodDisruptionBudget, ReplicaSet } from '#api/types.generated.ts';
import { memoryMs } from '../history.ts';
import type { Change, Model } from '../model.ts';
import { amount } from './crowds.ts';
import type { InvariantOf } from './invariant.ts';

const name = 'budgets kept';

/** Whether this change is the deletion by an eviction. */
const isEviction = ({ kind, object, previous, by }: Change): boolean =>
  object.kind === 'Pod' &&
  previous?.metadata.deletionTimestamp === undefined &&
  (kind === 'deleted' || object.metadata.deletionTimestamp !== undefined) &&
  by.some(({ request }) => request.path.includes(`/${object.metadata.name}/eviction`));

const podsOf = (model: Model, { metadata, spec }: PodDisruptionBudget): Pod[] => {
  const matcher = labelMatcher(spec?.selector);
  return model
    .pods()
    .filter(
      (pod) =>
        pod.metadata.namespace === metadata.namespace && matchesLabels(matcher, pod.metadata.labels) && !isPodTerminal(pod),
    );
};

const isHealthy = (pod: Pod): boolean => isPodReady(pod) && pod.metadata.deletionTimestamp === undefined;

function wantedOf(model: Model, budget: PodDisruptionBudget): number {
  const { minAvailable, maxUnavailable } = budget.spec ?? {};
  const owners = new Map(podsOf(model, budget).flatMap((pod) => rootOf(model, pod)));
  const expected = [...owners.values()].reduce((sum, replicas) => sum + replicas, 0);
  if (minAvailable !== undefined) return amount(minAvailable, expected);
  return Math.max(0, expected - amount(maxUnavailable ?? 0, expected));
}

/** The workload that owns the pod, by UID, with its number of replicas. */
function rootOf(model: Model, pod: Pod): [string, number][] {
  const owner = model.byUid(controllerOf(pod)?.uid ?? '') as ReplicaSet | undefined;
  if (owner === undefined) return [];
  const root = (model.byUid(controllerOf(owner)?.uid ?? '') as Deployment | undefined) ?? owner;
  return [[root.metadata.uid, root.spec?.replicas ?? 1]];
}

export const budgets: InvariantOf = ({ model, nowMs, violated }) => {
  /** When a namespace last lost a healthy pod for a reason other than eviction. */
  const lostMs = new Map<string | undefined, number>();
  return {
    name,
    changed(change) {
      if (change.object.kind !== 'Pod' || change.previous === undefined || !isHealthy(change.previous as Pod)) return;
      const { namespace } = change.object.metadata;
      if (!isEviction(change)) {
        if (change.kind === 'deleted' || !isHealthy(change.object as Pod)) lostMs.set(namespace, nowMs());
        return;
      }
      // The disruption controller may not have counted such a loss yet.
      if (nowMs() - (lostMs.get(namespace) ?? -Infinity) < memoryMs) return;
      for (const budget of model.all<PodDisruptionBudget>('poddisruptionbudgets')) {
        const pods = podsOf(model, budget);
        if (!pods.some(({ metadata }) => metadata.uid === change.object.metadata.uid)) continue;
        const healthy = pods.filter(isHealthy).length;
        const wanted = wantedOf(model, budget);
        if (healthy < wanted)
          violated(name, `${keyOf(change.object)} was evicted, and ${keyOf(budget)} has ${healthy} healthy pods of ${wanted}`);
      }
    },
    *unmet() {
      for (const budget of model.all<PodDisruptionBudget>('poddisruptionbudgets')) {
        const healthy = podsOf(model, budget).filter(isHealthy).length;
        const { currentHealthy, disruptionsAllowed } = budget.status ?? {};
        const allowed = Math.max(0, healthy - wantedOf(model, budget));
        if (currentHealthy !== healthy) yield `budget ${keyOf(budget)} counts ${currentHealthy} healthy pods of ${healthy}`;
        if (disruptionsAllowed !== allowed)
          yield `budget ${keyOf(budget)} allows ${disruptionsAllowed} disruptions, not ${allowed} (${JSON.stringify(budget.status)})`;
      }
    },
  };
};
