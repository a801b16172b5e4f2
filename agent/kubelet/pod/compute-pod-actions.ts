/**
 * Computes the actions that make the runtime match a pod's spec, from the observed containers and the results of probes. Pure.
 *
 * Source: upstream `pkg/kubelet/kuberuntime/kuberuntime_manager.go` (computePodActions), KEP-753 for sidecars.
 */
import { ephemeralContainers, initContainers, isSidecar } from '#api/pod/containers.ts';
import type { Container, Pod } from '#api/types.generated.ts';
import { type Actuated, planContainerResize, type ResizePlan } from '../allocation/resize-plan.ts';
import { containerHash } from '../container/labels.ts';
import type { KillReason } from './grace-period.ts';
import type { ObservedContainer, ObservedPod } from './observed.ts';
import { findContainer, isRunning } from './observed.ts';
import { restartsAfterKill, shouldRestartAfterExit } from './pod-spec.ts';

/** Results of probes by container ID; undefined: no result yet, or no such probe. */
export interface ProbeResults {
  startup(containerId: string): 'success' | 'failure' | undefined;
  liveness(containerId: string): 'success' | 'failure' | undefined;
}

/** A container that has to be stopped. `message` is that of the event `Killing`. */
export interface KillAction {
  container: ObservedContainer;
  message: string;
  reason: KillReason;
}

/** The actions of one sync. Empty lists and `false` mean nothing to do. */
export interface PodActions {
  /** Stop all containers and the sandbox. Together with {@link createSandbox}, the pod is started again from the beginning. */
  killPod: boolean;
  createSandbox: boolean;
  /** The sandbox to use when none is created. */
  sandboxId: string | undefined;
  /** The number of the sandbox to create: 0 for the first. */
  attempt: number;
  /** Init containers to start, in the order of the spec. */
  startInit: Container[];
  start: Container[];
  startEphemeral: Container[];
  kill: KillAction[];
  /** Running containers whose CPU or memory is changed in place. */
  resize: ResizePlan;
}

/** Information about running containers besides their state. */
interface Known {
  probes: ProbeResults;
  actuated: Actuated;
}

interface SandboxDecision {
  changed: boolean;
  attempt: number;
  sandboxId: string | undefined;
}

/** Whether the pod needs a new sandbox: its own is gone, has no address, or has another network than the spec asks for. Pure. */
export function sandboxDecision(pod: Pod, observed: ObservedPod): SandboxDecision {
  const newest = observed.sandboxes[0];
  if (newest === undefined) return { changed: true, attempt: 0, sandboxId: undefined };
  const anew = { changed: true, attempt: newest.metadata.attempt + 1, sandboxId: newest.id };
  const ready = observed.sandboxes.filter(({ state }) => state === 'SANDBOX_READY');
  if (ready.length > 1 || newest.state !== 'SANDBOX_READY') return anew;
  const network = pod.spec.hostNetwork === true ? 'NODE' : 'POD';
  if (newest.namespaceOptions.network !== network) return { ...anew, sandboxId: undefined };
  if (network === 'POD' && newest.network.ip === '') return anew;
  return { changed: false, attempt: newest.metadata.attempt, sandboxId: newest.id };
}

/**
 * The plan of one sync. Pure. @param pod with its allocated resources @param actuated the resources that running containers were last given
 */
export function computePodActions(pod: Pod, observed: ObservedPod, probes: ProbeResults, actuated: Actuated): PodActions {
  const { changed, attempt, sandboxId } = sandboxDecision(pod, observed);
  const actions: PodActions = {
    killPod: changed,
    createSandbox: changed,
    sandboxId,
    attempt,
    startInit: [],
    start: [],
    startEphemeral: [],
    kill: [],
    resize: { memory: [], cpu: [] },
  };
  if (changed) {
    planNewSandbox(pod, observed, actions);
    return actions;
  }
  actions.startEphemeral = ephemeralContainers(pod).filter(({ name }) => findContainer(observed, name) === undefined);
  const initialized = planInit(pod, observed, { probes, actuated }, actions);
  if (actions.killPod || !initialized) return actions;

  const kept = pod.spec.containers.filter((container) => planContainer(pod, container, observed, { probes, actuated }, actions));
  if (kept.length === 0 && actions.start.length === 0) {
    actions.killPod = true;
    // A pod whose containers have finished must not live on because its sidecars start again.
    actions.startInit = [];
  }
  return actions;
}

