/** What CRI asks of a sandbox or container, in the terms of Docker's `POST /containers/create`. Pure. */
import type { ContainerCreateOptions, HostConfig } from 'dockerode';
import type {
  ContainerConfig,
  LinuxContainerResources,
  LinuxContainerSecurityContext,
  LinuxSandboxSecurityContext,
  Mount,
  NamespaceOption,
  PodSandboxConfig,
} from '../types.ts';
import { containerLabels, containerName, sandboxLabels, sandboxName } from './labels.ts';

export interface CreateDefaults {
  sandboxImage: string;
  nowMs: number;
  /** oom_score_adj is kept at or above it: without CAP_SYS_RESOURCE nothing can go below the daemon's own. */
  minOomScoreAdj: number;
  /** Docker wants a Localhost profile's text, not its path. */
  readSeccompProfile(path: string): string;
}

/** json-file is what log reading relies on; Docker keeps two files of 10 MB, the kubelet rotates the CRI log itself. */
const logConfig = { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '2' } } as const;

export function sandboxCreateOptions(config: PodSandboxConfig, defaults: CreateDefaults): ContainerCreateOptions {
  const context = config.linux?.securityContext ?? {};
  const hostNetwork = context.namespaceOptions?.network === 'NODE';
  return {
    name: sandboxName(config.metadata),
    Image: defaults.sandboxImage,
    Labels: sandboxLabels(config, defaults.nowMs),
    ...(hostNetwork || !config.hostname ? {} : { Hostname: config.hostname }),
    ...userOf(context),
    HostConfig: {
      NetworkMode: hostNetwork ? 'host' : 'none',
      IpcMode: context.namespaceOptions?.ipc === 'NODE' ? 'host' : 'shareable',
      PidMode: context.namespaceOptions?.pid === 'NODE' ? 'host' : '',
      Sysctls: { ...config.linux?.sysctls },
      LogConfig: { Type: 'none', Config: {} },
      ReadonlyRootfs: context.readonlyRootfs ?? false,
      Privileged: context.privileged ?? false,
      SecurityOpt: ['no-new-privileges', ...securityOptions(context, defaults)],
      // Last to be killed, as dockershim has it.
      OomScoreAdj: Math.max(-998, defaults.minOomScoreAdj),
      ...cgroupParent(config),
    },
  };
}

export function containerCreateOptions(
  sandboxId: string,
  config: ContainerConfig,
  sandbox: PodSandboxConfig,
  logPath: string,
  defaults: CreateDefaults,
): ContainerCreateOptions {
  const context = config.linux?.securityContext ?? {};
  return {
    name: containerName(config.metadata, sandbox.metadata),
    Image: config.image.image,
    Labels: containerLabels(config, sandboxId, logPath, defaults.nowMs),
    Env: (config.envs ?? []).map(({ key, value }) => `${key}=${value}`),
    // The kubelet has its own probes.
    Healthcheck: { Test: ['NONE'] },
    ...(config.command?.length ? { Entrypoint: [...config.command] } : {}),
    ...(config.args?.length ? { Cmd: [...config.args] } : {}),
    ...(config.workingDir ? { WorkingDir: config.workingDir } : {}),
    ...(config.stopSignal ? { StopSignal: config.stopSignal } : {}),
    OpenStdin: config.stdin ?? false,
    StdinOnce: config.stdinOnce ?? false,
    Tty: config.tty ?? false,
    ...userOf(context),
    HostConfig: {
      NetworkMode: `container:${sandboxId}`,
      ...sharedNamespaces(sandboxId, context.namespaceOptions),
      LogConfig: logConfig,
      Binds: (config.mounts ?? []).map(bind),
      Devices: (config.devices ?? []).map(({ hostPath, containerPath, permissions }) => ({
        PathOnHost: hostPath,
        PathInContainer: containerPath,
        CgroupPermissions: permissions,
      })),
      Privileged: context.privileged ?? false,
      ReadonlyRootfs: context.readonlyRootfs ?? false,
      CapAdd: [...(context.capabilities?.addCapabilities ?? [])],
      CapDrop: [...(context.capabilities?.dropCapabilities ?? [])],
      GroupAdd: (context.supplementalGroups ?? []).map(String),
      SecurityOpt: [...(context.noNewPrivs ? ['no-new-privileges'] : []), ...securityOptions(context, defaults)],
      ...(context.maskedPaths ? { MaskedPaths: [...context.maskedPaths] } : {}),
      ...(context.readonlyPaths ? { ReadonlyPaths: [...context.readonlyPaths] } : {}),
      OomScoreAdj: Math.max(config.linux?.resources?.oomScoreAdj ?? 0, defaults.minOomScoreAdj),
      ...resourceOptions(config.linux?.resources ?? {}),
      ...cgroupParent(sandbox),
    },
  };
}

