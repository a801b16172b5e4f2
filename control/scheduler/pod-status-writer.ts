/** Writes the scheduler's results into pods: the condition PodScheduled, nominations, evictions. */
import type { JsonObject } from '#api/json.ts';
import { rfc3339 } from '#api/meta.ts';
import { isConflict, isNotFound } from '#api/status.ts';
import type { Pod, PodCondition } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import type { Clock } from '#client/clock.ts';

/** Writes the status of pods. */
export interface PodStatusWriter {
  /**
   * Sets PodScheduled=False with reason and message, and `nominatedNodeName` unless it is undefined. Writes nothing when the pod
   * already has these values. A pod that is deleted, or was replaced by another one of its name, is ignored.
   * @throws ApiError
   */
  unscheduled(pod: Pod, reason: string, message: string, nominatedNodeName?: string): Promise<void>;
  /** Evicts a pod: sets the reason in its condition DisruptionTarget, then deletes it with its grace period. @throws ApiError */
  evict(victim: Pod, schedulerName: string): Promise<void>;
  clearNomination(pod: Pod): Promise<void>;
}

/** Makes the writer. */
export function createPodStatusWriter(client: Client, clock: Clock): PodStatusWriter {
  const pods = client.resource('pods');

  async function patchStatus(
    pod: Pod,
    conditions: readonly PodCondition[],
    nominatedNodeName: string | undefined,
  ): Promise<void> {
    const status = {
      ...(conditions.length === 0 ? {} : { conditions: conditions.map((condition) => ({ ...condition })) }),
      // An empty name is written by removing the field.
      ...(nominatedNodeName === undefined ? {} : { nominatedNodeName: nominatedNodeName === '' ? null : nominatedNodeName }),
    };
    // With the UID, the server refuses the patch for a later pod of the same name.
    const body = { metadata: { uid: pod.metadata.uid }, status };
    try {
      await pods.patch(pod.metadata, { type: 'strategic', body: structuredClone(body) as JsonObject }, { subresource: 'status' });
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }

  /** The condition to write. Undefined when the pod has it already, whatever its time. */
  function changed(pod: Pod, wanted: Pick<PodCondition, 'type' | 'status' | 'reason' | 'message'>): PodCondition | undefined {
    const known = pod.status?.conditions?.find(({ type }) => type === wanted.type);
    if (known?.status === wanted.status && known.reason === wanted.reason && known.message === wanted.message) return undefined;
    const { generation } = pod.metadata;
    const transitionTime = known?.status === wanted.status ? known.lastTransitionTime : undefined;
    return {
      ...wanted,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
      lastTransitionTime: transitionTime ?? rfc3339(clock.now()),
    };
  }

  return {
    async unscheduled(pod, reason, message, nominatedNodeName) {
      const condition = changed(pod, { type: 'PodScheduled', status: 'False', reason, message });
      const nomination = nominatedNodeName === (pod.status?.nominatedNodeName ?? '') ? undefined : nominatedNodeName;
      if (condition === undefined && nomination === undefined) return;
      await patchStatus(pod, condition === undefined ? [] : [condition], nomination);
    },
    async evict(victim, schedulerName) {
      const condition = changed(victim, {
        type: 'DisruptionTarget',
        status: 'True',
        reason: 'PreemptionByScheduler',
        message: `${schedulerName}: preempting to accommodate a higher priority pod`,
      });
      if (condition !== undefined) await patchStatus(victim, [condition], undefined);
      try {
        await pods.delete(victim.metadata, { preconditions: { uid: victim.metadata.uid } });
      } catch (error) {
        if (!isNotFound(error) && !isConflict(error)) throw error;
      }
    },
    clearNomination: (pod) => patchStatus(pod, [], ''),
  };
}
