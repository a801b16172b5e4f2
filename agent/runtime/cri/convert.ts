/** Converts between CRI's wire messages and the types of `types.ts`: wrapped numbers, nanoseconds, signal names. Pure. */
import { RuntimeError } from '../runtime.ts';
import type {
  Container,
  ContainerConfig,
  ContainerStats,
  ContainerStatus,
  CpuUsage,
  FilesystemUsage,
  Image,
  LinuxContainerSecurityContext,
  LinuxSandboxSecurityContext,
  MemoryUsage,
  NetworkInterfaceUsage,
  PodSandbox,
  PodSandboxConfig,
  PodSandboxStats,
  PodSandboxStatus,
} from '../types.ts';
import type {
  WireContainer,
  WireContainerStats,
  WireContainerStatus,
  WireCpuUsage,
  WireFilesystemUsage,
  WireImage,
  WireInterfaceUsage,
  WireMemoryUsage,
  WirePodSandbox,
  WirePodSandboxStats,
  WirePodSandboxStatus,
  Wrapped,
} from './wire.ts';

const nanosPerMs = 1e6;
const msFromNanos = (nanoseconds: number): number => (nanoseconds <= 0 ? 0 : nanoseconds / nanosPerMs);
const wrap = (value: number | undefined): Wrapped | undefined => (value === undefined ? undefined : { value });

/**
 * Returns a field of a reply that CRI requires. @throws RuntimeError when the runtime left it out: the error names the call,
 * instead of failing later elsewhere
 */
export function requiredField<Value>(value: Value | null | undefined, call: string, what: string): Value {
  if (value === null || value === undefined)
    throw new RuntimeError('Internal', call, `the container runtime's reply has no ${what}`);
  return value;
}

/* ------------------------------------------------------------------ requests */

function securityContext(context: LinuxSandboxSecurityContext | LinuxContainerSecurityContext): object {
  return { ...context, runAsUser: wrap(context.runAsUser), runAsGroup: wrap(context.runAsGroup) };
}

/** The wire message of a sandbox configuration. */
export function wireSandboxConfig(config: PodSandboxConfig): object {
  const context = config.linux?.securityContext;
  return {
    ...config,
    linux: { ...config.linux, securityContext: context === undefined ? undefined : securityContext(context) },
  };
}

/** The wire message of a container configuration. */
export function wireContainerConfig(config: ContainerConfig): object {
  const context = config.linux?.securityContext;
  return {
    ...config,
    envs: config.envs?.map(({ key, value }) => ({ key, value: Buffer.from(value, 'utf8') })),
    stopSignal: config.stopSignal === undefined || config.stopSignal === '' ? undefined : wireSignal(config.stopSignal),
    linux: { ...config.linux, securityContext: context === undefined ? undefined : securityContext(context) },
  };
}

/** The Pod API spells a signal `SIGRTMIN+1`. CRI spells it `SIGRTMINPLUS1`, because it is the name of a protobuf enum value. */
const wireSignal = (signal: string): string => signal.replace('+', 'PLUS').replace('-', 'MINUS');
const signalFromWire = (signal: string): string =>
  signal === 'RUNTIME_DEFAULT' ? '' : signal.replace('PLUS', '+').replace('MINUS', '-');

/* ------------------------------------------------------------------ replies */

/** A sandbox of a list reply. @throws RuntimeError when a required field is missing */
export function toPodSandbox(wire: WirePodSandbox, call: string): PodSandbox {
  const { id, state, labels, annotations, runtimeHandler } = wire;
  return {
    id,
    metadata: requiredField(wire.metadata, call, 'sandbox metadata'),
    state,
    createdAtMs: msFromNanos(wire.createdAt),
    labels,
    annotations,
    runtimeHandler,
  };
}

/** A sandbox's status. @throws RuntimeError when a required field is missing */
export function toPodSandboxStatus(wire: WirePodSandboxStatus, call: string): PodSandboxStatus {
  const options = wire.linux?.namespaces?.options;
  return {
    ...toPodSandbox(wire, call),
    network: { ip: wire.network?.ip ?? '', additionalIps: wire.network?.additionalIps.map(({ ip }) => ip) ?? [] },
    namespaceOptions: { network: options?.network ?? 'POD', pid: options?.pid ?? 'POD', ipc: options?.ipc ?? 'POD' },
  };
}

/** A container of a list reply. @throws RuntimeError when a required field is missing */
export function toContainer(wire: WireContainer, call: string): Container {
  const { id, podSandboxId, imageRef, imageId, state, labels, annotations } = wire;
  return {
    id,
    podSandboxId,
    metadata: requiredField(wire.metadata, call, 'container metadata'),
    image: { image: wire.image?.image ?? '' },
    imageRef,
    imageId,
    state,
    createdAtMs: msFromNanos(wire.createdAt),
    labels,
    annotations,
  };
}

