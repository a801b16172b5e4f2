/**
 * Carries out the actions of `computePodActions` (sandbox, init containers, containers), and stops and removes pods.
 *
 * Source: upstream `pkg/kubelet/kuberuntime/kuberuntime_manager.go` (SyncPod).
 */
import { makeFolders } from '#agent/host/safe-open.ts';
import type { ContainerRuntime, ImageSpec, PodSandboxConfig } from '#agent/runtime/runtime.ts';
import { initContainers, isSidecar } from '#api/pod/containers.ts';
import type { Container, Pod, Secret } from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';
import { untilAborted } from '#client/until-aborted.ts';
import { actuateResize, podLimitsToChange } from '../allocation/actuate-resize.ts';
import type { ResizePlan } from '../allocation/resize-plan.ts';
import type { Resizes } from '../allocation/resizes.ts';
import type { BackOff } from '../backoff.ts';
import { goDuration } from '../backoff.ts';
import type { ContainerStarter } from '../container/container-starter.ts';
import { StartError } from '../container/container-starter.ts';
import type { ClusterDns, ResolvConf } from '../container/dns.ts';
import { podDns } from '../container/dns.ts';
import type { PodFacts } from '../container/field-ref.ts';
import { podHostname } from '../container/hostname.ts';
import { sandboxConfig } from '../container/sandbox-config.ts';
import { grpcErrorText, messageText } from '../errors.ts';
import { removeLogs } from '../logs/log-file.ts';
import type { Paths } from '../paths.ts';
import type { PodCgroups } from '../resources/pod-cgroups.ts';
import { type MachineResources, podCgroup } from '../resources/resources.ts';
import type { StartFailure } from '../status/container-statuses.ts';
import type { MountedVolume } from '../volumes/volumes.ts';
import type { PodActions, ProbeResults } from './compute-pod-actions.ts';
import { computePodActions } from './compute-pod-actions.ts';
import type { KillDeps } from './kill-containers.ts';
import { killContainer, killPodContainers, podReference } from './kill-containers.ts';
import { type NetworkGate, passNetworkGate } from './network-gate.ts';
import type { ObservedContainer, ObservedPod } from './observed.ts';
import { findContainer, isRunning } from './observed.ts';
import { formatPod } from './pod-spec.ts';

/** The dependencies of {@link createPodRuntime}. */
export interface PodRuntimeDeps extends KillDeps {
  runtime: ContainerRuntime;
  clock: Clock;
  starter: ContainerStarter;
  probes: ProbeResults;
  resizes: Pick<Resizes, 'actuated' | 'record'>;
  cgroups: PodCgroups;
  networkGate?: NetworkGate | undefined;
  machine: MachineResources;
  /** The back-off of containers that crash. */
  crashBackOff: BackOff;
  paths: Paths;
  cgroupRoot: string;
  clusterDns: ClusterDns;
  readHostResolvConf: () => Promise<ResolvConf>;
  /** Writes the pod's /etc/hosts. @returns its path on the node */
  writeHostsFile: (pod: Pod, podIps: readonly string[]) => Promise<string>;
}

/** One sync of one pod. `signal` ends it early: nothing more is started then. */
export interface SyncInputs {
  pod: Pod;
  observed: ObservedPod;
  volumes: ReadonlyMap<string, MountedVolume>;
  facts: PodFacts;
  secrets: () => Promise<readonly Secret[]>;
  signal: AbortSignal;
}

/** The result of a sync. */
export interface SyncResult {
  /** Something was started or stopped, so the pod needs another sync. */
  acted: boolean;
  /** Why containers could not be started, by name. */
  failures: ReadonlyMap<string, StartFailure>;
  /** When the next try may succeed, in ms since the epoch: the earliest back-off ends, or a failure may be over. */
  retryAtMs?: number | undefined;
  /** Why running containers could not be resized to the pod's allocation. */
  resizeProblem?: string | undefined;
}

/** Makes the runtime match a pod's spec. Its only state is the back-off of crashing containers. */
export interface PodRuntime {
  /**
   * Carries out one sync.
   * @throws RuntimeError when the sandbox cannot be made or the runtime fails; the signal's reason when it aborts
   */
  sync(inputs: SyncInputs): Promise<SyncResult>;
  /** Stops the containers within the grace period, then the sandboxes. @throws RuntimeError when one cannot be stopped */
  kill(
    pod: Pod | undefined,
    observed: ObservedPod,
    options: { podIp: string; graceSeconds?: number | undefined; skipPreStop?: boolean | undefined },
  ): Promise<void>;
  /**
   * Removes old dead containers, and stopped sandboxes without containers.
   * @param keepPerContainer how many dead ones of each name stay besides the running one
   */
  collect(observed: ObservedPod, keepPerContainer: number): Promise<void>;
  /** Removes all containers and sandboxes of a pod. They must be stopped. */
  remove(observed: ObservedPod): Promise<void>;
}

