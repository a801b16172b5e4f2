/** `pods/binding`: the scheduler's decision. Source: kubernetes `pkg/registry/core/pod/storage/storage.go`, BindingREST. */

import type { KubeObject } from '#api/meta.ts';
import { withPodCondition } from '#api/pod/conditions.ts';
import { type ApiError, badRequest, conflict } from '#api/status.ts';
import type { Binding, Pod } from '#api/types.generated.ts';
import type { TransportResponse } from '#client/transport.ts';
import type { AdmissionAttributes } from '../../../admission/plugin.ts';
import { admitted } from '../../../rest/admitted.ts';
import { type Exchange, writeContext } from '../../../rest/exchange.ts';
import { successResponse } from '../../../rest/responses.ts';
import { readObject } from '../../../rest/write-handlers.ts';

/**
 * Binds a pod to a node: sets `spec.nodeName`, once. The pod's name comes from the URL, or from the body where the URL has none.
 * @param resource what admission is told that the URL names
 * @throws ApiError 400 for a malformed binding, 409 for a pod that is bound already
 */
export async function createBinding(
  exchange: Exchange,
  resource: AdmissionAttributes['resource'] = exchange.resource,
): Promise<TransportResponse> {
  const { parts, info, accepted, pretty } = exchange;
  const context = { ...writeContext(exchange, 'CreateOptions'), admitted: true };
  const expected = { apiVersion: 'v1', kind: 'Binding', type: 'core/v1.Binding' };
  const binding = (await readObject(exchange, expected, 'CreateOptions')) as unknown as Binding;
  const admission = await admitted(exchange, resource, binding, context);
  const name = info.name === '' ? (binding.metadata.name ?? '') : info.name;
  if (binding.metadata.name !== name) throw badRequest('name in URL does not match name in Binding object');
  if ((binding.target?.name ?? '') === '') throw badRequest('target.name: Required value');
  const kind = binding.target.kind ?? '';
  if (kind !== '' && kind !== 'Node')
    throw badRequest(`target.kind: Unsupported value: ${JSON.stringify(kind)}: supported values: "Node", "<empty>"`);
  await admission.validate();
  const transform = (current: KubeObject | undefined): KubeObject => bound(current as Pod, binding, parts.clock.now());
  const request = { transform, subresource: 'binding', mode: 'bypass', fieldsTracked: true } as const;
  await parts.registry.update(parts.registry.resource('pods'), { namespace: info.namespace, name }, request, context);
  return successResponse(201, accepted.format, pretty);
}

function bound(pod: Pod, binding: Binding, nowMs: number): Pod {
  const { name } = pod.metadata;
  const refuse = (why: string): ApiError => conflict({ group: '', name: 'pods/binding' }, name, why);
  const uid = binding.metadata.uid ?? '';
  if (uid !== '' && uid !== pod.metadata.uid) {
    throw conflict(
      { group: '', name: 'pods' },
      name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${pod.metadata.uid}`,
    );
  }
  if (pod.metadata.deletionTimestamp !== undefined) throw refuse(`pod ${name} is being deleted, cannot be assigned to a host`);
  if ((pod.spec?.nodeName ?? '') !== '')
    throw refuse(`pod ${name} is already assigned to node ${JSON.stringify(pod.spec?.nodeName)}`);
  if ((pod.spec?.schedulingGates ?? []).length > 0) throw refuse(`pod ${name} has non-empty .spec.schedulingGates`);
  const annotations = { ...pod.metadata.annotations, ...binding.metadata.annotations };
  const labels = { ...pod.metadata.labels, ...binding.metadata.labels };
  const { nominatedNodeName: _, ...status } = pod.status ?? {};
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
      ...(Object.keys(labels).length > 0 ? { labels } : {}),
    },
    spec: { ...pod.spec, nodeName: binding.target.name } as Pod['spec'],
    status: { ...status, conditions: withPodCondition(pod.status?.conditions, { type: 'PodScheduled', status: 'True' }, nowMs) },
  } as Pod;
}
