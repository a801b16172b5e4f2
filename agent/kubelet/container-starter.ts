/**
 * Starting one container: image, environment, mounts, creation, start, postStart hook.
 *
 * Source: upstream `pkg/kubelet/kuberuntime/kuberuntime_container.go` (startContainer), `pkg/kubelet/kubelet_pods.go` (mounts).
 */
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Mounts } from '#agent/host/mount.ts';
import type { ContainerRuntime, Mount, PodSandboxConfig } from '#agent/runtime/runtime.ts';
import type { Container, Pod, Secret, Service, VolumeMount } from '#api/types.generated.ts';
import type { EventRecorder } from '#client/event-recorder.ts';
import { containerConfig, mountPropagation } from './container-config.ts';
import type { ReferencedObjects } from './env.ts';
import { resolveEnv } from './env.ts';
import { messageText } from './errors.ts';
import { expand } from './expansion.ts';
import type { PodFacts } from './field-ref.ts';
import type { ImagePuller } from './images/image-puller.ts';
import { ImageError } from './images/image-puller.ts';
import { podReference } from './kill-containers.ts';
import type { ObservedPod } from './observed.ts';
import { findContainer } from './observed.ts';
import type { Paths } from './paths.ts';
import { containerResources } from './resources.ts';
import { nonRootViolation } from './security.ts';
import { serviceVariables } from './service-env.ts';
import { bindSubPath } from './volumes/sub-path.ts';
import type { MountedVolume } from './volumes/volumes.ts';

/** A container could not be started: becomes its waiting state. */
export class StartError extends Error {
  readonly reason: string;
  /** When another try makes sense; undefined: after the usual pause. */
  readonly retryAtMs: number | undefined;
  constructor(reason: string, message: string, options: ErrorOptions & { retryAtMs?: number | undefined } = {}) {
    super(message, options);
    this.name = 'StartError';
    this.reason = reason;
    this.retryAtMs = options.retryAtMs;
  }
}

export interface StarterDeps {
  runtime: ContainerRuntime;
  events: EventRecorder;
  images: ImagePuller;
  objects: ReferencedObjects;
  mounts: Mounts;
  paths: Paths;
  services: () => readonly Service[];
  machine: { memoryBytes: number; cgroupVersion: 1 | 2 };
}

export interface StartContext {
  pod: Pod;
  observed: ObservedPod;
  sandboxId: string;
  sandboxConfig: PodSandboxConfig;
  volumes: ReadonlyMap<string, MountedVolume>;
  facts: PodFacts;
  hostsFile: string;
  secrets: () => Promise<readonly Secret[]>;
  signal: AbortSignal;
}

export interface ContainerStarter {
  /** Starts the container. @returns its ID. @throws StartError */
  start(container: Container, context: StartContext, targetId?: string): Promise<string>;
}

export function createContainerStarter(deps: StarterDeps): ContainerStarter {
  const { runtime, events, paths } = deps;
  return {
    async start(container, context, targetId) {
      const { pod, sandboxId, sandboxConfig, signal } = context;
      const about = podReference(pod, container.name);
      const fail = (reason: string, error: unknown, retryAtMs?: number): never => {
        const message = messageText(error);
        events.event(about, 'Warning', 'Failed', `Error: ${error instanceof ImageError ? reason : message}`);
        throw new StartError(reason, message, { cause: error, retryAtMs });
      };
      const { ref, image } = await deps.images
        .ensure({ pod, container, about, sandboxConfig, secrets: context.secrets, signal })
        .catch((error: unknown) =>
          error instanceof ImageError ? fail(error.reason, error, error.retryAtMs) : fail('ErrImagePull', error),
        );

      const restartCount = await nextRestartCount(context, container, paths);
      const config = await prepare(deps, context, container, restartCount)
        .then(({ env, mounts }) => {
          const violation = nonRootViolation(pod, container, image);
          if (violation !== undefined) throw new Error(violation);
          return containerConfig({
            pod,
            container,
            restartCount,
            image,
            imageRef: ref,
            env,
            mounts,
            targetId,
            resources: containerResources(pod, container, deps.machine),
            localSeccomp: paths.seccompProfile,
          });
        })
        .catch((error: unknown) => fail('CreateContainerConfigError', error));

      const id = await runtime
        .createContainer(sandboxId, config, sandboxConfig)
        .catch((error: unknown) => fail('CreateContainerError', error));
      events.event(about, 'Normal', 'Created', 'Container created');
      await runtime.startContainer(id).catch((error: unknown) => fail('RunContainerError', error));
      events.event(about, 'Normal', 'Started', 'Container started');
      return id;
    },
  };
}