/**
 * A missing ConfigMap sends no event to the pod when it appears, so a container that could not be made is tried again on a
 * timer.
 */
const retryMs = 10_000;
/** Pause in ms before the next sync of a pod when only its control group was changed. */
const groupRetryMs = 1000;

const backOffKey = (pod: Pod, container: Container): string => `${pod.metadata.uid}/${container.name}/${container.image ?? ''}`;

/** A pod runtime with upstream's events (`SandboxChanged`, `BackOff`, `FailedPostStartHook`, …). */
export function createPodRuntime(deps: PodRuntimeDeps): PodRuntime {
  const { runtime, lanes, events, paths, starter, crashBackOff } = deps;

  async function configOf(pod: Pod, attempt: number): Promise<PodSandboxConfig> {
    const { namespace = '', name, uid } = pod.metadata;
    const logDirectory = paths.podLogDir({ namespace, name, uid });
    const dns = podDns(pod, await deps.readHostResolvConf(), deps.clusterDns);
    if (dns.warning !== undefined) events.event(podReference(pod), 'Warning', 'DNSConfigForming', dns.warning);
    return sandboxConfig({
      pod,
      attempt,
      logDirectory,
      dns: dns.config,
      hostname: podHostname(pod, deps.clusterDns.domain).hostname,
      cgroupParent: podCgroup(deps.cgroupRoot, pod),
      localSeccomp: paths.seccompProfile,
    });
  }

  /** Starts a sandbox. @returns its ID and address; undefined when `signal` aborts before its turn comes */
  async function createSandbox(
    pod: Pod,
    config: PodSandboxConfig,
    signal: AbortSignal,
  ): Promise<{ sandboxId: string; ips: string[] } | undefined> {
    let hasBegun = false;
    let sandboxId: string;
    const begin = (): Promise<string> => {
      hasBegun = true;
      return runtime.runPodSandbox(config);
    };
    try {
      if (config.logDirectory !== undefined) await makeFolders(paths.podLogsRoot, config.logDirectory, 0o755);
      sandboxId = await lanes.starts.run(begin, { signal });
    } catch (error) {
      if (signal.aborted && !hasBegun) return undefined;
      events.event(
        podReference(pod),
        'Warning',
        'FailedCreatePodSandBox',
        `Failed to create pod sandbox: ${grpcErrorText(error)}`,
      );
      throw error;
    }
    const { network } = await runtime.podSandboxStatus(sandboxId);
    return { sandboxId, ips: network.ip === '' ? [] : [network.ip, ...network.additionalIps] };
  }

  /** The back-off of a crashed container. Undefined when it may start now; its next back-off is then longer. */
  function crashWait(pod: Pod, container: Container, observed: ObservedPod): StartError | undefined {
    const last = observed.containers.find(({ name, status }) => name === container.name && status.state === 'CONTAINER_EXITED');
    if (last === undefined) return undefined;
    const key = backOffKey(pod, container);
    const endedMs = last.status.finishedAtMs;
    if (!crashBackOff.isWaiting(key, endedMs)) {
      crashBackOff.next(key, endedMs);
      return undefined;
    }
    events.event(
      podReference(pod, container.name),
      'Warning',
      'BackOff',
      `Back-off restarting failed container ${container.name} in pod ${formatPod(pod)}`,
    );
    const message = `back-off ${goDuration(crashBackOff.delayMs(key))} restarting failed container=${container.name} pod=${formatPod(pod)}`;
    return new StartError('CrashLoopBackOff', message, { retryAtMs: crashBackOff.endsAtMs(key, endedMs) });
  }

  async function postStart({ pod, signal }: SyncInputs, container: Container, containerId: string, podIp: string): Promise<void> {
    const hook = container.lifecycle?.postStart;
    if (hook === undefined) return;
    try {
      await deps.hooks.run(hook, { container, containerId, podIp }, signal);
    } catch (error) {
      // The pod must end, which stops the container anyway, so do not wait for the hook.
      if (signal.aborted) throw error;
      deps.log.warn({ err: error, container: container.name }, 'a postStart hook failed');
      events.event(podReference(pod, container.name), 'Warning', 'FailedPostStartHook', 'PostStartHook failed');
      const fresh = await runtime.containerStatus(containerId);
      const labels = {
        container: container.name,
        namespace: pod.metadata.namespace ?? '',
        name: pod.metadata.name,
        uid: pod.metadata.uid,
      };
      const killed: ObservedContainer = {
        name: container.name,
        sandboxId: '',
        status: fresh,
        labels: { ...labels, hash: '', restartCount: 0, terminationMessagePath: '', terminationMessagePolicy: '', ports: [] },
      };
      await killContainer(deps, { pod, container: killed, podIp, message: 'FailedPostStartHook', reason: 'PostStartHook' });
      throw new StartError('PostStartHookError', 'PostStartHookError', { cause: error });
    }
  }

  async function startAll(
    inputs: SyncInputs,
    actions: PodActions,
    sandboxId: string,
    ips: readonly string[],
    fresh: boolean,
  ): Promise<SyncResult> {
    const { pod, observed } = inputs;
    const failures = new Map<string, StartFailure>();
    const retries: number[] = [];
    let acted = false;
    const facts: PodFacts = { ...inputs.facts, podIps: ips.length > 0 ? ips : inputs.facts.podIps };
    const sandboxConfig = await configOf(pod, actions.attempt);
    if (actions.startEphemeral.length + actions.startInit.length + actions.start.length > 0)
      await passNetworkGate(deps.networkGate, events, { pod, ips: facts.podIps, signal: inputs.signal });
    const volumeImages = new Map<string, Promise<ImageSpec>>();
    const hostsFile = deps.writeHostsFile(pod, facts.podIps);
    // Each container that is started awaits this promise and reports its failure; without containers nobody does.
    hostsFile.catch(() => undefined);

    async function startContainer(container: Container, targetId: string | undefined): Promise<string> {
      const path = await hostsFile.catch((error: unknown) => {
        const message = messageText(error);
        events.event(podReference(pod, container.name), 'Warning', 'Failed', `Error: ${message}`);
        throw new StartError('CreateContainerConfigError', message, { cause: error });
      });
      return starter.start(container, { ...inputs, facts, sandboxId, sandboxConfig, hostsFile: path, volumeImages }, targetId);
    }

    const start = async (container: Container, targetId?: string): Promise<boolean> => {
      const waiting = crashWait(pod, container, observed);
      try {
        if (waiting !== undefined) throw waiting;
        const id = await startContainer(container, targetId);
        acted = true;
        await postStart(inputs, container, id, facts.podIps[0] ?? '');
        return true;
      } catch (error) {
        if (inputs.signal.aborted) throw error;
        if (!(error instanceof StartError)) throw error;
        failures.set(container.name, { reason: error.reason, message: error.message });
        retries.push(error.retryAtMs ?? deps.clock.now() + retryMs);
        return false;
      }
    };

    for (const container of actions.startEphemeral) {
      const target = pod.spec.ephemeralContainers?.find(({ name }) => name === container.name)?.targetContainerName;
      const targetId = target === undefined || target === '' ? undefined : findContainer(observed, target)?.status.id;
      await start(container, targetId);
    }
    let blocked = false;
    for (const container of actions.startInit) {
      if (inputs.signal.aborted || blocked) break;
      blocked = !(await start(container)) && !isSidecar(container);
    }
    if (!blocked) for (const container of actions.start) if (!inputs.signal.aborted) await start(container);
    return { acted: acted || fresh, failures, ...(retries.length === 0 ? {} : { retryAtMs: Math.min(...retries) }) };
  }

  /** Resizes containers. A failure must not stop the rest of the sync. */
  async function resize(
    { pod, observed, signal }: SyncInputs,
    plan: ResizePlan,
  ): Promise<{ acted: boolean; retryAfterMs?: number; problem?: string }> {
    const isPodOther = Object.keys(podLimitsToChange(pod, observed.cgroup, deps.machine.cgroupVersion)).length > 0;
    const isContainerOther = plan.memory.length + plan.cpu.length > 0;
    if (!isPodOther && !isContainerOther) return { acted: false };
    const { cgroups, machine } = deps;
    const record = deps.resizes.record.bind(deps.resizes);
    try {
      const work = actuateResize({ runtime, cgroups, machine, record }, pod, plan);
      // A pod that must end does not wait for a runtime that does not answer. A later result is ignored.
      work.catch(() => undefined);
      await Promise.race([work, untilAborted(signal)]);
      if (signal.aborted) return { acted: false };
      // The kernel may keep a limit different from the one written. Without a pause we would write it again at once.
      return isContainerOther ? { acted: true } : { acted: false, retryAfterMs: groupRetryMs };
    } catch (error) {
      deps.log.warn({ err: error, pod: formatPod(pod) }, 'a pod could not be resized; will be tried again');
      // Not `acted`, because the next attempt must come after a pause.
      return { acted: false, retryAfterMs: retryMs, problem: messageText(error) };
    }
  }

  return {
    async sync(inputs) {
      const { pod, observed, signal } = inputs;
      const { uid } = pod.metadata;
      const actions = computePodActions(pod, observed, deps.probes, (one) => deps.resizes.actuated(uid, one));
      const podIp = inputs.facts.podIps[0] ?? '';
      let acted = false;
      if (actions.killPod) {
        if (actions.createSandbox && actions.sandboxId !== undefined) {
          events.event(podReference(pod), 'Normal', 'SandboxChanged', 'Pod sandbox changed, it will be killed and re-created.');
        }
        acted = observed.containers.some(isRunning) || observed.sandboxes.some(({ state }) => state === 'SANDBOX_READY');
        await this.kill(pod, observed, { podIp });
        if (!actions.createSandbox) return { acted, failures: new Map() };
      }
      for (const { container, message, reason } of actions.kill) {
        await killContainer(deps, { pod, container, podIp, message, reason });
        acted = true;
      }
      if (signal.aborted) return { acted, failures: new Map() };
      if (!actions.createSandbox) {
        if (actions.sandboxId === undefined) return { acted, failures: new Map() };
        const resized = await resize(inputs, actions.resize);
        const result = await startAll(inputs, actions, actions.sandboxId, inputs.facts.podIps, acted || resized.acted);
        if (resized.retryAfterMs === undefined) return result;
        const retryAtMs = Math.min(result.retryAtMs ?? Number.POSITIVE_INFINITY, deps.clock.now() + resized.retryAfterMs);
        return { ...result, retryAtMs, resizeProblem: resized.problem };
      }
      // Init containers run again in a new sandbox. Remove their old containers: otherwise the next sync would think that initialization is
      // complete.
      const initNames = new Set(initContainers(pod).map(({ name }) => name));
      for (const container of observed.containers) if (initNames.has(container.name)) await removeContainer(container);
      const sandbox = await createSandbox(pod, await configOf(pod, actions.attempt), signal);
      if (sandbox === undefined) return { acted, failures: new Map() };
      return startAll(inputs, actions, sandbox.sandboxId, sandbox.ips, true);
    },

    async kill(pod, observed, options) {
      await killPodContainers(deps, pod, observed, options);
      await Promise.all(observed.sandboxes.map(({ id }) => lanes.stops.run(() => runtime.stopPodSandbox(id), { turn: 'begun' })));
    },

    async collect(observed, keepPerContainer) {
      const seen = new Map<string, number>();
      const kept = new Set<string>();
      for (const container of observed.containers) {
        const count = seen.get(container.name) ?? 0;
        const alive = isRunning(container) || container.status.state === 'CONTAINER_UNKNOWN';
        // The pod's status shows the newest container; `kubectl logs --previous` needs the one before it.
        if (alive || count <= keepPerContainer - (isNewestRunning(observed, container.name) ? 0 : 1))
          kept.add(container.sandboxId);
        else await removeContainer(container);
        seen.set(container.name, count + 1);
      }
      for (const sandbox of observed.sandboxes.slice(1)) {
        if (sandbox.state === 'SANDBOX_NOTREADY' && !kept.has(sandbox.id)) await removeSandbox(sandbox.id);
      }
    },

    async remove(observed) {
      for (const container of observed.containers) await removeContainer(container);
      for (const { id } of observed.sandboxes) await removeSandbox(id);
    },
  };

  function removeSandbox(id: string): Promise<void> {
    return lanes.stops.run(() => runtime.removePodSandbox(id), { turn: 'later' });
  }

  async function removeContainer({ status }: ObservedContainer): Promise<void> {
    await lanes.stops.run(() => runtime.removeContainer(status.id), { turn: 'later' });
    if (status.logPath !== '') await removeLogs(status.logPath);
  }
}

const isNewestRunning = (observed: ObservedPod, name: string): boolean => {
  const newest = findContainer(observed, name);
  return newest !== undefined && isRunning(newest);
};
