/** The paths of the kubelet's files, in upstream's layout of /var/lib/kubelet and /var/log/pods. Pure. */
import { join } from 'node:path';

/** The parts of a pod log folder's name. */
export interface PodIdentity {
  namespace: string;
  name: string;
  uid: string;
}

/** The kubelet's paths. All are absolute; they need not exist. */
export interface Paths {
  dataDir: string;
  podsDir: string;
  /** The allocations of pods, one file per pod. */
  allocationsDir: string;
  /** The folders of node-local volumes: `local-path/<PersistentVolume>`. */
  localPathDir: string;
  podDir(uid: string): string;
  volumesDir(uid: string): string;
  /** A volume's directory: `pods/<uid>/volumes/kubernetes.io~<plugin>/<volume>`; `plugin` is `kubernetes.io/<plugin>`. */
  volumeDir(uid: string, plugin: string, volume: string): string;
  /** A plugin's metadata about a volume: `pods/<uid>/plugins/kubernetes.io~<plugin>/<volume>`. */
  volumeMetadataDir(uid: string, plugin: string, volume: string): string;
  /** Bind mounts of single paths within a volume: `pods/<uid>/volume-subpaths/<volume>/<container>/<index>`. */
  subPathsDir(uid: string): string;
  etcHosts(uid: string): string;
  /** The file behind a container's terminationMessagePath. */
  terminationLog(uid: string, container: string, restartCount: number): string;
  containerDir(uid: string, container: string): string;
  seccompProfile(name: string): string;
  podLogsRoot: string;
  podLogDir(pod: PodIdentity): string;
  containerLogDir(pod: PodIdentity, container: string): string;
}

/**
 * The name of a volume plugin, `kubernetes.io/<plugin>`, as the name of a folder. Pure.
 * Source: upstream `k8s.io/utils/strings` (EscapeQualifiedName).
 */
export const pluginDir = (name: string): string => name.replace('/', '~');

/** @param dataDir upstream's /var/lib/kubelet. @param podLogsRoot upstream's /var/log/pods */
export function kubeletPaths(dataDir: string, podLogsRoot: string): Paths {
  const podsDir = join(dataDir, 'pods');
  const podDir = (uid: string): string => join(podsDir, uid);
  const podLogDir = ({ namespace, name, uid }: PodIdentity): string => join(podLogsRoot, `${namespace}_${name}_${uid}`);
  return {
    dataDir,
    podsDir,
    allocationsDir: join(dataDir, 'allocations'),
    localPathDir: join(dataDir, 'local-path'),
    podDir,
    volumesDir: (uid) => join(podDir(uid), 'volumes'),
    volumeDir: (uid, plugin, volume) => join(podDir(uid), 'volumes', pluginDir(plugin), volume),
    volumeMetadataDir: (uid, plugin, volume) => join(podDir(uid), 'plugins', pluginDir(plugin), volume),
    subPathsDir: (uid) => join(podDir(uid), 'volume-subpaths'),
    etcHosts: (uid) => join(podDir(uid), 'etc-hosts'),
    containerDir: (uid, container) => join(podDir(uid), 'containers', container),
    terminationLog: (uid, container, restartCount) =>
      join(podDir(uid), 'containers', container, `termination-log-${restartCount}`),
    seccompProfile: (name) => join(dataDir, 'seccomp', name),
    podLogsRoot,
    podLogDir,
    containerLogDir: (pod, container) => join(podLogDir(pod), container),
  };
}

/** `<container>/<restart>.log`, relative to the pod's log directory: CRI's `log_path`. */
export const containerLogPath = (container: string, restartCount: number): string => `${container}/${restartCount}.log`;

/** The parts of a pod log directory's name; undefined for one that is not of ours. */
export function parsePodLogDir(name: string): PodIdentity | undefined {
  const [namespace, pod, uid, ...more] = name.split('_');
  if (namespace === undefined || pod === undefined || uid === undefined || more.length > 0) return undefined;
  return { namespace, name: pod, uid };
}