/** Only what is set: on an update, what is left out stays as it is. */
export function resourceOptions(resources: LinuxContainerResources): Partial<HostConfig> {
  const { cpuPeriod, cpuQuota, cpuShares, memoryLimitInBytes, memorySwapLimitInBytes, cpusetCpus, cpusetMems } = resources;
  return {
    ...(cpuPeriod ? { CpuPeriod: cpuPeriod } : {}),
    ...(cpuQuota ? { CpuQuota: cpuQuota } : {}),
    ...(cpuShares ? { CpuShares: cpuShares } : {}),
    // Docker would allow as much swap again; Kubernetes allows none that was not asked for.
    ...(memoryLimitInBytes ? { Memory: memoryLimitInBytes, MemorySwap: memorySwapLimitInBytes || memoryLimitInBytes } : {}),
    ...(cpusetCpus ? { CpusetCpus: cpusetCpus } : {}),
    ...(cpusetMems ? { CpusetMems: cpusetMems } : {}),
  };
}

const cgroupParent = (config: PodSandboxConfig): Partial<HostConfig> =>
  config.linux?.cgroupParent ? { CgroupParent: config.linux.cgroupParent } : {};

function userOf(context: LinuxSandboxSecurityContext & Pick<LinuxContainerSecurityContext, 'runAsUsername'>): { User?: string } {
  const user = context.runAsUser?.toString() ?? context.runAsUsername;
  if (user === undefined || user === '') return {};
  return { User: context.runAsGroup === undefined ? user : `${user}:${context.runAsGroup}` };
}

function sharedNamespaces(sandboxId: string, options: NamespaceOption | undefined): Partial<HostConfig> {
  const sandbox = `container:${sandboxId}`;
  const pid = { POD: sandbox, NODE: 'host', CONTAINER: '', TARGET: `container:${options?.targetId ?? ''}` } as const;
  return {
    IpcMode: options?.ipc === 'NODE' ? 'host' : sandbox,
    PidMode: pid[options?.pid ?? 'POD'],
    // A container that joins the network has its sandbox's host name; on the node's network, the node's.
    ...(options?.network === 'NODE' ? { UTSMode: 'host' } : {}),
  };
}

const propagations = {
  PROPAGATION_PRIVATE: '',
  PROPAGATION_HOST_TO_CONTAINER: 'rslave',
  PROPAGATION_BIDIRECTIONAL: 'rshared',
} as const;

function bind({ hostPath, containerPath, readonly, selinuxRelabel, propagation }: Mount): string {
  const options = [readonly ? 'ro' : '', selinuxRelabel ? 'z' : '', propagations[propagation ?? 'PROPAGATION_PRIVATE']].filter(
    (one) => one !== '',
  );
  return [hostPath, containerPath, ...(options.length === 0 ? [] : [options.join(',')])].join(':');
}

function securityOptions(
  context: LinuxContainerSecurityContext | LinuxSandboxSecurityContext,
  { readSeccompProfile }: CreateDefaults,
): string[] {
  const { seccomp, apparmor, selinuxOptions } = context;
  const options: string[] = [];
  // CRI: no profile means unconfined. Docker: no profile means its default one.
  if (seccomp === undefined || seccomp.profileType === 'Unconfined') options.push('seccomp=unconfined');
  else if (seccomp.profileType === 'Localhost') options.push(`seccomp=${readSeccompProfile(seccomp.localhostRef ?? '')}`);
  if (apparmor?.profileType === 'Unconfined') options.push('apparmor=unconfined');
  else if (apparmor?.profileType === 'Localhost') options.push(`apparmor=${apparmor.localhostRef ?? ''}`);
  for (const [key, value] of Object.entries(selinuxOptions ?? {})) if (value) options.push(`label=${key}:${value}`);
  return options;
}
