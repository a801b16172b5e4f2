/** The subresources that are not the object itself: scale, binding, eviction, finalize, ephemeralcontainers. */
import { invalidValue } from '#api/field-error.ts';
import { type KubeObject, rfc3339 } from '#api/meta.ts';
import { formatLabelSelector } from '#api/selector.ts';
import { ApiError, badRequest, conflict, invalid, methodNotSupported } from '#api/status.ts';
import type {
  Binding,
  DeleteOptions,
  Deployment,
  Eviction,
  Namespace,
  Pod,
  PodCondition,
  ReplicaSet,
  Scale,
} from '#api/types.generated.ts';
import type { TransportResponse } from '#client/transport.ts';
import type { AdmissionAttributes } from '../admission/plugin.ts';
import { CachedObject } from '../cache/cached-object.ts';
import { validateFinalizer } from '../kinds/core/namespace/validation.ts';
import { scaleTable } from '../kinds/scale-columns.ts';
import { checkPreconditions } from '../registry/deletion.ts';
import type { TableColumns } from '../registry/strategy.ts';
import { admitted } from './admitted.ts';
import { type Exchange, respondAs, respondWith, typeOf, writeContext } from './exchange.ts';
import { parseDryRun } from './request-body.ts';
import { objectResponse } from './responses.ts';
import { checkName, patchRequest, readObject } from './write-handlers.ts';

const success = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' };
const scaleType = { apiVersion: 'autoscaling/v1', kind: 'Scale', type: 'autoscaling/v1.Scale' };

type Scaled = Deployment | ReplicaSet;

function scaleOf(object: Scaled): Scale {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: object.spec?.replicas ?? 0 },
    status: { replicas: object.status?.replicas ?? 0, selector: formatLabelSelector(object.spec?.selector) },
  } as Scale;
}

function respondWithScale(exchange: Exchange, cached: CachedObject): TransportResponse {
  const scale = new CachedObject(cached.key, cached.revision, scaleOf(cached.object as Scaled) as unknown as KubeObject);
  return respondAs(exchange, 200, scale, scaleType.type, { table: scaleTable as TableColumns<KubeObject> });
}

export async function getScale(exchange: Exchange): Promise<TransportResponse> {
  return respondWithScale(exchange, await exchange.parts.registry.get(exchange.resource, exchange.info));
}

/** PUT and PATCH: only `spec.replicas` counts. */
export async function writeScale(exchange: Exchange): Promise<TransportResponse> {
  const { parts, info, resource, request } = exchange;
  const context = writeContext(exchange, 'UpdateOptions');
  const isPatch = request.method === 'PATCH';
  const patch = isPatch ? await patchRequest(exchange, scaleType, 'scale', '') : undefined;
  const submitted = isPatch ? undefined : ((await readObject(exchange, scaleType, 'UpdateOptions')) as unknown as Scale);
  if (submitted !== undefined) checkName(submitted as unknown as KubeObject, info);
  const transform = async (current: KubeObject | undefined): Promise<KubeObject> => {
    const object = current as Scaled;
    const scale = submitted ?? ((await patch?.transform(scaleOf(object) as unknown as KubeObject, 0)) as unknown as Scale);
    const replicas = scale.spec?.replicas ?? 0;
    if (replicas < 0) {
      const problem = invalidValue('spec.replicas', replicas, 'must be greater than or equal to 0');
      throw invalid({ group: 'autoscaling', name: 'Scale' }, info.name, [problem]);
    }
    const version = scale.metadata?.resourceVersion ?? '';
    const metadata = version === '' ? object.metadata : { ...object.metadata, resourceVersion: version };
    return { ...object, metadata, spec: { ...object.spec, replicas } } as Scaled;
  };
  const view = { of: scaleView, into: withReplicas };
  const { object } = await parts.registry.update(resource, info, { transform, subresource: 'scale', mode: '', view }, context);
  return respondWithScale(exchange, object);
}

const scaleView = (object: KubeObject): KubeObject => scaleOf(object as Scaled) as unknown as KubeObject;

/** The object with the number of replicas that its scale says. */
function withReplicas(object: KubeObject, scale: KubeObject): KubeObject {
  const { replicas = 0 } = (scale as unknown as Scale).spec ?? {};
  return { ...object, spec: { ...(object as Scaled).spec, replicas } } as Scaled;
}

