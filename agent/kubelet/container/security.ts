/**
 * Security contexts in CRI's terms: the container's own settings over the pod's. Pure.
 *
 * Source: upstream `pkg/securitycontext/util.go`, `pkg/kubelet/kuberuntime/security_context.go`.
 */

import type {
  Image,
  LinuxContainerSecurityContext,
  LinuxSandboxSecurityContext,
  NamespaceOption,
  SecurityProfile,
} from '#agent/runtime/runtime.ts';
import type { Container, Pod, SeccompProfile } from '#api/types.generated.ts';
import { formatPod } from '../pod/pod-spec.ts';

const maskedPaths = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
];
const readonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/**
 * Which namespaces the pod shares with the node, and its containers with each other. Pure.
 * @param targetId a container whose processes are to be seen
 */
export function namespaceOptions(pod: Pod, targetId?: string): NamespaceOption {
  return {
    network: pod.spec.hostNetwork === true ? 'NODE' : 'POD',
    ipc: pod.spec.hostIPC === true ? 'NODE' : 'POD',
    pid:
      targetId !== undefined
        ? 'TARGET'
        : pod.spec.hostPID === true
          ? 'NODE'
          : pod.spec.shareProcessNamespace === true
            ? 'POD'
            : 'CONTAINER',
    ...(targetId === undefined ? {} : { targetId }),
  };
}

function seccomp(profile: SeccompProfile | undefined, localPath: (name: string) => string): SecurityProfile {
  if (profile?.type === 'RuntimeDefault') return { profileType: 'RuntimeDefault' };
  if (profile?.type === 'Localhost') return { profileType: 'Localhost', localhostRef: localPath(profile.localhostProfile ?? '') };
  return { profileType: 'Unconfined' };
}

const supplementalGroups = (pod: Pod): number[] => {
  const { fsGroup, supplementalGroups: groups = [] } = pod.spec.securityContext ?? {};
  return [...(fsGroup === undefined ? [] : [fsGroup]), ...groups];
};

const groupsPolicy = (pod: Pod): 'Merge' | 'Strict' =>
  pod.spec.securityContext?.supplementalGroupsPolicy === 'Strict' ? 'Strict' : 'Merge';

/** The security context of a pod's sandbox. Pure. @param localSeccomp the path of a profile on this node */
export function sandboxSecurityContext(pod: Pod, localSeccomp: (name: string) => string): LinuxSandboxSecurityContext {
  const context = pod.spec.securityContext ?? {};
  return {
    namespaceOptions: namespaceOptions(pod),
    privileged: [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].some(
      ({ securityContext }) => securityContext?.privileged === true,
    ),
    // The pause process always runs confined: the runtime's profile is known to suit it.
    seccomp:
      context.seccompProfile?.type === 'Localhost'
        ? seccomp(context.seccompProfile, localSeccomp)
        : { profileType: 'RuntimeDefault' },
    supplementalGroups: supplementalGroups(pod),
    supplementalGroupsPolicy: groupsPolicy(pod),
    ...(context.runAsUser === undefined ? {} : { runAsUser: context.runAsUser }),
    ...(context.runAsGroup === undefined ? {} : { runAsGroup: context.runAsGroup }),
    ...(context.seLinuxOptions === undefined ? {} : { selinuxOptions: context.seLinuxOptions }),
  };
}

/** The inputs of a container's security context. */
export interface ContainerSecurityInputs {
  pod: Pod;
  container: Container;
  /** The image, which may name the user that the container runs as. */
  image: Image | undefined;
  localSeccomp: (name: string) => string;
  /** The container whose processes an ephemeral container sees. */
  targetId?: string | undefined;
}

/** The security context of a container: its own settings, else the pod's, else the defaults of the runtime. Pure. */
export function containerSecurityContext({
  pod,
  container,
  image,
  localSeccomp,
  targetId,
}: ContainerSecurityInputs): LinuxContainerSecurityContext {
  const podContext = pod.spec.securityContext ?? {};
  const own = container.securityContext ?? {};
  const privileged = own.privileged === true;
  const runAsUser = own.runAsUser ?? podContext.runAsUser ?? image?.uid;
  const runAsGroup = own.runAsGroup ?? podContext.runAsGroup;
  const unmasked = own.procMount === 'Unmasked';
  const seLinux = own.seLinuxOptions ?? podContext.seLinuxOptions;
  const appArmor = own.appArmorProfile ?? podContext.appArmorProfile;
  return {
    namespaceOptions: namespaceOptions(pod, targetId),
    privileged,
    seccomp: privileged ? { profileType: 'Unconfined' } : seccomp(own.seccompProfile ?? podContext.seccompProfile, localSeccomp),
    readonlyRootfs: own.readOnlyRootFilesystem === true,
    noNewPrivs: own.allowPrivilegeEscalation === false,
    maskedPaths: unmasked ? [] : maskedPaths,
    readonlyPaths: unmasked ? [] : readonlyPaths,
    supplementalGroups: supplementalGroups(pod),
    supplementalGroupsPolicy: groupsPolicy(pod),
    ...(own.capabilities === undefined
      ? {}
      : { capabilities: { addCapabilities: own.capabilities.add ?? [], dropCapabilities: own.capabilities.drop ?? [] } }),
    ...(runAsUser !== undefined
      ? { runAsUser }
      : image !== undefined && image.username !== ''
        ? { runAsUsername: image.username }
        : {}),
    ...(runAsGroup === undefined ? {} : { runAsGroup }),
    ...(seLinux === undefined ? {} : { selinuxOptions: seLinux }),
    ...(appArmor === undefined
      ? {}
      : { apparmor: { profileType: appArmor.type as SecurityProfile['profileType'], localhostRef: appArmor.localhostProfile } }),
  };
}

/** Why `runAsNonRoot` forbids this container, in upstream's words; undefined when it may run. */
export function nonRootViolation(pod: Pod, container: Container, image: Image | undefined): string | undefined {
  const podContext = pod.spec.securityContext ?? {};
  const own = container.securityContext ?? {};
  if ((own.runAsNonRoot ?? podContext.runAsNonRoot) !== true) return undefined;
  const where = `(pod: ${JSON.stringify(formatPod(pod))}, container: ${container.name})`;
  const runAsUser = own.runAsUser ?? podContext.runAsUser;
  if (runAsUser !== undefined) return runAsUser === 0 ? `container's runAsUser breaks non-root policy ${where}` : undefined;
  if (image?.uid === 0) return `container has runAsNonRoot and image will run as root ${where}`;
  if (image?.uid === undefined && image !== undefined && image.username !== '') {
    return `container has runAsNonRoot and image has non-numeric user (${image.username}), cannot verify user is non-root ${where}`;
  }
  // An image without a user runs as root.
  return image?.uid === undefined ? `container has runAsNonRoot and image will run as root ${where}` : undefined;
}
