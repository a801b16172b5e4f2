/**
 * The labels and annotations by which a restarted kubelet recognises its sandboxes and containers. Pure.
 *
 * Source: upstream `pkg/kubelet/kuberuntime/labels.go` (names), `pkg/kubelet/container/helpers.go` (what is hashed).
 */

import { createHash } from 'node:crypto';
import type { Labels } from '#agent/runtime/runtime.ts';
import { parseExact, stringifyExact } from '#api/int64.ts';
import type { Container, ContainerPort, LifecycleHandler, Pod } from '#api/types.generated.ts';

const podNameLabel = 'io.kubernetes.pod.name';
const podNamespaceLabel = 'io.kubernetes.pod.namespace';
export const podUidLabel = 'io.kubernetes.pod.uid';
const containerNameLabel = 'io.kubernetes.container.name';
const hashAnnotation = 'io.kubernetes.container.hash';
const restartCountAnnotation = 'io.kubernetes.container.restartCount';
const terminationMessagePathAnnotation = 'io.kubernetes.container.terminationMessagePath';
const terminationMessagePolicyAnnotation = 'io.kubernetes.container.terminationMessagePolicy';
const preStopAnnotation = 'io.kubernetes.container.preStopHandler';
const portsAnnotation = 'io.kubernetes.container.ports';
const deletionGraceAnnotation = 'io.kubernetes.pod.deletionGracePeriod';
const terminationGraceAnnotation = 'io.kubernetes.pod.terminationGracePeriod';

export interface PodLabels {
  name: string;
  namespace: string;
  uid: string;
}

/** What a container's labels and annotations tell, also when its pod is no longer known. */
export interface ContainerLabels extends PodLabels {
  container: string;
  hash: string;
  restartCount: number;
  terminationMessagePath: string;
  terminationMessagePolicy: string;
  preStop?: LifecycleHandler | undefined;
  ports: ContainerPort[];
  terminationGraceSeconds?: number | undefined;
}

export function sandboxLabels(pod: Pod): Record<string, string> {
  return {
    ...pod.metadata.labels,
    [podNameLabel]: pod.metadata.name,
    [podNamespaceLabel]: pod.metadata.namespace ?? '',
    [podUidLabel]: pod.metadata.uid,
  };
}

export function containerLabels(pod: Pod, container: Container): Record<string, string> {
  return {
    [podNameLabel]: pod.metadata.name,
    [podNamespaceLabel]: pod.metadata.namespace ?? '',
    [podUidLabel]: pod.metadata.uid,
    [containerNameLabel]: container.name,
  };
}

export function containerAnnotations(pod: Pod, container: Container, restartCount: number): Record<string, string> {
  const annotations: Record<string, string> = {
    [hashAnnotation]: containerHash(container),
    [restartCountAnnotation]: `${restartCount}`,
    [terminationMessagePathAnnotation]: container.terminationMessagePath ?? '',
    [terminationMessagePolicyAnnotation]: container.terminationMessagePolicy ?? '',
  };
  const { deletionGracePeriodSeconds } = pod.metadata;
  const { terminationGracePeriodSeconds } = pod.spec;
  if (deletionGracePeriodSeconds !== undefined) annotations[deletionGraceAnnotation] = `${deletionGracePeriodSeconds}`;
  if (terminationGracePeriodSeconds !== undefined) annotations[terminationGraceAnnotation] = `${terminationGracePeriodSeconds}`;
  if (container.lifecycle?.preStop !== undefined) annotations[preStopAnnotation] = stringifyExact(container.lifecycle.preStop);
  if (container.ports !== undefined && container.ports.length > 0) annotations[portsAnnotation] = JSON.stringify(container.ports);
  return annotations;
}

/** Whose sandbox or container this is; undefined for what another program made in the same runtime. */
export function parsePodLabels(labels: Labels): PodLabels | undefined {
  const name = labels[podNameLabel];
  const namespace = labels[podNamespaceLabel];
  const uid = labels[podUidLabel];
  return name === undefined || namespace === undefined || uid === undefined ? undefined : { name, namespace, uid };
}

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
    terminationGraceSeconds: grace === undefined ? undefined : Number(grace),
  };
}

function parseJson<T>(text: string | undefined): T | undefined {
  if (text === undefined) return undefined;
  try {
    return parseExact(text) as T;
  } catch {
    // Written by another kubelet in another way: as good as absent.
    return undefined;
  }
}

/** Changes only when the container has to be made anew: its name or its image (the only field that an update may change). */
export function containerHash(container: Container): string {
  return createHash('sha256')
    .update(JSON.stringify([container.name, container.image ?? '']))
    .digest('hex')
    .slice(0, 8);
}
