/**
 * The pods of a StatefulSet. Each has an ordinal, from which its stable name, host name and claims are derived. Pure.
 *
 * Source: kubernetes `pkg/controller/statefulset/stateful_set_utils.go`.
 */
import type { New } from '#api/meta.ts';
import { isPodAvailable, isPodReady } from '#api/pod/conditions.ts';
import type { Pod, PodTemplateSpec, StatefulSet, Volume } from '#api/types.generated.ts';
import { revisionLabel } from './controller-revisions.ts';
import { podFromTemplate } from './pod-control.ts';

/** The label with the pod's own name, for Services that select one pod. */
export const podNameLabel = 'statefulset.kubernetes.io/pod-name';
/** The label with the pod's ordinal. */
const podIndexLabel = 'apps.kubernetes.io/pod-index';

const maxOrdinal = 0x7fffffff;

/** `web-1` → web and 1. A name that no StatefulSet gives has the ordinal -1. */
export function parentAndOrdinal(podName: string): { parent: string; ordinal: number } {
  const [, parent = '', digits] = /^(.*)-(\d+)$/s.exec(podName) ?? [];
  const ordinal = Number(digits ?? -1);
  return { parent, ordinal: ordinal > maxOrdinal ? -1 : ordinal };
}

/** The ordinal of a pod; -1 when its name has none. */
export const ordinalOf = ({ metadata }: { metadata: { name?: string | undefined } }): number =>
  parentAndOrdinal(metadata.name ?? '').ordinal;

/** Whether the pod's name is one that this set gives. */
export const isMember = ({ metadata }: StatefulSet, pod: Pod): boolean =>
  parentAndOrdinal(pod.metadata.name).parent === metadata.name;

/** `spec.replicas`, default 1. */
export const wantedPods = ({ spec }: StatefulSet): number => spec.replicas ?? 1;
/** The first ordinal. */
export const startOrdinal = ({ spec }: StatefulSet): number => spec.ordinals?.start ?? 0;

/** Whether a pod of this ordinal should be there. */
export function isWanted(set: StatefulSet, ordinal: number): boolean {
  const start = startOrdinal(set);
  return ordinal >= start && ordinal < start + wantedPods(set);
}

/** The name of the revision that the pod is from; '' when it has none. */
export const revisionOfPod = ({ metadata }: Pod): string => metadata.labels?.[revisionLabel] ?? '';

/** Whether the pod runs and is ready. */
export const isRunningAndReady = (pod: Pod): boolean => pod.status?.phase === 'Running' && isPodReady(pod);

/** Whether the pod is not available, or is being deleted. */
export const isUnavailable = (pod: Pod, { spec }: StatefulSet, nowMs: number): boolean =>
  pod.metadata.deletionTimestamp !== undefined || !isPodAvailable(pod, spec.minReadySeconds ?? 0, nowMs);

/** `data-web-1` */
export const claimName = (templateName: string, setName: string, ordinal: number): string =>
  `${templateName}-${setName}-${ordinal}`;

/** The names of the set's claim templates. */
export const claimTemplates = ({ spec }: StatefulSet): string[] =>
  (spec.volumeClaimTemplates ?? []).map(({ metadata }) => metadata?.name ?? '');

/** A pod of the set with this ordinal. */
export function statefulPod(set: StatefulSet, template: PodTemplateSpec, revision: string, ordinal: number): New<Pod> {
  const pod = podFromTemplate(set, template);
  const name = `${set.metadata.name}-${ordinal}`;
  const labels = { ...pod.metadata.labels, ...identityLabels(name, ordinal), [revisionLabel]: revision };
  // A headless Service of the set's service name gives each pod a DNS name.
  const { serviceName } = set.spec;
  return {
    ...pod,
    metadata: { ...pod.metadata, name, labels },
    spec: {
      ...pod.spec,
      hostname: name,
      ...(serviceName === undefined ? { subdomain: undefined } : { subdomain: serviceName }),
      ...volumesWithClaims(set, pod.spec.volumes, ordinal),
    },
  };
}

const identityLabels = (name: string, ordinal: number): Record<string, string> => ({
  [podNameLabel]: name,
  [podIndexLabel]: String(ordinal),
});

/** The claims as volumes, before the template's own; one of the same name is replaced. */
function volumesWithClaims(set: StatefulSet, volumes: readonly Volume[] = [], ordinal: number): { volumes?: Volume[] } {
  const names = claimTemplates(set);
  const claims = names.map((name) => ({
    name,
    persistentVolumeClaim: { claimName: claimName(name, set.metadata.name, ordinal) },
  }));
  const all = [...claims, ...volumes.filter(({ name }) => !names.includes(name))];
  return all.length === 0 ? {} : { volumes: all };
}

/** Whether the pod has its labels of identity. */
export const hasIdentity = ({ metadata }: Pod): boolean => metadata.labels?.[podNameLabel] === metadata.name;

/** Whether the pod's volumes are the claims of its ordinal. */
export function hasStorage(set: StatefulSet, pod: Pod): boolean {
  const ordinal = ordinalOf(pod);
  return claimTemplates(set).every((name) =>
    (pod.spec.volumes ?? []).some(
      (volume) => volume.name === name && volume.persistentVolumeClaim?.claimName === claimName(name, set.metadata.name, ordinal),
    ),
  );
}

/** The pod with its labels of identity and its volumes. */
export function conformed(set: StatefulSet, pod: Pod): Pod {
  const ordinal = ordinalOf(pod);
  const labels = { ...pod.metadata.labels, ...identityLabels(pod.metadata.name, ordinal) };
  const spec = hasStorage(set, pod) ? pod.spec : { ...pod.spec, ...volumesWithClaims(set, pod.spec.volumes, ordinal) };
  return { ...pod, metadata: { ...pod.metadata, labels }, spec };
}
