/**
 * What a resize may change: CPU and memory, in a way that keeps the pod's QoS class, on a node that can do it.
 *
 * Source: upstream `pkg/apis/core/validation/validation.go` (ValidatePodResize).
 */

import type { FieldError } from '#api/field-error.ts';
import { forbiddenField, invalidValue } from '#api/field-error.ts';
import type { Quantity } from '#api/json.ts';
import { validateObjectMetaUpdate } from '#api/object-meta.ts';
import { mirrorAnnotation } from '#api/pod/annotations.ts';
import { isSidecar } from '#api/pod/containers.ts';
import { computeQosClass, qosClass } from '#api/pod/qos.ts';
import type { Container, Pod, PodSpec, ResourceRequirements } from '#api/types.generated.ts';
import { semanticEqual } from '../../../validation/semantic-equal.ts';
import { validateMetaAndSpec } from './validation.ts';

type Quantities = Readonly<Record<string, Quantity>> | undefined;

const onlyCpuAndMemory = 'only cpu and memory resources are mutable';

/** Problems of a resize, those of `metadata` included. @param old the stored pod @param pod as `preparePodResize` made it */
export function validatePodResize(pod: Pod, old: Pod): FieldError[] {
  if (old.metadata.annotations?.[mirrorAnnotation] !== undefined) return [forbiddenField('[]', 'static pods cannot be resized')];
  if (old.spec.os?.name === 'windows') return [forbiddenField('[]', 'windows pods cannot be resized')];
  const errors = [
    ...validateObjectMetaUpdate(pod.metadata, old.metadata),
    ...validateMetaAndSpec(pod),
    ...validatePossible(pod, old),
    ...validatePodLevel(pod.spec, old.spec),
  ];
  if ((old.status?.nodeAllocatableResourceClaimStatuses ?? []).length > 0)
    errors.push(forbiddenField('spec', 'pods with node allocatable resource claims cannot be resized'));
  const misplaced = validateOrder(pod.spec, old.spec);
  errors.push(...misplaced);
  // The checks below compare containers by their position in the list.
  if (misplaced.length > 0) return errors;
  errors.push(
    ...validateNothingRemoved(pod.spec, old.spec, 'initContainers'),
    ...validateNothingRemoved(pod.spec, old.spec, 'containers'),
    ...validateContainers(pod.spec, old.spec),
    ...validateInitContainers(pod.spec, old.spec),
  );
  if (errors.length > 0 || semanticEqual(withoutResize(pod.spec, old.spec), old.spec)) return errors;
  return [forbiddenField('spec', onlyCpuAndMemory)];
}

function validatePossible(pod: Pod, old: Pod): FieldError[] {
  const errors: FieldError[] = [];
  if (qosClass(old) !== computeQosClass(pod.spec)) {
    const text = 'Pod QOS Class may not change as a result of resizing';
    errors.push(invalidValue('spec', pod.status?.qosClass ?? '', text));
  }
  // A kubelet that can resize reports the containers' resources in the status. Before a container runs there is no such report.
  const running = old.status?.containerStatuses?.find(({ state }) => state?.running !== undefined);
  if (running !== undefined && running.resources === undefined)
    errors.push(forbiddenField('spec', 'Pod running on node without support for resize'));
  return errors;
}

function validatePodLevel({ resources }: PodSpec, { resources: old }: PodSpec): FieldError[] {
  if (!hasAmounts(resources) && !hasAmounts(old)) return [];
  if (old !== undefined && resources === undefined)
    return [forbiddenField('spec.resources', 'pod-level resources cannot be removed')];
  const errors = (['requests', 'limits'] as const).flatMap((list) =>
    old !== undefined && isRemoved(resources?.[list], old[list])
      ? [forbiddenField(`spec.resources.${list}`, `pod-level resource ${list} cannot be removed`)]
      : [],
  );
  if (!semanticEqual(podLevelWithoutResize(resources, old), old))
    errors.push(forbiddenField('spec', 'only cpu and memory resources are mutable at pod-level'));
  return errors;
}

const hasAmounts = (resources: ResourceRequirements | undefined): boolean =>
  Object.keys(resources?.requests ?? {}).length + Object.keys(resources?.limits ?? {}).length > 0;

