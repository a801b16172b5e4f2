/**
 * PodSecurity: pods must satisfy the Pod Security Standards in the labels of their namespace. Workloads with a pod template (Deployments,
 * Jobs, …) are never refused; their clients get warnings.
 *
 * Source: kubernetes.io, Pod Security Admission; upstream `k8s.io/pod-security-admission/admission`,
 * `plugin/pkg/admission/security/podsecurity`.
 */
import { isJsonObject } from '#api/json.ts';
import type { KubeObject } from '#api/meta.ts';
import { ownValue } from '#api/own-value.ts';
import { forbidden, internalError, invalid } from '#api/status.ts';
import type { Namespace, Pod, PodSpec } from '#api/types.generated.ts';
import type { AdmissionAttributes, AdmissionContext, AdmissionPlugin } from '../plugin.ts';
import type { PodLike } from './pod-security/check.ts';
import { detailsText, violationsOf } from './pod-security/evaluate.ts';
import { existingPodWarnings } from './pod-security/existing-pods.ts';
import {
  compareLevels,
  defaultPolicy,
  isEquivalent,
  isPrivileged,
  labelledModes,
  type Policy,
  policyOf,
  policyText,
  sameLevelVersion,
} from './pod-security/policy.ts';

/** The plugin's configuration (upstream's PodSecurityConfiguration). */
export interface PodSecurityOptions {
  /** The policy of namespaces without labels. Default: privileged, latest. */
  defaults?: Policy;
  /** The exempt users, runtime classes and namespaces. */
  exemptions?: {
    usernames?: readonly string[];
    namespaces?: readonly string[];
    runtimeClasses?: readonly string[];
  };
}

const prefix = 'pod-security.kubernetes.io';

/** The pod template of each workload resource. */
const templates: Readonly<Record<string, readonly string[]>> = {
  podtemplates: ['template'],
  replicationcontrollers: ['spec', 'template'],
  'replicasets.apps': ['spec', 'template'],
  'deployments.apps': ['spec', 'template'],
  'statefulsets.apps': ['spec', 'template'],
  'daemonsets.apps': ['spec', 'template'],
  'jobs.batch': ['spec', 'template'],
  'cronjobs.batch': ['spec', 'jobTemplate', 'spec', 'template'],
};

/** Subresources of pods that change nothing that is checked. */
const ignoredSubresources = new Set(['exec', 'attach', 'binding', 'eviction', 'log', 'portforward', 'proxy', 'status']);

