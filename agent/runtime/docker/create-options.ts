/** Translates CRI's sandbox and container configurations into Docker's `POST /containers/create`. Pure. */
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

/** Defaults of new containers. */
export interface CreateDefaults {
  sandboxImage: string;
  nowMs: number;
  /** The lowest oom_score_adj to set. Without CAP_SYS_RESOURCE no process can get one below the daemon's own. */
  minOomScoreAdj: number;
  /** Reads a seccomp profile of type Localhost. Docker needs the profile's text, not its path. */
  readSeccompProfile(path: string): string;
}

/** Log reading needs the json-file driver. Docker keeps two files of 10 MB, and the kubelet rotates the CRI log itself. */
const logConfig = { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '2' } } as const;

/** The request that creates a sandbox's container. */
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
      // The kernel kills the sandbox's process last. dockershim uses the same value.
      OomScoreAdj: Math.max(-998, defaults.minOomScoreAdj),
      ...cgroupParent(config),
    },
  };
}

/** The request that creates a container. @param sandboxId the sandbox whose namespaces it joins */
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
    // The kubelet runs probes, so Docker's health check is switched off.
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

/** The resources for Docker. Only fields that are set appear: on an update Docker keeps the value of an absent one. */
export function resourceOptions(resources: LinuxContainerResources): Partial<HostConfig> {
  const { cpuPeriod, cpuQuota, cpuShares, memoryLimitInBytes, memorySwapLimitInBytes, cpusetCpus, cpusetMems } = resources;
  return {
    ...(cpuPeriod ? { CpuPeriod: cpuPeriod } : {}),
    ...(cpuQuota ? { CpuQuota: cpuQuota } : {}),
    ...(cpuShares ? { CpuShares: cpuShares } : {}),
    // Without MemorySwap, Docker would allow the same amount of swap in addition. Kubernetes allows only the swap that was asked
    // for.
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
    // A container that joins its sandbox's network has the sandbox's host name. On the node's network it has the node's.
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
  // In CRI no profile means unconfined. In Docker it means the default profile.
  if (seccomp === undefined || seccomp.profileType === 'Unconfined') options.push('seccomp=unconfined');
  else if (seccomp.profileType === 'Localhost') options.push(`seccomp=${readSeccompProfile(seccomp.localhostRef ?? '')}`);
  if (apparmor?.profileType === 'Unconfined') options.push('apparmor=unconfined');
  else if (apparmor?.profileType === 'Localhost') options.push(`apparmor=${apparmor.localhostRef ?? ''}`);
  for (const [key, value] of Object.entries(selinuxOptions ?? {})) if (value) options.push(`label=${key}:${value}`);
  return options;
}
