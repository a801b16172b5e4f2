/**
 * Makes sure that an image, of a container or of a volume, is on this node: pull policy, credentials, back-off, events.
 *
 * Source: upstream `pkg/kubelet/images/image_manager.go` (messages and reasons).
 */

import type { ContainerRuntime, Image, PodSandboxConfig } from '#agent/runtime/runtime.ts';
import type { Container, ObjectReference, Pod, Secret } from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';
import type { EventRecorder } from '#client/event-recorder.ts';
import { createBackOff, goDuration } from '../backoff.ts';
import { grpcErrorText } from '../errors.ts';
import { withDefaultTag } from '../image-name.ts';
import { credentialsFor } from './pull-secrets.ts';

/** The image is not available now. `reason` and `message` become the container's waiting state. */
export class ImageError extends Error {
  readonly reason:
    | 'ErrImagePull'
    | 'ImagePullBackOff'
    | 'ErrImageNeverPull'
    | 'InvalidImageName'
    | 'ImageInspectError'
    | 'RegistryUnavailable';
  /** When the next try may succeed, in ms since the epoch; undefined: at any time. */
  readonly retryAtMs: number | undefined;
  constructor(reason: ImageError['reason'], message: string, options: ErrorOptions & { retryAtMs?: number | undefined } = {}) {
    super(message, options);
    this.name = 'ImageError';
    this.reason = reason;
    this.retryAtMs = options.retryAtMs;
  }
}

/** An image that a pod needs now. */
export interface PullRequest {
  pod: Pod;
  /** Which image, and when to pull it, as a container or an image volume says. */
  image: Pick<Container, 'image' | 'imagePullPolicy'>;
  /** The object of the events: the pod, with the container's field path. */
  involvedObject: ObjectReference;
  sandboxConfig: PodSandboxConfig;
  /** The pod's imagePullSecrets that exist. */
  secrets: () => Promise<readonly Secret[]>;
  signal: AbortSignal;
}

/** An image that is on this node. */
export interface ReadyImage {
  /** The name to create the container with: the image's ID, or the reference. */
  ref: string;
  image: Image;
}

/** Makes sure that images are on this node. Failed pulls of one image and pod have a back-off of 10 s to 5 min. */
export interface ImagePuller {
  /**
   * Pulls the image by its policy. Waits for its turn until `signal` aborts.
   * @throws ImageError; the signal's reason when it aborts
   */
  ensure(request: PullRequest): Promise<ReadyImage>;
}

/** What the image puller works with. */
export interface ImagePullerDeps {
  runtime: ContainerRuntime;
  clock: Clock;
  events: EventRecorder;
  /** One pull at a time, as upstream does by default. The event `Pulled` tells the waiting time. */
  serialize: boolean;
}

/** The default follows the tag: `latest` (or none) is always pulled, others only when absent. */
const policyOf = ({ image = '', imagePullPolicy }: PullRequest['image']): string =>
  imagePullPolicy ?? (/(:latest$)|(^[^:@]*$)/.test(image) ? 'Always' : 'IfNotPresent');