/** @throws (when asked) ApiError 403 for pods that violate the enforced policy, 422 for invalid labels */
export const podSecurity = ({ defaults = defaultPolicy, exemptions = {} }: PodSecurityOptions = {}): AdmissionPlugin => {
  const isExempt = ({ namespace, user }: AdmissionAttributes): boolean =>
    exemptions.namespaces?.includes(namespace) === true || exemptions.usernames?.includes(user.name) === true;
  /** @returns whether it is exempt */
  function noteExemption(attributes: AdmissionAttributes, context: AdmissionContext): boolean {
    if (!isExempt(attributes)) return false;
    const isOfNamespace = exemptions.namespaces?.includes(attributes.namespace) === true;
    context.annotate(`${prefix}/exempt`, isOfNamespace ? 'namespace' : 'user');
    return true;
  }
  const isExemptClass = ({ runtimeClassName }: PodSpec): boolean =>
    runtimeClassName !== undefined && exemptions.runtimeClasses?.includes(runtimeClassName) === true;

  async function validatePod(attributes: AdmissionAttributes, context: AdmissionContext): Promise<void> {
    if (ignoredSubresources.has(attributes.subresource)) return;
    if (noteExemption(attributes, context)) return;
    const namespace = await context.read('namespaces', undefined, attributes.namespace);
    if (namespace === undefined) throw internalError(`failed to lookup namespace "${attributes.namespace}"`);
    const { policy, errors } = policyOf(namespace.metadata.labels, defaults);
    const pod = attributes.object as Pod;
    if ((errors.length === 0 && isPrivileged(policy)) || !isSignificant(pod, attributes.oldObject as Pod | undefined)) return;
    if (isExemptClass(pod.spec)) {
      context.annotate(`${prefix}/exempt`, 'runtimeClass');
      return;
    }
    context.annotate(`${prefix}/enforce-policy`, policyText(policy.enforce));
    annotateOf(pod, policy, context);
    const violations = violationsOf(pod, policy.enforce);
    if (violations.length > 0) {
      const why = `violates PodSecurity "${policyText(policy.enforce)}": ${detailsText(violations)}`;
      throw forbidden({ group: '', name: 'pods' }, attributes.name, why);
    }
    warnOf(pod, policy, context);
  }

  async function warnOfTemplate(
    path: readonly string[],
    attributes: AdmissionAttributes,
    context: AdmissionContext,
  ): Promise<void> {
    if (attributes.subresource !== '' || noteExemption(attributes, context)) return;
    const namespace = await context.read('namespaces', undefined, attributes.namespace);
    const template = templateAt(attributes.object, path);
    if (namespace === undefined || template === undefined || isExemptClass(template.spec)) return;
    const { policy } = policyOf(namespace.metadata.labels, defaults);
    annotateOf(template, policy, context);
    warnOf(template, policy, context);
  }

  async function validateNamespace(attributes: AdmissionAttributes, context: AdmissionContext): Promise<void> {
    if (attributes.subresource !== '') return;
    const { labels, name } = (attributes.object as Namespace).metadata;
    const { policy, errors } = policyOf(labels, defaults);
    const before = attributes.oldObject === undefined ? undefined : policyOf(attributes.oldObject.metadata.labels, defaults);
    const isAsBefore = before !== undefined && errorTexts(before.errors) === errorTexts(errors);
    if (errors.length > 0 && !isAsBefore) throw invalid({ group: '', name: 'Namespace' }, name, errors);
    const { enforce } = policy;
    if (before !== undefined) {
      const old = before.policy.enforce;
      if (sameLevelVersion(enforce, old) || enforce.level === 'privileged') return;
      if (enforce.version === old.version && compareLevels(enforce.level, old.level) <= 0) return;
    }
    if (exemptions.namespaces?.includes(name) === true) {
      if (!isPrivileged(policy) && !isEquivalent(policy, defaults)) {
        const why = `the policy (${labelledModes(policy, labels)}) will be ignored`;
        context.warn(`namespace "${name}" is exempt from Pod Security, and ${why}`);
      }
      return;
    }
    if (before === undefined) return;
    const pods = ((await context.list('pods', name)) as Pod[]).filter(({ spec }) => !isExemptClass(spec));
    for (const warning of existingPodWarnings(name, pods, enforce)) context.warn(warning);
  }

  return {
    name: 'PodSecurity',
    handles: (operation) => operation === 'create' || operation === 'update',

    async validate(attributes, context) {
      const { group, plural } = attributes.resource;
      const resource = group === '' ? plural : `${plural}.${group}`;
      if (resource === 'pods') return await validatePod(attributes, context);
      if (resource === 'namespaces') return await validateNamespace(attributes, context);
      const path = ownValue(templates, resource);
      if (path !== undefined) await warnOfTemplate(path, attributes, context);
    },
  };
};

/** For the audit event. */
function annotateOf(pod: PodLike, { audit }: Policy, context: AdmissionContext): void {
  const violations = violationsOf(pod, audit);
  if (violations.length > 0)
    context.annotate(
      `${prefix}/audit-violations`,
      `would violate PodSecurity "${policyText(audit)}": ${detailsText(violations)}`,
    );
}

function warnOf(pod: PodLike, { warn }: Policy, context: AdmissionContext): void {
  const violations = violationsOf(pod, warn);
  if (violations.length > 0) context.warn(`would violate PodSecurity "${policyText(warn)}": ${detailsText(violations)}`);
}

function templateAt(object: KubeObject | undefined, path: readonly string[]): PodLike | undefined {
  const found = path.reduce<unknown>((at, name) => (isJsonObject(at) ? ownValue(at, name) : undefined), object);
  if (!isJsonObject(found) || !isJsonObject(found['spec'])) return undefined;
  return found as unknown as PodLike;
}

/** Whether the update changes what the policy checks: images and the set of containers. */
function isSignificant({ spec }: Pod, old: Pod | undefined): boolean {
  if (old === undefined) return true;
  const lists = [
    [spec.containers ?? [], old.spec.containers ?? []],
    [spec.initContainers ?? [], old.spec.initContainers ?? []],
  ] as const;
  for (const [now, before] of lists)
    if (now.length !== before.length || now.some(({ image }, index) => image !== before[index]?.image)) return true;
  const images = new Map((old.spec.ephemeralContainers ?? []).map(({ name, image }) => [name, image]));
  return (spec.ephemeralContainers ?? []).some(({ name, image }) => !images.has(name) || images.get(name) !== image);
}

const errorTexts = (errors: readonly { field: string; message: string }[]): string =>
  errors.map(({ field, message }) => `${field}: ${message}`).join('\n');
