/** For tests only: pods, and the observations of them that a runtime would give. */

import type { ContainerStatus, PodSandboxStatus } from '#agent/runtime/runtime.ts';
import type { Container, Pod, PodSpec, PodStatus } from '#api/types.generated.ts';
import { containerHash } from './container/labels.ts';
import type { ObservedContainer, ObservedPod } from './pod/observed.ts';

export const image = 'busybox:1';

export const aContainer = (name: string, more: Partial<Container> = {}): Container => ({ name, image, ...more });

export function aPod(spec: Partial<PodSpec> = {}, more: { metadata?: Partial<Pod['metadata']>; status?: PodStatus } = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 'web',
      namespace: 'shop',
      uid: 'uid-1',
      resourceVersion: '1',
      creationTimestamp: '2026-01-01T00:00:00Z',
      generation: 1,
      ...more.metadata,
    },
    spec: { containers: [aContainer('c')], restartPolicy: 'Always', nodeName: 'n1', ...spec },
    ...(more.status === undefined ? {} : { status: more.status }),
  };
}

export const aSandbox = (more: Partial<PodSandboxStatus> = {}): PodSandboxStatus => ({
  id: 'sandbox-0',
  metadata: { name: 'web', namespace: 'shop', uid: 'uid-1', attempt: 0 },
  state: 'SANDBOX_READY',
  createdAtMs: 1,
  labels: {},
  annotations: {},
  runtimeHandler: '',
  network: { ip: '10.0.0.9', additionalIps: [] },
  namespaceOptions: { network: 'POD', pid: 'CONTAINER', ipc: 'POD' },
  ...more,
});

/** A container as the runtime has it: `running`, or ended with an exit code. */
export function observedContainer(
  container: Container,
  state: 'running' | 'created' | 'unknown' | number,
  more: { restartCount?: number; status?: Partial<ContainerStatus> } = {},
): ObservedContainer {
  const exited = typeof state === 'number';
  const restartCount = more.restartCount ?? 0;
  return {
    name: container.name,
    sandboxId: 'sandbox-0',
    status: {
      id: `${container.name}-${restartCount}`,
      metadata: { name: container.name, attempt: restartCount },
      state: exited
        ? 'CONTAINER_EXITED'
        : state === 'running'
          ? 'CONTAINER_RUNNING'
          : state === 'created'
            ? 'CONTAINER_CREATED'
            : 'CONTAINER_UNKNOWN',
      createdAtMs: 10 + restartCount,
      startedAtMs: 1000,
      finishedAtMs: exited ? 2000 : 0,
      exitCode: exited ? state : 0,
      image: { image },
      imageRef: 'sha256:1',
      imageId: 'sha256:1',
      reason: exited ? (state === 0 ? 'Completed' : 'Error') : '',
      message: '',
      labels: {},
      annotations: {},
      mounts: [],
      logPath: '',
      stopSignal: '',
      ...more.status,
    },
    labels: {
      name: 'web',
      namespace: 'shop',
      uid: 'uid-1',
      container: container.name,
      hash: containerHash(container),
      restartCount,
      terminationMessagePath: '',
      terminationMessagePolicy: '',
      ports: [],
    },
  };
}

export const observe = (containers: ObservedContainer[] = [], sandboxes: PodSandboxStatus[] = [aSandbox()]): ObservedPod => ({
  uid: 'uid-1',
  name: 'web',
  namespace: 'shop',
  sandboxes,
  containers,
});
