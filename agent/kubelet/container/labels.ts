/**
 * The labels and annotations by which a restarted kubelet recognises its sandboxes and containers. Pure.
 *
 * Source: upstream `pkg/kubelet/kuberuntime/labels.go` (names), `pkg/kubelet/container/helpers.go` (what is hashed).
 */

import { createHash } from 'node:crypto';
import type { Labels } from '#agent/runtime/runtime.ts';
import { parseExact, stringifyExact } from '#api/int64.ts';
import type { Container, ContainerPort, LifecycleHandler, Pod, ResourceRequirements } from '#api/types.generated.ts';
import { effectiveResources } from '../resources/resources.ts';

const podNameLabel = 'io.kubernetes.pod.name';
const podNamespaceLabel = 'io.kubernetes.pod.namespace';
/** The label with the UID of the pod that a sandbox or container belongs to. */
export const podUidLabel = 'io.kubernetes.pod.uid';
const containerNameLabel = 'io.kubernetes.container.name';
const hashAnnotation = 'io.kubernetes.container.hash';
const restartCountAnnotation = 'io.kubernetes.container.restartCount';
const terminationMessagePathAnnotation = 'io.kubernetes.container.terminationMessagePath';
const terminationMessagePolicyAnnotation = 'io.kubernetes.container.terminationMessagePolicy';
const preStopAnnotation = 'io.kubernetes.container.preStopHandler';
/** Not upstream's: the resources that the container was started with, as JSON. A resize compares with them. */
const resourcesAnnotation = 'io.tinkernetes.container.resources';
const portsAnnotation = 'io.kubernetes.container.ports';
const deletionGraceAnnotation = 'io.kubernetes.pod.deletionGracePeriod';
const terminationGraceAnnotation = 'io.kubernetes.pod.terminationGracePeriod';

/** The pod that a sandbox or container belongs to. */
export interface PodLabels {
  name: string;
  namespace: string;
  uid: string;
}

/** The content of a container's labels and annotations. It is available even when the kubelet no longer knows the pod. */
export interface ContainerLabels extends PodLabels {
  container: string;
  hash: string;
  restartCount: number;
  terminationMessagePath: string;
  terminationMessagePolicy: string;
  preStop?: LifecycleHandler | undefined;
  ports: ContainerPort[];
  /** The CPU and memory that the container started with; undefined when an older kubelet did not record them. */
  resources?: ResourceRequirements | undefined;
  terminationGraceSeconds?: number | undefined;
}

/** The labels of a pod's sandbox: its own, and those that name it. Pure. */
export function sandboxLabels(pod: Pod): Record<string, string> {
  return {
    ...pod.metadata.labels,
    [podNameLabel]: pod.metadata.name,
    [podNamespaceLabel]: pod.metadata.namespace ?? '',
    [podUidLabel]: pod.metadata.uid,
  };
}

/** The labels of a container: those that name it and its pod. Pure. */
export function containerLabels(pod: Pod, container: Container): Record<string, string> {
  return {
    [podNameLabel]: pod.metadata.name,
    [podNamespaceLabel]: pod.metadata.namespace ?? '',
    [podUidLabel]: pod.metadata.uid,
    [containerNameLabel]: container.name,
  };
}

/** The annotations of a container: what is needed to stop it when the kubelet no longer knows its pod. Pure. */
export function containerAnnotations(pod: Pod, container: Container, restartCount: number): Record<string, string> {
  const annotations: Record<string, string> = {
    [hashAnnotation]: containerHash(container),
    [restartCountAnnotation]: `${restartCount}`,
    [terminationMessagePathAnnotation]: container.terminationMessagePath ?? '',
    [terminationMessagePolicyAnnotation]: container.terminationMessagePolicy ?? '',
    [resourcesAnnotation]: JSON.stringify(effectiveResources(pod, container)),
  };
  const { deletionGracePeriodSeconds } = pod.metadata;
  const { terminationGracePeriodSeconds } = pod.spec;
  if (deletionGracePeriodSeconds !== undefined) annotations[deletionGraceAnnotation] = `${deletionGracePeriodSeconds}`;
  if (terminationGracePeriodSeconds !== undefined) annotations[terminationGraceAnnotation] = `${terminationGracePeriodSeconds}`;
  if (container.lifecycle?.preStop !== undefined) annotations[preStopAnnotation] = stringifyExact(container.lifecycle.preStop);
  if (container.ports !== undefined && container.ports.length > 0) annotations[portsAnnotation] = JSON.stringify(container.ports);
  return annotations;
}

/** The pod of a sandbox or container; undefined when another program made it in the same runtime. */
export function parsePodLabels(labels: Labels): PodLabels | undefined {
  const name = labels[podNameLabel];
  const namespace = labels[podNamespaceLabel];
  const uid = labels[podUidLabel];
  return name === undefined || namespace === undefined || uid === undefined ? undefined : { name, namespace, uid };
}

/**
 * Reads what {@link containerLabels} and {@link containerAnnotations} wrote; undefined for a container that no kubelet made.
 * Pure.
 */
export function parseContainerLabels(labels: Labels, annotations: Labels): ContainerLabels | undefined {
  const pod = parsePodLabels(labels);
  const container = labels[containerNameLabel];
  if (pod === undefined || container === undefined) return undefined;
  const grace = annotations[terminationGraceAnnotation];
  return {
    ...pod,
    container,
    hash: annotations[hashAnnotation] ?? '',
    restartCount: Number(annotations[restartCountAnnotation] ?? 0),
    terminationMessagePath: annotations[terminationMessagePathAnnotation] ?? '',
    terminationMessagePolicy: annotations[terminationMessagePolicyAnnotation] ?? '',
    preStop: parseJson<LifecycleHandler>(annotations[preStopAnnotation]),
    ports: parseJson<ContainerPort[]>(annotations[portsAnnotation]) ?? [],
    resources: parseJson<ResourceRequirements>(annotations[resourcesAnnotation]),
    terminationGraceSeconds: grace === undefined ? undefined : Number(grace),
  };
}

function parseJson<T>(text: string | undefined): T | undefined {
  if (text === undefined) return undefined;
  try {
    return parseExact(text) as T;
  } catch {
    // Another kubelet wrote it in another format: it counts as absent.
    return undefined;
  }
}

/**
 * A hash that changes only when the container must be created again: it covers name and image (the only field that an update may change).
 */
export function containerHash(container: Container): string {
  return createHash('sha256')
    .update(JSON.stringify([container.name, container.image ?? '']))
    .digest('hex')
    .slice(0, 8);
}
