/**
 * LimitRanger: containers get the namespace's default requests and limits, and pods, containers and claims must be within its bounds.
 *
 * Source: upstream `plugin/pkg/admission/limitranger`.
 */
import type { KubeObject } from '#api/meta.ts';
import { setOwn } from '#api/own-value.ts';
import { aggregateContainers, type ResourceList } from '#api/pod/requests.ts';
import { failure } from '#api/status.ts';
import type { Container, LimitRange, LimitRangeItem, PersistentVolumeClaim, Pod } from '#api/types.generated.ts';
import { type AdmissionAttributes, type AdmissionPlugin, admissionForbidden } from '../plugin.ts';
import { joinProblems, maximumOfRequest, problemsOf } from './limit-ranges/bounds.ts';

const annotation = 'kubernetes.io/limit-ranger';
/** The maximum number of violations in a message: there may be thousands of bounds and containers. */
const maxProblems = 1000;
/** The maximum number of defaults: a pod with more could not be stored. */
const maxDefaults = 100_000;

/** @throws (when asked) ApiError 403 with all violations of one LimitRange */
export const limitRanger = (): AdmissionPlugin => ({
  name: 'LimitRanger',
  handles: (operation) => operation === 'create' || operation === 'update',

  async mutate(attributes, context) {
    if (!isLimited(attributes) || attributes.resource.plural !== 'pods') return;
    const ranges = (await context.list('limitranges', attributes.namespace)) as LimitRange[];
    for (const range of ranges) setDefaults(range, attributes.object as Pod);
  },

  async validate(attributes, context) {
    if (!isLimited(attributes)) return;
    const { resource, object, namespace } = attributes;
    const ranges = (await context.list('limitranges', namespace)) as LimitRange[];
    for (const range of ranges) {
      const limits = range.spec?.limits ?? [];
      const problems =
        resource.plural === 'pods' ? podProblems(limits, object as Pod) : claimProblems(limits, object as PersistentVolumeClaim);
      if (problems.length > 0) throw admissionForbidden(attributes, joinProblems(problems));
    }
  },
});

/** New pods, resized pods, and new or changed claims; not objects that are being deleted. */
function isLimited({ resource, subresource, operation, oldObject }: AdmissionAttributes): boolean {
  if (resource.group !== '' || (oldObject as KubeObject | undefined)?.metadata.deletionTimestamp !== undefined) return false;
  if (resource.plural === 'pods')
    return operation === 'create' ? subresource === '' : operation === 'update' && subresource === 'resize';
  return resource.plural === 'persistentvolumeclaims' && subresource === '';
}

/** Sets missing requests and limits of containers, and lists them in an annotation. */
function setDefaults({ spec: range }: LimitRange, pod: Pod): void {
  const items = (range?.limits ?? []).filter(({ type }) => type === 'Container');
  const limits: ResourceList = Object.assign({}, ...items.map((item) => item.default));
  const requests: ResourceList = Object.assign({}, ...items.map((item) => item.defaultRequest));
  const containers = [...(pod.spec.containers ?? []), ...(pod.spec.initContainers ?? [])];
  // Upstream's store refuses objects of that size. Here they would not even fit into memory.
  if (containers.length * (Object.keys(limits).length + Object.keys(requests).length) > maxDefaults)
    throw failure(500, '', 'etcdserver: request is too large');
  const texts = [
    ...(pod.spec.containers ?? []).flatMap((one) => fillContainer(one, limits, requests, 'container')),
    ...(pod.spec.initContainers ?? []).flatMap((one) => fillContainer(one, limits, requests, 'init container')),
  ];
  if (texts.length === 0) return;
  pod.metadata.annotations = { ...pod.metadata.annotations, [annotation]: `LimitRanger plugin set: ${texts.join('; ')}` };
}

function fillContainer(container: Container, limits: ResourceList, requests: ResourceList, what: string): string[] {
  const fill = (list: 'limits' | 'requests', defaults: ResourceList): string[] => {
    const own = { ...container.resources?.[list] };
    const missing = Object.keys(defaults).filter((name) => !Object.hasOwn(own, name));
    if (missing.length === 0) return [];
    for (const name of missing) setOwn(own, name, defaults[name] ?? 0);
    container.resources = { ...container.resources, [list]: own };
    return [`${missing.sort().join(', ')} ${list === 'limits' ? 'limit' : 'request'} for ${what} ${container.name}`];
  };
  const limitTexts = fill('limits', limits);
  return [...fill('requests', requests), ...limitTexts];
}

function podProblems(limits: readonly LimitRangeItem[], { spec }: Pod): string[] {
  const problems = new Set<string>();
  for (const item of limits) {
    const asked =
      item.type === 'Container'
        ? [...(spec.containers ?? []), ...(spec.initContainers ?? [])].map(({ resources }) => resources)
        : item.type === 'Pod'
          ? [{ requests: ofPod(spec, 'requests'), limits: ofPod(spec, 'limits') }]
          : [];
    for (const resources of asked) {
      for (const one of problemsOf(item, resources?.requests ?? {}, resources?.limits ?? {})) problems.add(one);
      if (problems.size >= maxProblems) return [...problems];
    }
  }
  return [...problems];
}

/** The requests of the whole pod without overhead. Pod-level CPU and memory replace the sum of the containers. */
function ofPod(spec: Pod['spec'], list: 'requests' | 'limits'): ResourceList {
  const { cpu, memory } = { ...spec.resources?.[list] };
  const own = { ...(cpu === undefined ? {} : { cpu }), ...(memory === undefined ? {} : { memory }) };
  return { ...aggregateContainers(spec, list), ...own };
}

/** For claims only requests are limited. */
function claimProblems(limits: readonly LimitRangeItem[], { spec }: PersistentVolumeClaim): string[] {
  const requests = spec?.resources?.requests ?? {};
  return limits
    .filter(({ type }) => type === 'PersistentVolumeClaim')
    .flatMap(({ type, min, max }) => [...problemsOf({ type, min }, requests, {}), ...maximumOfRequest(type, max, requests)]);
}
