/**
 * `/configz`: this kubelet's configuration as a KubeletConfiguration. Source: upstream `component-base/configz`,
 * `kubelet.config.k8s.io/v1beta1`.
 */
import type { ResolvedOptions } from '../options.ts';

/** The configuration in upstream's form. It has only the fields that this kubelet uses. Pure. */
export function kubeletConfiguration(options: ResolvedOptions): object {
  const percent = (share: number): string => `${Math.round(share * 100)}%`;
  const seconds = (ms: number): string => {
    const all = Math.round(ms / 1000);
    const [minutes, rest] = [Math.floor(all / 60), all % 60];
    return minutes === 0 ? `${rest}s` : `${minutes}m${rest}s`;
  };
  const { evictionHard, serving, auth } = options;
  return {
    kind: 'KubeletConfiguration',
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    ...(options.staticPodPath === undefined ? {} : { staticPodPath: options.staticPodPath }),
    fileCheckFrequency: seconds(options.fileCheckFrequencyMs),
    ...(options.staticPodUrl === undefined ? {} : { staticPodURL: options.staticPodUrl }),
    httpCheckFrequency: seconds(options.httpCheckFrequencyMs),
    address: serving.address,
    port: serving.port,
    readOnlyPort: 0,
    authentication: {
      x509: {},
      webhook: { enabled: auth.tokenWebhook, cacheTTL: seconds(auth.tokenCacheMs) },
      anonymous: { enabled: auth.anonymous },
    },
    authorization: {
      mode: auth.mode,
      webhook: { cacheAuthorizedTTL: seconds(auth.authorizedCacheMs), cacheUnauthorizedTTL: seconds(auth.unauthorizedCacheMs) },
    },
    clusterDomain: options.clusterDomain,
    clusterDNS: options.clusterDns,
    syncFrequency: seconds(options.syncFrequencyMs),
    nodeStatusUpdateFrequency: seconds(options.nodeStatusUpdateFrequencyMs),
    nodeStatusReportFrequency: seconds(options.nodeStatusReportFrequencyMs),
    nodeLeaseDurationSeconds: options.nodeLeaseDurationSeconds,
    cgroupRoot: options.cgroupRoot,
    cgroupsPerQOS: true,
    cgroupDriver: 'cgroupfs',
    maxPods: options.maxPods,
    resolvConf: options.resolvConf,
    serializeImagePulls: options.serializeImagePulls,
    evictionHard: {
      'imagefs.available': percent(evictionHard.imagefsAvailable),
      'memory.available': String(evictionHard.memoryAvailableBytes),
      'nodefs.available': percent(evictionHard.nodefsAvailable),
      'nodefs.inodesFree': percent(evictionHard.nodefsInodesFree),
    },
    enableServer: true,
    enableDebuggingHandlers: true,
    enableSystemLogHandler: true,
    containerLogMaxSize: String(options.containerLogMaxBytes),
    containerLogMaxFiles: options.containerLogMaxFiles,
    podLogsDir: options.podLogsDir,
    ...(options.registerWithTaints === undefined ? {} : { registerWithTaints: options.registerWithTaints }),
  };
}
