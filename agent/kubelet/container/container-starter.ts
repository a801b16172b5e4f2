/**
 * Starting one container: image, environment, mounts, creation, start, postStart hook.
 *
 * Source: upstream `pkg/kubelet/kuberuntime/kuberuntime_container.go` (startContainer), `pkg/kubelet/kubelet_pods.go` (mounts).
 */
import type { Mounts } from '#agent/host/mount.ts';
import { hasCode, openFolder } from '#agent/host/safe-open.ts';
import type { ContainerRuntime, ImageSpec, Mount, PodSandboxConfig } from '#agent/runtime/runtime.ts';
import type { Container, Pod, Secret, Service } from '#api/types.generated.ts';
import type { EventRecorder } from '#client/event-recorder.ts';
import { messageText } from '../errors.ts';
import type { ImagePuller } from '../images/image-puller.ts';
import { ImageError } from '../images/image-puller.ts';
import type { Lane } from '../lane.ts';
import type { Paths } from '../paths.ts';
import { podReference } from '../pod/kill-containers.ts';
import type { ObservedPod } from '../pod/observed.ts';
import { findContainer } from '../pod/observed.ts';
import { containerResources } from '../resources/resources.ts';
import type { PathGate } from '../volumes/path-gate.ts';
import type { MountedVolume } from '../volumes/volumes.ts';
import { containerConfig } from './container-config.ts';
import { containerMounts, prepareLog } from './container-mounts.ts';
import type { ReferencedObjects } from './env.ts';
import { resolveEnv } from './env.ts';
import type { PodFacts } from './field-ref.ts';
import { nonRootViolation } from './security.ts';
import { serviceVariables } from './service-env.ts';

/** A container could not be started. `reason` and `message` become its `waiting` state. */
export class StartError extends Error {
  readonly reason: string;
  /** When the next try may succeed, in ms since the epoch; undefined: after the usual pause. */
  readonly retryAtMs: number | undefined;
  constructor(reason: string, message: string, options: ErrorOptions & { retryAtMs?: number | undefined } = {}) {
    super(message, options);
    this.name = 'StartError';
    this.reason = reason;
    this.retryAtMs = options.retryAtMs;
  }
}

/** The dependencies of {@link createContainerStarter}. */
export interface StarterDeps {
  /** Limits how many containers start at the same time. */
  lane: Lane;
  runtime: ContainerRuntime;
  events: EventRecorder;
  images: ImagePuller;
  objects: ReferencedObjects;
  mounts: Mounts;
  gate: PathGate;
  paths: Paths;
  services: () => readonly Service[];
  machine: { memoryBytes: number; cgroupVersion: 1 | 2 };
}

/** What all containers of one sync share: the pod, its sandbox, its volumes. `hostsFile` is the path of the pod's /etc/hosts. */
export interface StartContext {
  pod: Pod;
  observed: ObservedPod;
  sandboxId: string;
  sandboxConfig: PodSandboxConfig;
  volumes: ReadonlyMap<string, MountedVolume>;
  facts: PodFacts;
  hostsFile: string;
  /** Images that are mounted as volumes, pulled for the first container that mounts them; by the volume's name. */
  volumeImages: Map<string, Promise<ImageSpec>>;
  secrets: () => Promise<readonly Secret[]>;
  signal: AbortSignal;
}

/** Starts one container after the other; several pods may start theirs at the same time. */
export interface ContainerStarter {
  /**
   * Starts the container.
   * @param targetId for an ephemeral container: the container whose processes it sees
   * @returns its ID
   * @throws StartError when the image, the environment, a mount or the runtime fails
   */
  start(container: Container, context: StartContext, targetId?: string): Promise<string>;
}