/** A container's status. @throws RuntimeError when a required field is missing */
export function toContainerStatus(wire: WireContainerStatus, call: string): ContainerStatus {
  const { id, state, exitCode, imageRef, imageId, reason, message, labels, annotations, mounts, logPath } = wire;
  return {
    id,
    metadata: requiredField(wire.metadata, call, 'container metadata'),
    state,
    createdAtMs: msFromNanos(wire.createdAt),
    startedAtMs: msFromNanos(wire.startedAt),
    finishedAtMs: msFromNanos(wire.finishedAt),
    exitCode,
    image: { image: wire.image?.image ?? '' },
    imageRef,
    imageId,
    reason,
    message,
    labels,
    annotations,
    mounts,
    logPath,
    resources: wire.resources?.linux ?? undefined,
    user: wire.user?.linux ?? undefined,
    stopSignal: signalFromWire(wire.stopSignal),
  };
}

/** An image of a reply. */
export function toImage({ id, repoTags, repoDigests, size, uid, username, pinned }: WireImage): Image {
  return { id, repoTags, repoDigests, sizeBytes: size, uid: uid?.value, username, pinned };
}

/** The usage of a filesystem. */
export function toFilesystemUsage(wire: WireFilesystemUsage): FilesystemUsage {
  return {
    timestampMs: msFromNanos(wire.timestamp),
    mountpoint: wire.fsId?.mountpoint ?? '',
    usedBytes: wire.usedBytes?.value ?? 0,
    inodesUsed: wire.inodesUsed?.value ?? 0,
  };
}

const toCpuUsage = (wire: WireCpuUsage): CpuUsage => ({
  timestampMs: msFromNanos(wire.timestamp),
  usageCoreNanoSeconds: wire.usageCoreNanoSeconds?.value ?? 0,
  usageNanoCores: wire.usageNanoCores?.value,
});

const toMemoryUsage = (wire: WireMemoryUsage): MemoryUsage => ({
  timestampMs: msFromNanos(wire.timestamp),
  workingSetBytes: wire.workingSetBytes?.value ?? 0,
  availableBytes: wire.availableBytes?.value,
  usageBytes: wire.usageBytes?.value,
  rssBytes: wire.rssBytes?.value,
  pageFaults: wire.pageFaults?.value,
  majorPageFaults: wire.majorPageFaults?.value,
});

/** A container's statistics. @throws RuntimeError when a required field is missing */
export function toContainerStats(wire: WireContainerStats, call: string): ContainerStats {
  const { id, metadata, labels, annotations } = requiredField(wire.attributes, call, 'container attributes');
  return {
    id,
    metadata: requiredField(metadata, call, 'container metadata'),
    labels,
    annotations,
    cpu: wire.cpu === null ? undefined : toCpuUsage(wire.cpu),
    memory: wire.memory === null ? undefined : toMemoryUsage(wire.memory),
    writableLayer: wire.writableLayer === null ? undefined : toFilesystemUsage(wire.writableLayer),
  };
}

const toInterfaceUsage = (wire: WireInterfaceUsage): NetworkInterfaceUsage => ({
  name: wire.name,
  rxBytes: wire.rxBytes?.value ?? 0,
  rxErrors: wire.rxErrors?.value ?? 0,
  txBytes: wire.txBytes?.value ?? 0,
  txErrors: wire.txErrors?.value ?? 0,
});

/** A sandbox's statistics. @throws RuntimeError when a required field is missing */
export function toPodSandboxStats(wire: WirePodSandboxStats, call: string): PodSandboxStats {
  const { id, metadata, labels, annotations } = requiredField(wire.attributes, call, 'sandbox attributes');
  const { linux } = wire;
  const network = linux?.network ?? undefined;
  return {
    id,
    metadata: requiredField(metadata, call, 'sandbox metadata'),
    labels,
    annotations,
    cpu: linux?.cpu ? toCpuUsage(linux.cpu) : undefined,
    memory: linux?.memory ? toMemoryUsage(linux.memory) : undefined,
    network: network && {
      timestampMs: msFromNanos(network.timestamp),
      defaultInterface: network.defaultInterface ? toInterfaceUsage(network.defaultInterface) : undefined,
      interfaces: network.interfaces.map(toInterfaceUsage),
    },
    processCount: linux?.process?.processCount?.value,
    containers: linux?.containers.map((stats) => toContainerStats(stats, call)) ?? [],
  };
}
