/** What the kubelet reports of a pod. Source: upstream `pkg/apis/core/validation/validation.go`, ValidatePodStatusUpdate. */
import { isIPv4 } from 'node:net';
import type { FieldError } from '#api/field-error.ts';
import { forbiddenField, invalidValue } from '#api/field-error.ts';
import { isQualifiedName, nameIsDnsSubdomain } from '#api/names.ts';
import { validateImmutable } from '#api/object-meta.ts';
import type { ContainerStatus, Pod, PodCondition, PodSpec } from '#api/types.generated.ts';
import { validateIp } from '../../../validation/ip.ts';
import type { Submitted } from '../../../validation/submitted.ts';
import { validatePodAnnotationUpdates } from './annotations-validation.ts';
import { validateClaimStatuses, validateReportedContainers } from './reported-containers.ts';

const systemConditions = new Set(['PodScheduled', 'Ready', 'Initialized']);

/**
 * Problems of a write of `/status`: what the spec forbids, and state transitions that a container cannot make. Source: upstream
 * `pkg/apis/core/validation` (ValidatePodStatusUpdate).
 */
export function validatePodStatus(pod: Pod, old: Pod): FieldError[] {
  const [now, before] = [pod.status ?? {}, old.status ?? {}];
  const errors = [
    ...validatePodAnnotationUpdates(pod, old, 'metadata.annotations'),
    ...validateConditions(now.conditions ?? [], 'status.conditions'),
  ];
  const nominated = now.nominatedNodeName ?? '';
  if (nominated !== '' && nominated !== before.nominatedNodeName) {
    errors.push(...nameIsDnsSubdomain(nominated, false).map((text) => invalidValue('status.nominatedNodeName', nominated, text)));
    if (old.spec.nodeName)
      errors.push(forbiddenField('status.nominatedNodeName', 'may not be set on pods that are already bound to a node'));
  }
  if ((now.observedGeneration ?? 0) < 0) {
    errors.push(invalidValue('status.observedGeneration', now.observedGeneration, 'must be a non-negative integer'));
  }
  errors.push(
    ...validateImmutable(now.qosClass, before.qosClass, 'status.qosClass'),
    ...validateTransitions(
      now.containerStatuses ?? [],
      before.containerStatuses ?? [],
      old.spec,
      'containers',
      'status.containerStatuses',
    ),
    ...validateTransitions(
      now.initContainerStatuses ?? [],
      before.initContainerStatuses ?? [],
      old.spec,
      'initContainers',
      'status.initContainerStatuses',
    ),
    ...validateTransitions(
      now.ephemeralContainerStatuses ?? [],
      before.ephemeralContainerStatuses ?? [],
      old.spec,
      undefined,
      'status.ephemeralContainerStatuses',
    ),
    ...validateClaimStatuses(pod),
    ...validateIps(
      (now.podIPs ?? []).map(({ ip }) => ip),
      (before.podIPs ?? []).map(({ ip }) => ip),
      'status.podIPs',
    ),
  );
  const hostIps = (now.hostIPs ?? []).map(({ ip }) => ip);
  if (hostIps.length > 0 && hostIps[0] !== now.hostIP)
    errors.push(invalidValue('status.hostIPs[0].ip', hostIps[0], 'must be equal to `hostIP`'));
  return [
    ...errors,
    ...validateIps(
      hostIps,
      (before.hostIPs ?? []).map(({ ip }) => ip),
      'status.hostIPs',
    ),
    ...validateReportedContainers(pod),
  ];
}

function validateConditions(conditions: readonly PodCondition[], path: string): FieldError[] {
  return conditions.flatMap(({ type = '', observedGeneration = 0 }: Submitted<PodCondition>, index) => {
    const errors: FieldError[] = [];
    if (observedGeneration < 0) {
      errors.push(invalidValue(`${path}[${index}].observedGeneration`, observedGeneration, 'must be a non-negative integer'));
    }
    if (systemConditions.has(type)) return errors;
    return [...errors, ...isQualifiedName(type).map((text) => invalidValue(`${path}[${index}].Type`, type, text))];
  });
}

/** A container that has ended and is not restarted by its policy cannot run again: such a report is out of date. */
function validateTransitions(
  now: readonly ContainerStatus[],
  before: readonly ContainerStatus[],
  spec: PodSpec,
  list: 'containers' | 'initContainers' | undefined,
  path: string,
): FieldError[] {
  const byName = new Map(now.toReversed().map((status) => [status.name, status]));
  const mayRestart = list === undefined ? () => false : restartOf(spec, list);
  return before.flatMap(({ name, state }, index) => {
    const ended = state?.terminated;
    const later = byName.get(name);
    if (ended === undefined || later === undefined || later.state?.terminated !== undefined) return [];
    if (mayRestart(name, ended.exitCode ?? 0)) return [];
    return [forbiddenField(`${path}[${index}].state`, 'may not be transitioned to non-terminated state')];
  });
}

/** A function that tells whether the container of this name is started again after this exit code. */
function restartOf(spec: PodSpec, list: 'containers' | 'initContainers'): (name: string, exitCode: number) => boolean {
  const all = [...(spec.containers ?? []), ...(spec.initContainers ?? [])];
  if (all.some(({ restartPolicyRules = [] }) => restartPolicyRules.some(({ action }) => action === 'RestartAllContainers')))
    return () => true;
  const containers = new Map((spec[list] ?? []).map((one) => [one.name, one]));
  return (name, exitCode) => {
    const container = containers.get(name);
    for (const { action, exitCodes } of container?.restartPolicyRules ?? []) {
      const listed = exitCodes?.values?.includes(exitCode) === true;
      if (action === 'Restart' && exitCodes !== undefined && listed === (exitCodes.operator === 'In')) return true;
    }
    const policy = container?.restartPolicy ?? spec.restartPolicy;
    return policy === 'Always' || (policy === 'OnFailure' && exitCode !== 0);
  };
}

function validateIps(ips: readonly string[], before: readonly string[], path: string): FieldError[] {
  const accepted = new Set(before);
  const errors = ips.flatMap((ip, index) => validateIp(ip, `${path}[${index}]`, accepted));
  const families = new Set(ips.map((ip) => isIPv4(ip)));
  if (ips.length > 1 && (ips.length > 2 || families.size < 2)) {
    const shown = ips.map((ip) => ({ IP: ip }));
    errors.push(invalidValue(path, shown, 'may specify no more than one IP for each IP family'));
  }
  return errors;
}
