/**
 * How CRI's metadata is kept on Docker containers, whose labels are the only thing they carry: the labels and names that
 * dockershim and cri-dockerd use. Pure.
 */
import type { ContainerConfig, ContainerMetadata, Labels, PodSandboxConfig, PodSandboxMetadata } from '../types.ts';

export const typeLabel = 'io.kubernetes.docker.type';
export const sandboxIdLabel = 'io.kubernetes.sandbox.id';
export const logPathLabel = 'io.kubernetes.container.logpath';
const containerNameLabel = 'io.kubernetes.container.name';
const annotationPrefix = 'annotation.';
/** Ours: the metadata as CRI gave it, since names alone cannot be taken apart again when they hold underscores. */
const metadataLabel = 'io.tinkernetes.metadata';
/** Ours: Docker's lists know creation times to the second only, and the newest of two containers must be told apart. */
const createdLabel = 'io.tinkernetes.created-at-ms';
const networkModeLabel = 'io.tinkernetes.namespaces';

const ownLabels: ReadonlySet<string> = new Set([
  typeLabel,
  sandboxIdLabel,
  logPathLabel,
  metadataLabel,
  createdLabel,
  networkModeLabel,
]);

const withAnnotations = (annotations: Labels | undefined): Record<string, string> =>
  Object.fromEntries(Object.entries(annotations ?? {}).map(([key, value]) => [annotationPrefix + key, value]));

/** `k8s_POD_<pod>_<namespace>_<uid>_<attempt>` */
export const sandboxName = ({ name, namespace, uid, attempt }: PodSandboxMetadata): string =>
  ['k8s', 'POD', name, namespace, uid, attempt].join('_');

/** `k8s_<container>_<pod>_<namespace>_<uid>_<attempt>` */
export const containerName = (container: ContainerMetadata, pod: PodSandboxMetadata): string =>
  ['k8s', container.name, pod.name, pod.namespace, pod.uid, container.attempt].join('_');

export function sandboxLabels(config: PodSandboxConfig, nowMs: number): Record<string, string> {
  return {
    ...config.labels,
    ...withAnnotations(config.annotations),
    [typeLabel]: 'podsandbox',
    [containerNameLabel]: 'POD',
    [metadataLabel]: JSON.stringify(config.metadata),
    [createdLabel]: String(nowMs),
    [networkModeLabel]: JSON.stringify(
      config.linux?.securityContext?.namespaceOptions ?? { network: 'POD', pid: 'POD', ipc: 'POD' },
    ),
  };
}

export function containerLabels(
  config: ContainerConfig,
  sandboxId: string,
  logPath: string,
  nowMs: number,
): Record<string, string> {
  return {
    ...config.labels,
    ...withAnnotations(config.annotations),
    [typeLabel]: 'container',
    [sandboxIdLabel]: sandboxId,
    [logPathLabel]: logPath,
    [metadataLabel]: JSON.stringify(config.metadata),
    [createdLabel]: String(nowMs),
  };
}

/** Takes apart what {@link sandboxLabels} and {@link containerLabels} put together. */
export function readLabels(labels: Labels): { labels: Labels; annotations: Labels } {
  const plain: Record<string, string> = {};
  const annotations: Record<string, string> = {};
  for (const [key, value] of Object.entries(labels)) {
    if (key.startsWith(annotationPrefix)) annotations[key.slice(annotationPrefix.length)] = value;
    else if (!ownLabels.has(key) && !(key === containerNameLabel && value === 'POD')) plain[key] = value;
  }
  return { labels: plain, annotations };
}

const parse = <Value>(text: string | undefined, fallback: Value): Value =>
  text === undefined ? fallback : (JSON.parse(text) as Value);

export const createdAtMs = (labels: Labels): number => Number(labels[createdLabel] ?? 0);
export const sandboxMetadata = (labels: Labels): PodSandboxMetadata =>
  parse(labels[metadataLabel], { name: '', namespace: '', uid: '', attempt: 0 });
export const containerMetadata = (labels: Labels): ContainerMetadata => parse(labels[metadataLabel], { name: '', attempt: 0 });
export const sandboxNamespaces = (
  labels: Labels,
): { network: 'POD' | 'NODE'; pid: 'POD' | 'CONTAINER' | 'NODE'; ipc: 'POD' | 'NODE' } =>
  parse(labels[networkModeLabel], { network: 'POD', pid: 'POD', ipc: 'POD' });

/** Whether every pair of the selector is there. */
export const matches = (labels: Labels, selector: Labels | undefined): boolean =>
  Object.entries(selector ?? {}).every(([key, value]) => labels[key] === value);