function planNewSandbox(pod: Pod, observed: ObservedPod, actions: PodActions): void {
  const anyContainer = observed.containers.length > 0;
  if (pod.spec.restartPolicy === 'Never' && actions.attempt !== 0 && anyContainer) {
    actions.createSandbox = false;
    return;
  }
  const start = pod.spec.containers.filter((container) => {
    const policy = container.restartPolicy ?? pod.spec.restartPolicy;
    return !(policy === 'OnFailure' && hasSucceeded(findContainer(observed, container.name)));
  });
  const everInitialized = pod.spec.containers.some(({ name }) => findContainer(observed, name) !== undefined);
  if (start.length === 0 && everInitialized) {
    actions.createSandbox = false;
    return;
  }
  const first = initContainers(pod)[0];
  if (first === undefined) actions.start = start;
  else actions.startInit = [first];
}

const hasSucceeded = (container: ObservedContainer | undefined): boolean =>
  container?.status.state === 'CONTAINER_EXITED' && container.status.exitCode === 0;

/** Plans one of the pod's containers. @returns whether it runs and is kept */
function planContainer(
  pod: Pod,
  container: Container,
  observed: ObservedPod,
  { probes, actuated }: Known,
  actions: PodActions,
): boolean {
  const current = findContainer(observed, container.name);
  if (current === undefined || !isRunning(current)) {
    if (!shouldStart(pod, container, current)) return false;
    actions.start.push(container);
    if (current?.status.state === 'CONTAINER_UNKNOWN') actions.kill.push(killUnknown('Container', current));
    return false;
  }
  const verdict = killVerdict(container, current, probes);
  if (verdict === undefined) {
    if (planContainerResize(actions.resize, pod, container, current, actuated) === 'keep') return true;
    actions.start.push(container);
    actions.kill.push(killForResize(container, current));
    return false;
  }
  const restart = verdict.reason === 'Changed' || restartsAfterKill(pod, container);
  if (restart) actions.start.push(container);
  actions.kill.push({
    container: current,
    reason: verdict.reason,
    message: restart ? `${verdict.message}, will be restarted` : verdict.message,
  });
  return false;
}

function shouldStart(pod: Pod, container: Container, current: ObservedContainer | undefined): boolean {
  if (pod.metadata.deletionTimestamp !== undefined) return false;
  if (current === undefined) return true;
  if (current.status.state === 'CONTAINER_UNKNOWN' || current.status.state === 'CONTAINER_CREATED') return true;
  return shouldRestartAfterExit(pod, container, current.status.exitCode);
}

function killVerdict(
  container: Container,
  current: ObservedContainer,
  probes: ProbeResults,
): { message: string; reason: KillReason } | undefined {
  const { name } = container;
  if (current.labels.hash !== containerHash(container))
    return { message: `Container ${name} definition changed`, reason: 'Changed' };
  const { id } = current.status;
  if (probes.liveness(id) === 'failure') return { message: `Container ${name} failed liveness probe`, reason: 'LivenessProbe' };
  if (probes.startup(id) === 'failure') return { message: `Container ${name} failed startup probe`, reason: 'StartupProbe' };
  return undefined;
}

const killForResize = ({ name }: Container, container: ObservedContainer): KillAction => ({
  container,
  reason: 'Changed',
  message: `Container ${name} resize requires restart`,
});

const killUnknown = (what: string, container: ObservedContainer): KillAction => ({
  container,
  reason: 'Unknown',
  message: `${what} is in "unknown" state, try killing it before restart`,
});

/** The result for one init container: nothing more to do, start it (again), start the next one, or the pod has failed. */
type InitStep = { done?: boolean; again?: boolean; next?: boolean; failed?: boolean; kill?: KillAction };

