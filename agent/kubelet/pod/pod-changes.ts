/** Decides which changes of a pod in the API need a sync. */
import { sameJson } from '#api/meta.ts';
import { podCondition } from '#api/pod/conditions.ts';
import type { Pod, PodStatus } from '#api/types.generated.ts';

/**
 * Whether the update contains anything other than the status that we wrote ourselves. Pure.
 * @param reported what the kubelet last reported, or is about to
 */
export function asksForSync(before: Pod, after: Pod, reported: PodStatus): boolean {
  return (
    !sameJson(before.spec, after.spec) ||
    !sameJson(comparable(before), comparable(after)) ||
    !sameJson(gates(before, after), gates(after, after)) ||
    isReadinessOverruled(after, reported)
  );
}

const comparable = ({ metadata }: Pod): object => ({ ...metadata, resourceVersion: '', managedFields: undefined });

/** The conditions that other components write, and that the pod's readiness gates wait for. */
function gates({ status }: Pod, { spec }: Pod): unknown {
  const types = new Set((spec.readinessGates ?? []).map(({ conditionType }) => conditionType));
  return (status?.conditions ?? []).filter(({ type }) => types.has(type));
}

/**
 * Whether another component has changed the pod's Ready condition. The node lifecycle controller does so when the node does not report. The
 * kubelet must then report again soon, so that the pod returns to its Services.
 */
function isReadinessOverruled(after: Pod, reported: PodStatus): boolean {
  const ours = podCondition({ status: reported }, 'Ready')?.status;
  return ours !== undefined && podCondition(after, 'Ready')?.status !== ours;
}
