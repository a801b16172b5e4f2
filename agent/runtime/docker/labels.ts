/**
 * Stores CRI's metadata in the labels and names of Docker containers, because Docker stores nothing else for us. Labels and names
 * are those of dockershim and cri-dockerd. Pure.
 */
import type { ContainerConfig, ContainerMetadata, Labels, PodSandboxConfig, PodSandboxMetadata } from '../types.ts';

/** `podsandbox` or `container`. */
export const typeLabel = 'io.kubernetes.docker.type';
/** The id of the sandbox that a container belongs to. */
export const sandboxIdLabel = 'io.kubernetes.sandbox.id';
/** The absolute path of a container's log. */
export const logPathLabel = 'io.kubernetes.container.logpath';
const containerNameLabel = 'io.kubernetes.container.name';
const annotationPrefix = 'annotation.';
/** Our own label: the metadata as CRI gave it. It cannot be parsed from the name, because names may contain underscores. */
const metadataLabel = 'io.tinkernetes.metadata';
/**
 * Our own label: the creation time. Docker's lists have it only in seconds, which is not enough to find the newest of two
 * containers.
 */
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

/** The name of a sandbox's Docker container: `k8s_POD_<pod>_<namespace>_<uid>_<attempt>`. */
export const sandboxName = ({ name, namespace, uid, attempt }: PodSandboxMetadata): string =>
  ['k8s', 'POD', name, namespace, uid, attempt].join('_');

/** The name of a Docker container: `k8s_<container>_<pod>_<namespace>_<uid>_<attempt>`. */
export const containerName = (container: ContainerMetadata, pod: PodSandboxMetadata): string =>
  ['k8s', container.name, pod.name, pod.namespace, pod.uid, container.attempt].join('_');

/** The labels of a sandbox's Docker container. */
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

/** The labels of a Docker container. */
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

/**
 * The CRI labels and annotations in the labels of a Docker container. The inverse of {@link sandboxLabels} and {@link
 * containerLabels}.
 */
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

/** The creation time of a Docker container, in milliseconds since the epoch; 0 when it has no label. */
export const createdAtMs = (labels: Labels): number => Number(labels[createdLabel] ?? 0);
/** The CRI metadata of a sandbox. */
export const sandboxMetadata = (labels: Labels): PodSandboxMetadata =>
  parse(labels[metadataLabel], { name: '', namespace: '', uid: '', attempt: 0 });
/** The CRI metadata of a container. */
export const containerMetadata = (labels: Labels): ContainerMetadata => parse(labels[metadataLabel], { name: '', attempt: 0 });
/** The modes of a sandbox's namespaces. */
export const sandboxNamespaces = (
  labels: Labels,
): { network: 'POD' | 'NODE'; pid: 'POD' | 'CONTAINER' | 'NODE'; ipc: 'POD' | 'NODE' } =>
  parse(labels[networkModeLabel], { network: 'POD', pid: 'POD', ipc: 'POD' });

/** Whether the labels contain every pair of the selector. */
export const matches = (labels: Labels, selector: Labels | undefined): boolean =>
  Object.entries(selector ?? {}).every(([key, value]) => labels[key] === value);