/** A starter whose events (`Pulled`, `Created`, `Started`, `Failed`) are upstream's. */
export function createContainerStarter(deps: StarterDeps): ContainerStarter {
  const { runtime, events, paths } = deps;
  return {
    async start(container, context, targetId) {
      const { pod, sandboxId, sandboxConfig, signal } = context;
      const reference = podReference(pod, container.name);
      const fail = (reason: string, error: unknown, retryAtMs?: number): never => {
        const message = messageText(error);
        events.event(reference, 'Warning', 'Failed', `Error: ${error instanceof ImageError ? reason : message}`);
        throw new StartError(reason, message, { cause: error, retryAtMs });
      };
      const failPull = (error: unknown): never =>
        error instanceof ImageError ? fail(error.reason, error, error.retryAtMs) : fail('ErrImagePull', error);
      const images = await imageVolumes(deps, context, container).catch(failPull);
      const { ref, image } = await deps.images
        .ensure({ pod, image: container, involvedObject: reference, sandboxConfig, secrets: context.secrets, signal })
        .catch(failPull);

      const restartCount = await nextRestartCount(context, container, paths);
      const config = await prepare(deps, context, container, restartCount, images)
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

      // Containers come before the sandboxes of other pods, so that a pod whose start has begun becomes ready soon.
      return deps.lane.run(
        async () => {
          const id = await runtime
            .createContainer(sandboxId, config, sandboxConfig)
            .catch((error: unknown) => fail('CreateContainerError', error));
          events.event(reference, 'Normal', 'Created', 'Container created');
          await runtime.startContainer(id).catch((error: unknown) => fail('RunContainerError', error));
          events.event(reference, 'Normal', 'Started', 'Container started');
          return id;
        },
        { turn: 'begun', signal },
      );
    },
  };
}

/**
 * The restart count of the last container plus one. Where the runtime has removed that container, its log files tell the count.
 */
async function nextRestartCount({ pod, observed }: StartContext, container: Container, paths: Paths): Promise<number> {
  const last = findContainer(observed, container.name);
  if (last !== undefined) return last.labels.restartCount + 1;
  const { namespace = '', name, uid } = pod.metadata;
  const files = await logNames(paths, paths.containerLogDir({ namespace, name, uid }, container.name));
  // No container is restarted a billion times, so a longer number is not from the kubelet.
  return files.reduce((count, file) => Math.max(count, Number(/^(\d{1,9})\.log/.exec(file)?.[1] ?? -1) + 1), 0);
}

/** The names in the folder; none where it does not exist, or is no folder. */
async function logNames(paths: Paths, containerLogDir: string): Promise<string[]> {
  try {
    await using folder = await openFolder(paths.podLogsRoot, containerLogDir);
    return (await folder.list()).map(({ name }) => name);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}

/**
 * The images that the container mounts as volumes, pulled. Source: upstream `kuberuntime_manager.go` (getImageVolumes).
 * @throws ImageError
 */
async function imageVolumes(
  { images }: StarterDeps,
  { pod, sandboxConfig, secrets, signal, volumeImages }: StartContext,
  container: Container,
): Promise<Map<string, ImageSpec>> {
  const mounted = new Set((container.volumeMounts ?? []).map(({ name }) => name));
  const found = new Map<string, ImageSpec>();
  for (const { name, image } of pod.spec.volumes ?? []) {
    if (image === undefined || !mounted.has(name)) continue;
    const { reference = '', pullPolicy } = image;
    const pulled =
      volumeImages.get(name) ??
      images
        .ensure({
          pod,
          image: { image: reference, imagePullPolicy: pullPolicy },
          involvedObject: podReference(pod),
          sandboxConfig,
          secrets,
          signal,
        })
        .then(({ ref }) => ({ image: ref, userSpecifiedImage: reference }));
    volumeImages.set(name, pulled);
    found.set(name, await pulled);
  }
  return found;
}

interface Prepared {
  env: Map<string, string>;
  mounts: Mount[];
}

async function prepare(
  { paths, mounts, gate, objects, services }: StarterDeps,
  { pod, facts, volumes, hostsFile }: StartContext,
  container: Container,
  restartCount: number,
  images: ReadonlyMap<string, ImageSpec>,
): Promise<Prepared> {
  await prepareLog(paths, pod, container, restartCount);
  const serviceEnv = serviceVariables(services(), pod.metadata.namespace ?? '', pod.spec.enableServiceLinks ?? true);
  const env = await resolveEnv({ pod, container, objects, serviceVariables: serviceEnv, facts });
  return {
    env,
    mounts: await containerMounts({ pod, container, restartCount, volumes, images, env, hostsFile, paths, mounts, gate }),
  };
}