/**
 * Plans init containers, from the last to the first: the newest that ran tells how far initialization is, even when the
 * containers before it have been removed from the runtime. @returns whether the pod's containers may run
 */
function planInit(pod: Pod, observed: ObservedPod, known: Known, actions: PodActions): boolean {
  const containers = initContainers(pod);
  if (containers.length === 0) return true;
  let initialized = pod.spec.containers.some(({ name }) => {
    const state = findContainer(observed, name)?.status.state;
    return state === 'CONTAINER_CREATED' || state === 'CONTAINER_RUNNING';
  });
  let passed = initialized;
  const start: Container[] = [];
  for (let index = containers.length - 1; index >= 0; index--) {
    const container = containers[index];
    if (container === undefined) continue;
    const current = findContainer(observed, container.name);
    if (current === undefined) {
      if (passed && isSidecar(container)) start.unshift(container);
      continue;
    }
    if (passed && !isSidecar(container)) continue;
    const step = isSidecar(container)
      ? resizedSidecar(pod, container, current, sidecarStep(container, current, known.probes), known, actions)
      : initStep(pod, container, current);
    if (!isSidecar(container) && isRunning(current)) planContainerResize(actions.resize, pod, container, current, known.actuated);
    if (step.failed === true) {
      actions.killPod = true;
      actions.startInit = [];
      return false;
    }
    if (step.next === true) {
      const following = containers[index + 1];
      if (following === undefined) initialized = true;
      else if (!passed) start.unshift(following);
    }
    if (step.kill !== undefined) actions.kill.push(step.kill);
    if (step.again === true) start.unshift(container);
    passed = true;
  }
  const first = containers[0];
  if (!passed && first !== undefined) start.push(first);
  if (pod.metadata.deletionTimestamp === undefined) actions.startInit = start;
  return initialized;
}

/** A sidecar that keeps running may be resized in place, or may have to restart for it. */
function resizedSidecar(
  pod: Pod,
  container: Container,
  current: ObservedContainer,
  step: InitStep,
  { actuated }: Known,
  { resize }: PodActions,
): InitStep {
  if (step.kill !== undefined || step.again === true || !isRunning(current)) return step;
  if (planContainerResize(resize, pod, container, current, actuated) === 'keep') return step;
  return { ...step, again: true, kill: killForResize(container, current) };
}

function initStep(pod: Pod, container: Container, current: ObservedContainer): InitStep {
  const { state, exitCode } = current.status;
  if (state === 'CONTAINER_CREATED') return { again: true };
  if (state === 'CONTAINER_RUNNING') return {};
  const restart = restartsAfterKill(pod, container);
  if (state === 'CONTAINER_UNKNOWN')
    return restart ? { again: true, kill: killUnknown('Init container', current) } : { failed: true };
  if (exitCode === 0) return { next: true };
  return shouldRestartAfterExit(pod, container, exitCode) ? { again: true } : { failed: true };
}

function sidecarStep(container: Container, current: ObservedContainer, probes: ProbeResults): InitStep {
  const { state, id } = current.status;
  if (state === 'CONTAINER_UNKNOWN') return { again: true, kill: killUnknown('Init container', current) };
  if (state !== 'CONTAINER_RUNNING') return { again: true };
  const kill = (what: string, reason: KillReason): KillAction => ({
    container: current,
    reason,
    message: `Init container ${container.name} ${what}`,
  });
  if (container.startupProbe !== undefined) {
    const startup = probes.startup(id);
    if (startup === 'failure') return { again: true, kill: kill('failed startup probe', 'StartupProbe') };
    if (startup === undefined) return {};
  }
  if (current.labels.hash !== containerHash(container))
    return { next: true, again: true, kill: kill('definition changed', 'Changed') };
  if (container.livenessProbe !== undefined && probes.liveness(id) === 'failure') {
    return { next: true, again: true, kill: kill('failed liveness probe', 'LivenessProbe') };
  }
  return { next: true };
}
