/** Why a controller ends a pod, told in the pod's own conditions before it is deleted. Source: KEP-3329. */

import type { JsonObject } from '#api/json.ts';
import { rfc3339 } from '#api/meta.ts';
import { isPodTerminal } from '#api/pod/conditions.ts';
import type { Pod } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';

/** Adds the condition DisruptionTarget; with `fail` also ends a pod that nobody else can end any more (its node is gone). */
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

/** Changes these fields of this very pod's status. @throws ApiError Conflict where another pod has taken its name */
export async function patchPodStatus(client: Client, pod: Pod, status: JsonObject): Promise<void> {
  const { namespace, name, uid } = pod.metadata;
  await client
    .resource('pods')
    .patch({ namespace, name }, { type: 'strategic', body: { metadata: { uid }, status } }, { subresource: 'status' });
}
