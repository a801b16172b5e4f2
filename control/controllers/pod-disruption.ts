/** Why a controller ends a pod, told in the pod's own conditions before it is deleted. Source: KEP-3329. */
import { rfc3339 } from '#api/meta.ts';
import type { Pod } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import { isPodTerminal } from './pods.ts';

/** Adds the condition DisruptionTarget; with `fail` also ends a pod that nobody else can end any more (its node is gone). */
export async function markDisrupted(
  client: Client,
  pod: Pod,
  reason: string,
  message: string,
  nowMs: number,
  fail = false,
): Promise<void> {
  const { namespace, name, uid } = pod.metadata;
  const condition = { type: 'DisruptionTarget', status: 'True', reason, message, lastTransitionTime: rfc3339(nowMs) };
  const phase = fail && !isPodTerminal(pod) ? { phase: 'Failed' } : {};
  const body = { metadata: { uid }, status: { conditions: [condition], ...phase } };
  await client.resource('pods').patch({ namespace, name }, { type: 'strategic', body }, { subresource: 'status' });
}
