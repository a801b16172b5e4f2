/**
 * Stopping containers: hooks first, then the stop signal with what is left of the grace period; sidecars after the others.
 *
 * Source: upstream `pkg/kubelet/kuberuntime/kuberuntime_container.go` (killContainer), `…_termination_order.go`, KEP-753.
 */

import type { Logger } from 'pino';
import type { ContainerRuntime } from '#agent/runtime/runtime.ts';
import { findContainer, initContainers, isSidecar } from '#api/pod/containers.ts';
import type { Container, LifecycleHandler, ObjectReference, Pod } from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';
import { within } from '#client/clock.ts';
import type { EventRecorder } from '#client/event-recorder.ts';
import type { Lanes } from '../lane.ts';
import { containerGraceSeconds, type KillReason, minimumGraceSeconds } from './grace-period.ts';
import type { HookRunner } from './lifecycle.ts';
import type { ObservedContainer, ObservedPod } from './observed.ts';
import { fieldPath } from './pod-spec.ts';

/**
 * Time in ms after which the next container is stopped, even if this one still uses its grace period. It spreads the stops of many
 * containers.
 */
const stopLendAfterMs = 500;

/** The dependencies of {@link killContainer}. */
export interface KillDeps {
  runtime: ContainerRuntime;
  lanes: Lanes;
  clock: Clock;
  events: EventRecorder;
  hooks: HookRunner;
  log: Logger;
}

/** One container that has to stop. */
export interface KillRequest {
  /** Undefined when the pod is no longer known. The container's labels and annotations are used then. */
  pod: Pod | undefined;
  container: ObservedContainer;
  podIp: string;
  message?: string | undefined;
  reason?: KillReason | undefined;
  /** Replaces the grace period that follows from the pod. */
  graceSeconds?: number | undefined;
  /**
   * The container is stopped after this promise settles, or when its grace period is over. Sidecars wait for the other containers in this
   * way.
   */
  turn?: Promise<void> | undefined;
  skipPreStop?: boolean | undefined;
}

/** The reference to a pod, or to one of its containers, for events. Pure. */
export function podReference(pod: Pod, container?: string): ObjectReference {
  const { namespace, name, uid, resourceVersion } = pod.metadata;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    namespace,
    name,
    uid,
    resourceVersion,
    ...(container === undefined ? {} : { fieldPath: fieldPath(pod, container) }),
  };
}

function referenceOf({ pod, container }: KillRequest): ObjectReference {
  if (pod !== undefined) return podReference(pod, container.name);
  const { namespace, name, uid } = container.labels;
  return { apiVersion: 'v1', kind: 'Pod', namespace, name, uid, fieldPath: `spec.containers{${container.name}}` };
}

/** Settles when the container has stopped. @throws RuntimeError when the runtime cannot stop it */
export async function killContainer(deps: KillDeps, request: KillRequest): Promise<void> {
  const { clock, events, runtime, log } = deps;
  const { pod, container, reason, message = `Stopping container ${container.name}` } = request;
  const spec = pod === undefined ? undefined : findContainer(pod, container.name)?.container;
  events.event(referenceOf(request), 'Normal', 'Killing', message);
  const graceSeconds = request.graceSeconds ?? containerGraceSeconds(pod, spec, reason, container.labels.terminationGraceSeconds);
  const startedMs = clock.now();
  const leftSeconds = (): number => graceSeconds - Math.floor((clock.now() - startedMs) / 1000);

  const preStop = spec?.lifecycle?.preStop ?? container.labels.preStop;
  if (preStop !== undefined && graceSeconds > 0 && request.skipPreStop !== true)
    await runPreStop(deps, request, spec, preStop, graceSeconds);
  if (request.turn !== undefined && leftSeconds() > 0) await within(clock, leftSeconds() * 1000, request.turn);
  const timeoutSeconds = Math.max(leftSeconds(), minimumGraceSeconds);
  log.debug({ container: container.name, containerId: container.status.id, timeoutSeconds, reason }, 'stopping a container');
  // The grace period begins when the runtime is told, so the wait for the lane does not shorten it.
  await deps.lanes.stops.run(() => runtime.stopContainer(container.status.id, timeoutSeconds), { lendAfterMs: stopLendAfterMs });
}

async function runPreStop(
  deps: KillDeps,
  request: KillRequest,
  spec: Container | undefined,
  preStop: LifecycleHandler,
  graceSeconds: number,
): Promise<void> {
  const { container, podIp } = request;
  const target = {
    container: spec ?? { name: container.name, ports: container.labels.ports },
    containerId: container.status.id,
    podIp,
  };
  const cut = new AbortController();
  const hook = deps.hooks.run(preStop, target, cut.signal).catch((error: unknown) => {
    if (cut.signal.aborted) return;
    deps.log.warn({ err: error, container: container.name }, 'a preStop hook failed');
    deps.events.event(referenceOf(request), 'Warning', 'FailedPreStopHook', 'PreStopHook failed');
  });
  if (await within(deps.clock, graceSeconds * 1000, hook)) return;
  cut.abort();
  deps.log.warn({ container: container.name, graceSeconds }, 'a preStop hook did not end within the grace period');
}

/** Options of {@link killPodContainers}. `graceSeconds` replaces the grace periods that follow from the pod. */
export interface KillPodOptions {
  podIp: string;
  graceSeconds?: number | undefined;
  /** Does not run the preStop hooks: an earlier call has started them, and this call shortens the grace period. */
  skipPreStop?: boolean | undefined;
}

/** Stops all running containers of a pod, sidecars last and in reverse order. Settles when all have stopped. */
export async function killPodContainers(
  deps: KillDeps,
  pod: Pod | undefined,
  observed: ObservedPod,
  options: KillPodOptions,
): Promise<void> {
  const alive = observed.containers.filter(
    ({ status }) => status.state === 'CONTAINER_RUNNING' || status.state === 'CONTAINER_UNKNOWN',
  );
  const sidecars =
    pod === undefined
      ? []
      : initContainers(pod)
          .filter(isSidecar)
          .map(({ name }) => name);
  const stopped = new Map<string, Promise<void>>();
  // Stop in this order: each container waits for the promises of those before it, so those must be created first.
  const order = [...alive].sort((a, b) => sidecars.indexOf(b.name) - sidecars.indexOf(a.name));
  const ordered = [
    ...order.filter(({ name }) => !sidecars.includes(name)),
    ...order.filter(({ name }) => sidecars.includes(name)),
  ];
  for (const container of ordered) {
    const turn = sidecars.includes(container.name) ? Promise.allSettled(stopped.values()).then(() => undefined) : undefined;
    stopped.set(container.status.id, killContainer(deps, { pod, container, turn, ...options }));
  }
  const results = await Promise.allSettled(stopped.values());
  const failure = results.find((result) => result.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
}
