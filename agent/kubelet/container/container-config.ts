/** A container in CRI's terms. Pure. Source: upstream `pkg/kubelet/kuberuntime/kuberuntime_container.go`. */

import type { ContainerConfig, Image, LinuxContainerResources, Mount, MountPropagation } from '#agent/runtime/runtime.ts';
import type { Container, Pod } from '#api/types.generated.ts';
import { containerLogPath } from '../paths.ts';
import { checkExecLength, expand } from './expansion.ts';
import { containerAnnotations, containerLabels } from './labels.ts';
import { containerSecurityContext } from './security.ts';

/** The inputs of a container's configuration. `env`, `mounts` and `image` are resolved already. */
export interface ContainerInputs {
  pod: Pod;
  container: Container;
  restartCount: number;
  image: Image;
  imageRef: string;
  env: ReadonlyMap<string, string>;
  mounts: readonly Mount[];
  resources: LinuxContainerResources;
  localSeccomp: (name: string) => string;
  targetId?: string | undefined;
}

/** A volumeMount's `mountPropagation` in CRI's terms; `None` by default. Pure. */
export const mountPropagation = (propagation: string | undefined): MountPropagation =>
  propagation === 'Bidirectional'
    ? 'PROPAGATION_BIDIRECTIONAL'
    : propagation === 'HostToContainer'
      ? 'PROPAGATION_HOST_TO_CONTAINER'
      : 'PROPAGATION_PRIVATE';

/** The container as CRI's CreateContainer takes it. Pure. @throws Error when its command is too long for a program */
export function containerConfig(inputs: ContainerInputs): ContainerConfig {
  const { pod, container, restartCount, image, imageRef, env, mounts, resources, localSeccomp, targetId } = inputs;
  let length = 0;
  const expanded = (words: readonly string[] | undefined): string[] =>
    (words ?? []).map((word) => {
      const value = expand(word, (name) => env.get(name));
      length += value.length;
      checkExecLength(length);
      return value;
    });
  return {
    metadata: { name: container.name, attempt: restartCount },
    image: { image: imageRef, userSpecifiedImage: container.image },
    command: expanded(container.command),
    args: expanded(container.args),
    ...(container.workingDir === undefined || container.workingDir === '' ? {} : { workingDir: container.workingDir }),
    envs: [...env].map(([key, value]) => ({ key, value })),
    mounts,
    labels: containerLabels(pod, container),
    annotations: containerAnnotations(pod, container, restartCount),
    logPath: containerLogPath(container.name, restartCount),
    stdin: container.stdin === true,
    stdinOnce: container.stdinOnce === true,
    tty: container.tty === true,
    ...(container.lifecycle?.stopSignal === undefined ? {} : { stopSignal: container.lifecycle.stopSignal }),
    linux: { resources, securityContext: containerSecurityContext({ pod, container, image, localSeccomp, targetId }) },
  };
}