/** An image puller whose events (`Pulling`, `Pulled`, `Failed`, `BackOff`) are upstream's. */
export function createImagePuller({ runtime, clock, events, serialize }: ImagePullerDeps): ImagePuller {
  const backOff = createBackOff(clock, { initialMs: 10_000, maxMs: 300_000 });
  const lastFailures = new Map<string, string>();
  let queue: Promise<unknown> = Promise.resolve();

  /** Runs `pull` after the pulls before it have ended or failed. When `signal` aborts, the caller stops waiting. */
  function enqueue<T>(pull: () => Promise<T>, signal: AbortSignal): Promise<T> {
    if (!serialize) return pull();
    const turn = queue.then(() => {
      signal.throwIfAborted();
      return pull();
    });
    queue = turn.catch(() => undefined);
    return new Promise((resolve, reject) => {
      const leave = (): void => reject(signal.reason);
      signal.addEventListener('abort', leave, { once: true });
      turn.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
    });
  }

  async function pull(
    { pod, involvedObject, sandboxConfig, secrets, signal }: PullRequest,
    requested: string,
    image: string,
  ): Promise<ReadyImage> {
    const key = `${pod.metadata.uid}_${requested}`;
    if (backOff.isWaitingSinceUpdate(key)) {
      events.event(involvedObject, 'Normal', 'BackOff', `Back-off pulling image "${requested}"`);
      const previous = lastFailures.get(key);
      const message = `Back-off pulling image "${requested}"${previous === undefined ? '' : `: ${previous}`}`;
      throw new ImageError('ImagePullBackOff', message, { retryAtMs: backOff.endsAtSinceUpdateMs(key) });
    }
    lastFailures.delete(key);
    events.event(involvedObject, 'Normal', 'Pulling', `Pulling image "${requested}"`);
    const askedMs = clock.now();
    try {
      const auths = credentialsFor(image, await secrets());
      const { ref, tookMs } = await enqueue(async () => {
        const startedMs = clock.now();
        const pulled = await pullWithAny(image, auths, sandboxConfig, signal);
        return { ref: pulled, tookMs: clock.now() - startedMs };
      }, signal);
      const pulled = await runtime.imageStatus({ image: ref });
      if (pulled === undefined) throw new Error(`the image "${ref}" is gone right after its pull`);
      const waited = goDuration(clock.now() - askedMs);
      events.event(
        involvedObject,
        'Normal',
        'Pulled',
        `Successfully pulled image "${requested}" in ${goDuration(tookMs)} (${waited} including waiting). Image size: ${pulled.sizeBytes} bytes.`,
      );
      backOff.collect();
      return { ref, image: pulled };
    } catch (error) {
      if (signal.aborted) throw error;
      const why = grpcErrorText(error);
      events.event(involvedObject, 'Warning', 'Failed', `Failed to pull image "${requested}": ${why}`);
      backOff.next(key, clock.now());
      lastFailures.set(key, `ErrImagePull: ${why}`);
      throw new ImageError('ErrImagePull', why, { cause: error, retryAtMs: backOff.endsAtSinceUpdateMs(key) });
    }
  }

  async function pullWithAny(
    image: string,
    auths: ReturnType<typeof credentialsFor>,
    sandboxConfig: PodSandboxConfig,
    signal: AbortSignal,
  ): Promise<string> {
    if (auths.length === 0) return runtime.pullImage({ image }, undefined, sandboxConfig, signal);
    let last: unknown;
    for (const auth of auths) {
      try {
        return await runtime.pullImage({ image }, auth, sandboxConfig, signal);
      } catch (error) {
        last = error;
      }
    }
    throw last;
  }

  return {
    async ensure(request) {
      const { involvedObject } = request;
      const requested = request.image.image ?? '';
      const image = nameOrThrow(requested, involvedObject);
      const policy = policyOf(request.image);
      const present = policy === 'Always' ? undefined : await inspect(image, requested, involvedObject);
      if (present !== undefined) {
        events.event(
          involvedObject,
          'Normal',
          'Pulled',
          `Container image "${requested}" already present on machine and can be accessed by the pod`,
        );
        return { ref: present.id, image: present };
      }
      if (policy === 'Never') {
        const message = `Container image "${requested}" is not present with pull policy of Never`;
        events.event(involvedObject, 'Warning', 'ErrImageNeverPull', message);
        throw new ImageError('ErrImageNeverPull', message);
      }
      return pull(request, requested, image);
    },
  };

  function nameOrThrow(requested: string, involvedObject: ObjectReference): string {
    try {
      return withDefaultTag(requested);
    } catch (error) {
      const message = `Failed to apply default image tag "${requested}": ${grpcErrorText(error)}`;
      events.event(involvedObject, 'Warning', 'InspectFailed', message);
      throw new ImageError('InvalidImageName', message, { cause: error });
    }
  }

  async function inspect(image: string, requested: string, involvedObject: ObjectReference): Promise<Image | undefined> {
    try {
      return await runtime.imageStatus({ image });
    } catch (error) {
      const message = `Failed to inspect image "${requested}": ${grpcErrorText(error)}`;
      events.event(involvedObject, 'Warning', 'InspectFailed', message);
      throw new ImageError('ImageInspectError', message, { cause: error });
    }
  }
}
