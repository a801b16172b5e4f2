/** `pods/eviction`. Source: kubernetes `pkg/registry/core/pod/storage/eviction.go`. */
import { type KubeObject, rfc3339 } from '#api/meta.ts';
import { badRequest } from '#api/status.ts';
import type { DeleteOptions, Eviction, Pod, PodCondition } from '#api/types.generated.ts';
import type { TransportResponse } from '#client/transport.ts';
import { checkPreconditions } from '../../../registry/deletion.ts';
import { admitted } from '../../../rest/admitted.ts';
import { type Exchange, writeContext } from '../../../rest/exchange.ts';
import { parseDryRun } from '../../../rest/request-body.ts';
import { successResponse } from '../../../rest/responses.ts';
import { readObject } from '../../../rest/write-handlers.ts';

/** Deletes the pod as `kubectl drain` asks; no PodDisruptionBudget exists that could refuse. */
export async function createEviction(exchange: Exchange): Promise<TransportResponse> {
  const { parts, info, resource, accepted, pretty } = exchange;
  const expected = { apiVersion: 'policy/v1', kind: 'Eviction', type: 'policy/v1.Eviction' };
  const eviction = (await readObject(exchange, expected, 'CreateOptions')) as unknown as Eviction;
  const asked = exchange.info.query.getAll('dryRun');
  const admission = await admitted(exchange, resource, eviction, writeContext(exchange, 'CreateOptions'));
  if ((eviction.metadata?.name ?? info.name) !== info.name)
    throw badRequest('name in URL does not match name in Eviction object');
  await admission.validate();
  let options: Partial<DeleteOptions> = eviction.deleteOptions ?? {};
  const dryRun = parseDryRun([...asked, ...(options.dryRun ?? [])], 'DeleteOptions');
  const context = { ...writeContext(exchange, 'CreateOptions', dryRun), admitted: true };
  const addCondition = (current: KubeObject | undefined): KubeObject => {
    checkPreconditions(current as Pod, options, { group: '', name: 'pods' });
    return evicted(current as Pod, parts.clock.now());
  };
  const pod = (await parts.registry.get(resource, info)).object as Pod;
  if (!['Succeeded', 'Failed'].includes(pod.status?.phase ?? '')) {
    const request = { transform: addCondition, subresource: 'status', mode: 'bypass', fieldsTracked: true } as const;
    const { uid } = (await parts.registry.update(resource, info, request, context)).object.object.metadata;
    // The condition has changed the version that the client may have named: from here on it is this pod that goes.
    options = { ...options, preconditions: { uid } };
  }
  await parts.registry.delete(resource, info, options, context);
  return successResponse(201, accepted.format, pretty);
}

/** Tells in the pod why it went (KEP-3329). */
function evicted(pod: Pod, nowMs: number): Pod {
  const condition: PodCondition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'EvictionByEvictionAPI',
    message: 'Eviction API: evicting',
    lastTransitionTime: rfc3339(nowMs),
  };
  const others = (pod.status?.conditions ?? []).filter(({ type }) => type !== condition.type);
  return { ...pod, status: { ...pod.status, conditions: [...others, condition] } };
}
