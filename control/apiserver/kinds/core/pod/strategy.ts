/**
 * What is special to Pods: defaults, the immutable spec, graceful deletion.
 *
 * Source: upstream `pkg/registry/core/pod/strategy.go`.
 */

import { nextInt64 } from '#api/int64.ts';
import { isDns1123Label } from '#api/names.ts';
import { ownValue } from '#api/own-value.ts';
import { computeQosClass } from '#api/pod/qos.ts';
import type { LabelSelector, Pod, PodSpec } from '#api/types.generated.ts';
import type { Strategy } from '../../../registry/strategy.ts';
import { semanticEqual } from '../../../validation/semantic-equal.ts';
import { podTable } from './columns.ts';
import { setPodDefaults } from './defaults.ts';
import { validatePodStatusUpdate } from './status-validation.ts';
import { validateEphemeralContainersUpdate, validatePod, validatePodUpdate } from './validation.ts';
import { podWarnings } from './warnings.ts';

export const podStrategy: Strategy<Pod> = {
  setDefaults: setPodDefaults,

  prepareForCreate(pod) {
    pod.metadata.generation = 1;
    pod.spec ??= { containers: [] };
    pod.status = { phase: 'Pending', qosClass: computeQosClass(pod.spec) };
    markGated(pod);
    mergeMatchLabelKeys(pod);
  },

  prepareForUpdate(pod, old, _context, subresource) {
    if (subresource === 'status') prepareStatusUpdate(pod, old);
    else if (subresource === 'ephemeralcontainers') prepareEphemeralContainersUpdate(pod, old);
    else {
      pod.status = old.status;
      raiseGeneration(pod, old);
    }
  },

  validate: validatePod,
  validateUpdate(pod, old, subresource) {
    if (subresource === 'status') return validatePodStatusUpdate(pod, old);
    return subresource === 'ephemeralcontainers' ? validateEphemeralContainersUpdate(pod, old) : validatePodUpdate(pod, old);
  },

  warnings(pod, old) {
    if (old !== undefined) return [];
    const texts = isDns1123Label(pod.metadata.name);
    const hostname =
      "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended";
    return [...(texts.length === 0 ? [] : [`${hostname}: [${texts.join(' ')}]`]), ...podWarnings(pod.spec, pod.metadata, '')];
  },

  gracePeriodSeconds(pod, requested) {
    if (!pod.spec.nodeName || pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded') return 0;
    const period = requested ?? pod.spec.terminationGracePeriodSeconds ?? 0;
    return period < 0 ? 1 : period;
  },

  selectableFields: [
    'spec.nodeName',
    'spec.restartPolicy',
    'spec.schedulerName',
    'spec.serviceAccountName',
    'spec.hostNetwork',
    'status.phase',
    'status.podIP',
    'status.podIPs',
    'status.nominatedNodeName',
  ],
  fields: ({ spec, status }) => ({
    'spec.nodeName': spec.nodeName ?? '',
    'spec.restartPolicy': spec.restartPolicy ?? '',
    'spec.schedulerName': spec.schedulerName ?? '',
    'spec.serviceAccountName': spec.serviceAccountName ?? '',
    'spec.hostNetwork': String(spec.hostNetwork ?? false),
    'status.phase': status?.phase ?? '',
    'status.podIP': status?.podIPs?.[0]?.ip ?? '',
    'status.nominatedNodeName': status?.nominatedNodeName ?? '',
  }),

  table: podTable,
};

/** `pods/ephemeralcontainers`: keeps all of the stored pod but the ephemeral containers. In place. */
export function prepareEphemeralContainersUpdate(pod: Pod, old: Pod): void {
  const { ephemeralContainers } = pod.spec;
  pod.spec = { ...old.spec, ephemeralContainers };
  pod.status = old.status;
  setPodDefaults(pod);
  raiseGeneration(pod, old);
}

function raiseGeneration(pod: Pod, old: Pod): void {
  const generation = old.metadata.generation ?? 0;
  pod.metadata.generation = semanticEqual(pod.spec, old.spec) ? generation : nextInt64(generation);
}

/** Keeps the spec and the owners; a report that leaves out what the server set does not clear it. */
function prepareStatusUpdate(pod: Pod, old: Pod): void {
  pod.spec = old.spec;
  if (old.metadata.ownerReferences === undefined) delete pod.metadata.ownerReferences;
  else pod.metadata.ownerReferences = old.metadata.ownerReferences;
  if (old.metadata.generation !== undefined) pod.metadata.generation = old.metadata.generation;
  const before = old.status ?? {};
  const status = pod.status ?? {};
  pod.status = status;
  status.qosClass ||= before.qosClass;
  status.observedGeneration ||= before.observedGeneration;
  const known = new Map(Object.entries(Object.groupBy(before.conditions ?? [], ({ type }) => type)));
  for (const condition of status.conditions ?? []) {
    const earlier = known.get(condition.type)?.shift()?.observedGeneration;
    if (!condition.observedGeneration && earlier !== undefined) condition.observedGeneration = earlier;
  }
}

function markGated(pod: Pod): void {
  if ((pod.spec.schedulingGates ?? []).length === 0) return;
  const condition = {
    type: 'PodScheduled',
    status: 'False',
    reason: 'SchedulingGated',
    message: 'Scheduling is blocked due to non-empty scheduling gates',
    lastTransitionTime: pod.metadata.creationTimestamp,
  };
  pod.status = { ...pod.status, conditions: [condition] };
}

/** Writes the pod's own label values into the selectors that ask for "the same value as mine" (KEP-3633, KEP-3243). */
function mergeMatchLabelKeys({ spec, metadata: { labels = {} } }: Pod): void {
  for (const { labelSelector, matchLabelKeys, mismatchLabelKeys } of affinityTerms(spec)) {
    addRequirements(labelSelector, matchLabelKeys, 'In', labels);
    addRequirements(labelSelector, mismatchLabelKeys, 'NotIn', labels);
  }
  for (const { labelSelector, matchLabelKeys } of spec.topologySpreadConstraints ?? []) {
    addRequirements(labelSelector, matchLabelKeys, 'In', labels);
  }
}

function affinityTerms({ affinity }: PodSpec) {
  return [affinity?.podAffinity, affinity?.podAntiAffinity].flatMap((one) => [
    ...(one?.preferredDuringSchedulingIgnoredDuringExecution ?? []).flatMap(({ podAffinityTerm }) => podAffinityTerm ?? []),
    ...(one?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
  ]);
}

function addRequirements(
  selector: LabelSelector | undefined,
  keys: readonly string[] | undefined,
  operator: 'In' | 'NotIn',
  labels: Readonly<Record<string, string>>,
): void {
  if (selector === undefined) return;
  for (const key of keys ?? []) {
    const value = ownValue(labels, key);
    if (value !== undefined)
      selector.matchExpressions = [...(selector.matchExpressions ?? []), { key, operator, values: [value] }];
  }
}
