/** Records in a pod's conditions why a controller deletes it, before it is deleted. Source: KEP-3329. */

import type { JsonObject } from '#api/json.ts';
import { rfc3339 } from '#api/meta.ts';
import { isPodTerminal } from '#api/pod/conditions.ts';
import type { Pod } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';

/**
 * Adds the condition DisruptionTarget. With `fail` it also sets the phase Failed, for a pod whose kubelet cannot do that because
 * its node no longer exists.
 */
export async function markDisrupted(
  client: Client,
  pod: Pod,
  reason: string,
  message: string,
  nowMs: number,
  fail = false,
): Promise<void> {
  const condition = { type: 'DisruptionTarget', status: 'True', reason, message, lastTransitionTime: rfc3339(nowMs) };
  await patchPodStatus(client, pod, { conditions: [condition], ...(fail && !isPodTerminal(pod) ? { phase: 'Failed' } : {}) });
}

/** Changes fields of this pod's status. @throws ApiError Conflict when another pod has its name now */
export async function patchPodStatus(client: Client, pod: Pod, status: JsonObject): Promise<void> {
  const { namespace, name, uid } = pod.metadata;
  await client
    .resource('pods')
    .patch({ namespace, name }, { type: 'strategic', body: { metadata: { uid }, status } }, { subresource: 'status' });
}