/** One more than the last container's; when the runtime has forgotten it, the log files tell. */
async function nextRestartCount({ pod, observed }: StartContext, container: Container, paths: Paths): Promise<number> {
  const last = findContainer(observed, container.name);
  if (last !== undefined) return last.labels.restartCount + 1;
  const { namespace = '', name, uid } = pod.metadata;
  const files = await readdir(paths.containerLogDir({ namespace, name, uid }, container.name)).catch(() => []);
  const counts = files.flatMap((file) => {
    const match = /^(\d+)\.log/.exec(file);
    return match === null ? [] : [Number(match[1])];
  });
  return counts.length === 0 ? 0 : Math.max(...counts) + 1;
}

interface Prepared {
  env: Map<string, string>;
  mounts: Mount[];
}

async function prepare(deps: StarterDeps, context: StartContext, container: Container, restartCount: number): Promise<Prepared> {
  const { pod, facts } = context;
  const { namespace = '', name, uid } = pod.metadata;
  await mkdir(deps.paths.containerLogDir({ namespace, name, uid }, container.name), { recursive: true, mode: 0o755 });
  const services = serviceVariables(deps.services(), namespace, pod.spec.enableServiceLinks ?? true);
  const env = await resolveEnv({ pod, container, objects: deps.objects, serviceVariables: services, facts });
  const mounts: Mount[] = [];
  for (const [index, mount] of (container.volumeMounts ?? []).entries())
    mounts.push(await volumeMount(deps, context, container, mount, index, env));
  const termination = await terminationLog(deps.paths, uid, container, restartCount);
  if (termination !== undefined) mounts.push(termination);
  if (!mounts.some(({ containerPath }) => containerPath === '/etc/hosts')) {
    mounts.push({
      containerPath: '/etc/hosts',
      hostPath: context.hostsFile,
      readonly: container.securityContext?.readOnlyRootFilesystem === true,
    });
  }
  return { env, mounts };
}

async function volumeMount(
  deps: StarterDeps,
  { pod, volumes }: StartContext,
  container: Container,
  mount: VolumeMount,
  index: number,
  env: ReadonlyMap<string, string>,
): Promise<Mount> {
  const volume = volumes.get(mount.name);
  if (volume === undefined) throw new Error(`cannot find volume "${mount.name}" to mount into container "${container.name}"`);
  const subPath =
    mount.subPathExpr === undefined || mount.subPathExpr === '' ? mount.subPath : expandStrictly(mount.subPathExpr, env);
  let { hostPath } = volume;
  if (subPath !== undefined && subPath !== '') {
    const target = join(deps.paths.subPathsDir(pod.metadata.uid), mount.name, container.name, `${index}`);
    hostPath = await bindSubPath(deps.mounts, volume.hostPath, subPath, target).catch((error: unknown) => {
      throw new Error(`failed to prepare subPath for volumeMount "${mount.name}" of container "${container.name}"`, {
        cause: error,
      });
    });
  }
  return {
    containerPath: mount.mountPath.startsWith('/') ? mount.mountPath : `/${mount.mountPath}`,
    hostPath,
    readonly: mount.readOnly === true || volume.readOnly,
    propagation: mountPropagation(mount.mountPropagation),
    ...(mount.recursiveReadOnly === 'Enabled' ? { recursiveReadOnly: true } : {}),
  };
}

function expandStrictly(expression: string, env: ReadonlyMap<string, string>): string {
  return expand(expression, (name) => {
    const value = env.get(name);
    if (value === undefined) throw new Error(`missing value for "${name}"`);
    return value;
  });
}

/** An empty file that the container may write its last words to. */
async function terminationLog(paths: Paths, uid: string, container: Container, restartCount: number): Promise<Mount | undefined> {
  if (container.terminationMessagePath === undefined || container.terminationMessagePath === '') return undefined;
  const hostPath = paths.terminationLog(uid, container.name, restartCount);
  await mkdir(dirname(hostPath), { recursive: true });
  await writeFile(hostPath, '');
  // Whatever user the container runs as.
  await chmod(hostPath, 0o666);
  return { containerPath: container.terminationMessagePath, hostPath };
}
