/**
 * Pods: their number, requests and limits, as long as they run or may run.
 *
 * Source: upstream `pkg/quota/v1/evaluator/core/pods.go`.
 */
import type { Quantity } from '../json.ts';
import { sameJson } from '../meta.ts';
import { ownValue, setOwn } from '../own-value.ts';
import { isPodTerminal } from '../pod/conditions.ts';
import { qosClass } from '../pod/qos.ts';
import { isPodLevelResource, podResourceList, type ResourceList } from '../pod/requests.ts';
import type { Container, ContainerStatus, Pod, PodAffinityTerm } from '../types.generated.ts';
import { type Evaluator, fulfils } from './evaluator.ts';
import { addLists } from './resource-list.ts';

const compute = ['cpu', 'memory', 'ephemeral-storage'];
const names = new Set(['count/pods', 'pods', ...compute, ...compute.flatMap((name) => [`requests.${name}`, `limits.${name}`])]);
/** Resources that every container must specify. Upstream considers this a mistake and does not extend the list. */
const demanded = new Set(['cpu', 'memory', 'requests.cpu', 'requests.memory', 'limits.cpu', 'limits.memory']);

/** Quota usage of pods: their number and their requests. Source: upstream `pkg/quota/v1/evaluator/core/pods.go`. */
export const podEvaluator: Evaluator = {
  measures: (name) =>
    names.has(name) || name.startsWith('hugepages-') || name.startsWith('requests.hugepages-') || isExtendedRequest(name),

  handles({ operation, subresource, object, oldObject }) {
    if (subresource === 'resize') return operation === 'update';
    if (subresource !== '') return false;
    return operation === 'create' || isTerminating(object as Pod) !== isTerminating(oldObject as Pod);
  },

  isInScope(scope, object) {
    const pod = object as Pod;
    switch (scope.scopeName) {
      case 'Terminating':
        return isTerminating(pod);
      case 'NotTerminating':
        return !isTerminating(pod);
      case 'BestEffort':
        return qosClass(pod) === 'BestEffort';
      case 'NotBestEffort':
        return qosClass(pod) !== 'BestEffort';
      case 'PriorityClass':
        return fulfils(scope, pod.spec.priorityClassName ? [pod.spec.priorityClassName] : []);
      case 'CrossNamespacePodAffinity':
        return hasAffinityAcrossNamespaces(pod);
      default:
        return false;
    }
  },

  missing(wanted, object) {
    const { spec } = object as Pod;
    if (hasPodLevelResources(spec)) return undefined;
    const containers = [...(spec.containers ?? []), ...(spec.initContainers ?? [])];
    const texts = wanted
      .filter((name) => demanded.has(name))
      .sort()
      .flatMap((name) => {
        const silent = containers.filter((one) => !Object.hasOwn(ofContainer(one), name)).map((one) => one.name);
        return silent.length === 0 ? [] : [`${name} for: ${[...new Set(silent)].sort().join(',')}`];
      });
    return texts.length === 0 ? undefined : `must specify ${texts.join('; ')}`;
  },

  usage(object, nowMs) {
    const pod = object as Pod;
    if (!isCharged(pod, nowMs)) return { 'count/pods': '1' };
    const used = computeUsage(podResourceList(pod, 'requests'), podResourceList(pod, 'limits'));
    return addLists({ 'count/pods': '1', pods: '1' }, used);
  },

  isReplenished(object, previous, nowMs) {
    const [pod, before] = [object as Pod, previous as Pod];
    if (isTerminating(pod) !== isTerminating(before) || hasResized(pod, before)) return true;
    return isCharged(before, nowMs) && !isCharged(pod, nowMs);
  },
};

/** `requests.example.com/gpu`. */
const isExtendedRequest = (name: string): boolean =>
  name.startsWith('requests.') &&
  ((name.includes('/') && !name.includes('kubernetes.io/')) || name.startsWith('requests.deviceclass.resource.kubernetes.io/'));

const isExtended = (name: string): boolean =>
  (name.includes('/') && !name.includes('kubernetes.io/') && !name.startsWith('requests.')) ||
  name.startsWith('deviceclass.resource.kubernetes.io/');

const isTerminating = ({ spec }: Pod): boolean => (spec.activeDeadlineSeconds ?? -1) >= 0;

const ofContainer = ({ resources }: Container): ResourceList => computeUsage(resources?.requests ?? {}, resources?.limits ?? {});

/** Requests and limits under the names that quotas have for them. */
function computeUsage(requests: ResourceList, limits: ResourceList): ResourceList {
  const used: Record<string, Quantity> = {};
  for (const name of compute) {
    const [request, limit] = [ownValue(requests, name), ownValue(limits, name)];
    if (request !== undefined) used[name] = used[`requests.${name}`] = request;
    if (limit !== undefined) used[`limits.${name}`] = limit;
  }
  for (const [name, request] of Object.entries(requests)) {
    const isHugePages = name.startsWith('hugepages-');
    if (isHugePages) setOwn(used, name, request);
    if (isHugePages || isExtended(name)) setOwn(used, `requests.${name}`, request);
  }
  return used;
}

function hasPodLevelResources({ resources }: Pod['spec']): boolean {
  return Object.keys({ ...resources?.requests, ...resources?.limits }).some(isPodLevelResource);
}

/** A pod that has ended, or that should have ended, uses nothing. */
function isCharged(pod: Pod, nowMs: number): boolean {
  if (isPodTerminal(pod)) return false;
  const { deletionTimestamp, deletionGracePeriodSeconds } = pod.metadata;
  if (deletionTimestamp === undefined || deletionGracePeriodSeconds === undefined) return true;
  return nowMs <= Date.parse(deletionTimestamp) + Number(deletionGracePeriodSeconds) * 1000;
}

function hasAffinityAcrossNamespaces({ spec }: Pod): boolean {
  const { podAffinity, podAntiAffinity } = spec.affinity ?? {};
  const terms: (PodAffinityTerm | undefined)[] = [podAffinity, podAntiAffinity].flatMap((one) => [
    ...(one?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(one?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(({ podAffinityTerm }) => podAffinityTerm),
  ]);
  return terms.some((term) => (term?.namespaces ?? []).length > 0 || term?.namespaceSelector !== undefined);
}

function hasResized(pod: Pod, previous: Pod): boolean {
  const statuses = ({ status }: Pod): ContainerStatus[] => [
    ...(status?.containerStatuses ?? []),
    ...(status?.initContainerStatuses ?? []),
  ];
  const now = new Map(statuses(pod).map((one) => [one.name, one.resources]));
  return statuses(previous).some(({ name, resources }) => now.has(name) && !sameJson(now.get(name), resources));
}