/** Problems of the list of containers: none may be added, removed, renamed or moved. */
function validateOrder(spec: PodSpec, old: PodSpec): FieldError[] {
  return (['containers', 'initContainers'] as const).flatMap((list) => {
    const [news, olds] = [spec[list] ?? [], old[list] ?? []];
    if (news.length !== olds.length) return [forbiddenField(`spec.${list}`, `${list} may not be added or removed on resize`)];
    return olds.flatMap(({ name }, index) =>
      news[index]?.name === name
        ? []
        : [forbiddenField(`spec.${list}[${index}].name`, `${list} may not be renamed or reordered on resize`)],
    );
  });
}

function validateNothingRemoved(spec: PodSpec, old: PodSpec, of: 'containers' | 'initContainers'): FieldError[] {
  return (old[of] ?? []).flatMap(({ resources }, index) =>
    (['requests', 'limits'] as const).flatMap((list) =>
      isRemoved(spec[of]?.[index]?.resources?.[list], resources?.[list])
        ? [forbiddenField(`spec.${of}[${index}].resources.${list}`, `resource ${list} cannot be removed`)]
        : [],
    ),
  );
}

const isRemoved = (now: Quantities = {}, before: Quantities = {}): boolean =>
  Object.keys(before).some((name) => !Object.hasOwn(now, name));

function validateContainers({ containers }: PodSpec, { containers: olds }: PodSpec): FieldError[] {
  return containers.flatMap((container, index) => {
    const before = olds[index] as Container;
    return semanticEqual(containerWithoutResize(container, before), before) ? [] : [forbiddenField('spec', onlyCpuAndMemory)];
  });
}

function validateInitContainers({ initContainers = [] }: PodSpec, { initContainers: olds = [] }: PodSpec): FieldError[] {
  return initContainers.flatMap((container, index) => {
    const [before, at] = [olds[index] as Container, `spec.initContainers[${index}]`];
    const errors: FieldError[] = [];
    if (!semanticEqual(containerWithoutResize(container, before), before)) {
      errors.push(forbiddenField(at, 'only cpu and memory resources for init or sidecar containers are mutable'));
    }
    if (isSidecar(container) || semanticEqual(container, before)) return errors;
    const text = 'non-sidecar init containers with a resize policy of RestartContainer cannot be resized';
    const restarting = (container.resizePolicy ?? []).filter(({ restartPolicy }) => restartPolicy === 'RestartContainer');
    return [...errors, ...restarting.map(() => forbiddenField(at, text))];
  });
}

/** The new spec with CPU and memory set back to the old values: whatever still differs may not change. */
function withoutResize(spec: PodSpec, old: PodSpec): PodSpec {
  const each = (containers: readonly Container[] = [], olds: readonly Container[] = []): Container[] =>
    containers.map((container, index) => containerWithoutResize(container, olds[index] as Container));
  return {
    ...spec,
    containers: each(spec.containers, old.containers),
    initContainers: each(spec.initContainers, old.initContainers),
    resources:
      hasAmounts(spec.resources) || hasAmounts(old.resources)
        ? podLevelWithoutResize(spec.resources, old.resources)
        : spec.resources,
  } as PodSpec;
}

/**
 * The container with CPU and memory set back. As upstream, `claims` are not: a container with resource claims cannot be resized.
 */
function containerWithoutResize(container: Container, old: Container): Container {
  const resources = {
    limits: withoutCpuAndMemory(container.resources?.limits, old.resources?.limits),
    requests: withoutCpuAndMemory(container.resources?.requests, old.resources?.requests),
  };
  return { ...container, resources };
}

function podLevelWithoutResize(
  resources: ResourceRequirements | undefined,
  old: ResourceRequirements | undefined,
): ResourceRequirements | undefined {
  if (resources === undefined) return undefined;
  const limits = withoutCpuAndMemory(resources.limits, old?.limits);
  const requests = withoutCpuAndMemory(resources.requests, old?.requests);
  const isNew = old === undefined && (resources.claims ?? []).length === 0;
  // Pod-level resources may be added to a pod that had none.
  if (isNew && Object.keys(limits).length + Object.keys(requests).length === 0) return undefined;
  return { ...resources, limits, requests };
}

function withoutCpuAndMemory(now: Quantities, before: Quantities): Record<string, Quantity> {
  const { cpu: _, memory: __, ...rest } = now ?? {};
  const { cpu, memory } = before ?? {};
  return { ...rest, ...(cpu === undefined ? {} : { cpu }), ...(memory === undefined ? {} : { memory }) };
}
