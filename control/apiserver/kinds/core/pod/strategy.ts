/**
 * Pods: the immutable spec, graceful deletion.
 *
 * Source: upstream `pkg/registry/core/pod/strategy.go`.
 */

import { isDns1123Label, nameIsDnsSubdomain } from '#api/names.ts';
import { ownValue } from '#api/own-value.ts';
import { isTerminalPhase } from '#api/pod/conditions.ts';
import { computeQosClass } from '#api/pod/qos.ts';
import type { LabelSelector, Pod, PodSpec } from '#api/types.generated.ts';
import { defineKind } from '../../define-kind.ts';
import { podColumns } from './columns.ts';
import { setPodDefaults } from './defaults.ts';
import { prepareEphemeralContainersUpdate } from './ephemeral-containers.ts';
import { preparePodResize } from './resize.ts';
import { validatePodResize } from './resize-validation.ts';
import { validatePodStatus } from './status-validation.ts';
import { podSubresources } from './subresources.ts';
import { podChecks, podUpdateChecks, validateEphemeralContainersUpdate } from './validation.ts';
import { podWarnings } from './warnings.ts';

/** Has `/status`, `/binding`, `/eviction`, `/resize`, `/ephemeralcontainers`, and the streams that a kubelet answers. */
export const podKind = defineKind({
  resource: 'pods',
  names: nameIsDnsSubdomain,
  defaults: setPodDefaults,
  status: {
    initial: ({ spec }) => ({ phase: 'Pending', qosClass: computeQosClass(spec) }),
    keeps: ['ownerReferences'],
    prepare: completeStatus,
    validate: validatePodStatus,
  },
  generation: 'spec',
  prepare(object, old) {
    if (old !== undefined) return;
    markGated(object);
    mergeMatchLabelKeys(object);
  },
  parts: {
    ephemeralcontainers: { prepare: prepareEphemeralContainersUpdate, validate: validateEphemeralContainersUpdate },
    resize: { prepare: preparePodResize, validate: validatePodResize },
  },
  resetFields: {
    status: { fields: [['f:spec'], ['f:metadata', 'f:deletionTimestamp'], ['f:metadata', 'f:ownerReferences']] },
    ephemeralcontainers: { allBut: [['f:spec', 'f:ephemeralContainers']] },
    resize: {
      allBut: ['f:containers', 'f:initContainers'].flatMap((list) =>
        ['f:resources', 'f:resizePolicy'].map((field) => ['f:spec', list, '*', field]),
      ),
    },
  },
  checks: (object, old) => (old === undefined ? podChecks(object) : podUpdateChecks(object, old)),
  warnings(object, old) {
    if (old !== undefined) return [];
    const texts = isDns1123Label(object.metadata.name);
    const hostname =
      "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended";
    return [
      ...(texts.length === 0 ? [] : [`${hostname}: [${texts.join(' ')}]`]),
      ...podWarnings(object.spec, object.metadata, ''),
    ];
  },
  gracePeriodSeconds({ spec, status }, requested) {
    if (!spec.nodeName || isTerminalPhase(status?.phase)) return 0;
    const period = requested ?? spec.terminationGracePeriodSeconds ?? 0;
    return period < 0 ? 1 : period;
  },
  fieldSelectors: {
    'spec.nodeName': ({ spec }) => spec.nodeName ?? '',
    'spec.restartPolicy': ({ spec }) => spec.restartPolicy ?? '',
    'spec.schedulerName': ({ spec }) => spec.schedulerName ?? '',
    'spec.serviceAccountName': ({ spec }) => spec.serviceAccountName ?? '',
    'spec.hostNetwork': ({ spec }) => String(spec.hostNetwork ?? false),
    'status.phase': ({ status }) => status?.phase ?? '',
    'status.podIP': ({ status }) => status?.podIPs?.[0]?.ip ?? '',
    // No pod has it, but the selector is accepted and matches nothing, as upstream.
    'status.podIPs': () => '',
    'status.nominatedNodeName': ({ status }) => status?.nominatedNodeName ?? '',
  },
  subresources: podSubresources,
  columns: podColumns,
});

/** Keeps fields that the server set, where the reported status leaves them out. */
function completeStatus(pod: Pod, old: Pod): void {
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
