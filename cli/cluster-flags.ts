/** The flags of `tinker server` and `tinker agent` as commander parses them. Durations are in milliseconds. */

import type { ProxyMode } from '#agent/proxy/backends.ts';
import type { AuditFlags } from './audit-flags.ts';
import type { AuthenticationFlags } from './authentication-flags.ts';
import type { AuthorizationFlags } from './authorization-flags.ts';
import type { EncryptionFlags } from './encryption-flags.ts';
import type { EtcdFlags } from './etcd-flags.ts';
import type { JoinFlags } from './join-flags.ts';
import type { KubeletAuthFlags } from './kubelet-auth-flags.ts';
import type { LeadershipFlags } from './leadership-flags.ts';
import type { ServiceAccountFlags } from './service-account-flags.ts';

/** The flags of `tinker server`. */
export interface ServerFlags
  extends EncryptionFlags,
    EtcdFlags,
    AuditFlags,
    AuthenticationFlags,
    AuthorizationFlags,
    LeadershipFlags,
    ServiceAccountFlags {
  dataDir: string;
  admissionControlConfigFile: string | undefined;
  bindAddress: string;
  advertiseAddress: string | undefined;
  securePort: number;
  tlsCertFile: string | undefined;
  tlsPrivateKeyFile: string | undefined;
  serviceClusterIpRange: string;
  serviceNodePortRange: { first: number; last: number };
  clusterCidr: string;
  schedulerConfig?: string;
  clusterDomain: string;
  nodeCidrMaskSize: number;
  nodeMonitorPeriod: number;
  nodeMonitorGracePeriod: number;
  metricResolution: number;
  /** Networks, separated by commas; '': none. */
  loadBalancerPool: string;
  concurrentHorizontalPodAutoscalerSyncs: number;
  horizontalPodAutoscalerSyncPeriod: number;
  horizontalPodAutoscalerDownscaleStabilization: number;
  horizontalPodAutoscalerTolerance: number;
  horizontalPodAutoscalerCpuInitializationPeriod: number;
  horizontalPodAutoscalerInitialReadinessDelay: number;
  proxyClientCertFile: string | undefined;
  proxyClientKeyFile: string | undefined;
  clusterSigningDuration: number;
  clusterSigningCertFile: string | undefined;
  clusterSigningKeyFile: string | undefined;
  defaultNotReadyTolerationSeconds: number;
  defaultUnreachableTolerationSeconds: number;
  enableAdmissionPlugins: string[];
  disableAdmissionPlugins: string[];
  maxRequestsInflight: number;
  enablePriorityAndFairness: boolean;
  maxMutatingRequestsInflight: number;
  tlsSan: string[];
  writeKubeconfig: string | undefined;
  logLevel: string;
}

/** The flags of `tinker agent`. */
export interface AgentFlags extends KubeletAuthFlags, JoinFlags {
  kubeconfig: string | undefined;
  clientCaFile: string | undefined;
  tlsCertFile: string | undefined;
  tlsPrivateKeyFile: string | undefined;
  /** Removes the service rules and exits. */
  cleanup?: true;
  hostnameOverride: string;
  nodeIp: string | undefined;
  rootDir: string;
  podLogsDir: string;
  containerRuntime: string;
  containerRuntimeEndpoint: string | undefined;
  podInfraContainerImage: string;
  cgroupRoot: string;
  clusterCidr: string;
  proxyMode: ProxyMode;
  clusterDns: string;
  clusterDomain: string;
  resolvConf: string | undefined;
  dnsAddress: string[];
  cniConfDir: string;
  cniBinDir: string;
  cniStateDir: string;
  podManifestPath: string | undefined;
  fileCheckFrequency: number;
  podNetwork: string;
  networkPolicy: boolean | undefined;
  maxPods: number;
  syncFrequency: number;
  nodeLeaseDurationSeconds: number;
  logLevel: string;
}