/** `POST namespaces/<namespace>/bindings`: the same, with the pod named in the body only. */
export async function handleBinding(exchange: Omit<Exchange, 'resource'>): Promise<TransportResponse> {
  if (exchange.info.verb !== 'create' || exchange.info.namespace === '')
    throw methodNotSupported({ group: '', name: 'bindings' }, exchange.info.verb);
  return await createBinding({ ...exchange, resource: exchange.parts.registry.resource('pods') }, bindings);
}

const bindings = { group: '', version: 'v1', plural: 'bindings' };

/** The scheduler's decision: sets `spec.nodeName`, once. */
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
  return objectResponse(201, { ...success, code: 201 }, accepted.format, pretty);
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
    status: { ...status, conditions: withScheduled(pod.status?.conditions ?? [], nowMs) },
  } as Pod;
}

function withScheduled(conditions: readonly PodCondition[], nowMs: number): PodCondition[] {
  const now = rfc3339(nowMs);
  const before = conditions.find(({ type }) => type === 'PodScheduled');
  const scheduled: PodCondition = {
    type: 'PodScheduled',
    status: 'True',
    lastTransitionTime: before?.status === 'True' ? before.lastTransitionTime : now,
  };
  return before === undefined ? [...conditions, scheduled] : conditions.map((one) => (one === before ? scheduled : one));
}

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
  return objectResponse(201, { ...success, code: 201 }, accepted.format, pretty);
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

/** `PUT namespaces/<name>/finalize`: the only way to change `spec.finalizers`; the last one gone, the namespace goes. */
export async function finalizeNamespace(exchange: Exchange): Promise<TransportResponse> {
  const { parts, info, resource } = exchange;
  const context = writeContext(exchange, 'UpdateOptions');
  const submitted = (await readObject(exchange, typeOf(resource), 'UpdateOptions')) as Namespace;
  checkName(submitted, { name: info.name });
  const transform = (current: KubeObject | undefined): KubeObject => {
    const { uid, resourceVersion } = submitted.metadata;
    const metadata = { ...(current as Namespace).metadata, uid: uid ?? current?.metadata.uid, resourceVersion };
    const finalizers = submitted.spec?.finalizers ?? [];
    const problems = finalizers.flatMap((name, index) => validateFinalizer(name, `spec.finalizers[${index}]`));
    if (problems.length > 0) throw invalid({ group: '', name: 'Namespace' }, info.name, problems);
    return { ...(current as Namespace), metadata, spec: finalizers.length > 0 ? { finalizers } : {} } as KubeObject;
  };
  const request = { transform, subresource: 'finalize', mode: 'bypass' } as const;
  const { object } = await parts.registry.update(resource, { name: info.name }, request, context);
  return respondWith(exchange, 200, object);
}

/** PUT and PATCH of `ephemeralcontainers`: debugging containers are added to a pod, and never changed or removed. */
export async function writeEphemeralContainers(exchange: Exchange): Promise<TransportResponse> {
  const { parts, info, resource, request } = exchange;
  const context = writeContext(exchange, 'UpdateOptions');
  const patch =
    request.method === 'PATCH'
      ? await patchRequest(exchange, typeOf(resource), 'ephemeralcontainers', 'ephemeralcontainers')
      : undefined;
  const submitted = patch === undefined ? ((await readObject(exchange, typeOf(resource), 'UpdateOptions')) as Pod) : undefined;
  if (submitted !== undefined) checkName(submitted, info);
  const transform = async (current: KubeObject | undefined, bytes: number): Promise<KubeObject> => {
    const pod = current as Pod;
    const wanted = submitted ?? ((await patch?.transform(pod, bytes)) as Pod);
    const ephemeralContainers = wanted.spec?.ephemeralContainers ?? [];
    const resourceVersion = wanted.metadata.resourceVersion ?? '';
    return { ...pod, metadata: { ...pod.metadata, resourceVersion }, spec: { ...pod.spec, ephemeralContainers } } as Pod;
  };
  const { object } = await parts.registry.update(
    resource,
    info,
    { transform, subresource: 'ephemeralcontainers', mode: 'ephemeralcontainers' },
    context,
  );
  return respondWith(exchange, 200, object);
}
