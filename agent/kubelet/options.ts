/** The kubelet's options, in the words of upstream's KubeletConfiguration, and their defaults. */
import type { Taint } from '#api/types.generated.ts';
import type { PressureThresholds } from './node/pressure.ts';
import { defaultThresholds } from './node/pressure.ts';

/** A certificate that may change while it serves. PEM. */
export interface ServingCertificate {
  /** Undefined when there is none yet; handshakes fail until then. */
  current(): { certificate: string; key: string } | undefined;
  /** `listener` is called after each change. */
  onChange(listener: () => void): void;
}

/** The serving side on :10250. */
export interface KubeletServing {
  /** Default 0.0.0.0. */
  address?: string | undefined;
  /** Default 10250. */
  port?: number | undefined;
  certificate: ServingCertificate;
  /** The CA that verifies client certificates, PEM. */
  clientCa: string;
}

/** Authentication and authorization of the kubelet's API. Defaults as in upstream's KubeletConfiguration. */
export interface KubeletAuthSettings {
  /** `--anonymous-auth`. Default false. */
  anonymous?: boolean | undefined;
  /** `--authentication-token-webhook`. Default true. */
  tokenWebhook?: boolean | undefined;
  /** `--authentication-token-webhook-cache-ttl`. Default 2 min. */
  tokenCacheMs?: number | undefined;
  /** `--authorization-mode`. Default Webhook. */
  mode?: 'AlwaysAllow' | 'Webhook' | undefined;
  /** `--authorization-webhook-cache-authorized-ttl`. Default 5 min. */
  authorizedCacheMs?: number | undefined;
  /** `--authorization-webhook-cache-unauthorized-ttl`. Default 30 s. */
  unauthorizedCacheMs?: number | undefined;
}

type SettledAuth = { [Name in keyof KubeletAuthSettings]-?: NonNullable<KubeletAuthSettings[Name]> };

/** The kubelet's options. An absent one has upstream's default. */
export interface KubeletOptions {
  nodeName: string;
  /** One address, or one per IP family. */
  nodeIps: readonly string[];
  serving: KubeletServing;
  auth?: KubeletAuthSettings | undefined;
  clusterDns: readonly string[];
  /** Default /var/lib/tinkernetes/kubelet, laid out as upstream's /var/lib/kubelet. */
  dataDir?: string | undefined;
  /** Default /var/log/pods. */
  podLogsDir?: string | undefined;
  /** Default cluster.local. */
  clusterDomain?: string | undefined;
  /** Default /etc/resolv.conf. */
  resolvConf?: string | undefined;
  /** The control group that `kubepods` is made in; default the root, written as the empty string. */
  cgroupRoot?: string | undefined;
  /** Default 110. */
  maxPods?: number | undefined;
  nodeLabels?: Readonly<Record<string, string>> | undefined;
  registerWithTaints?: readonly Taint[] | undefined;
  /** A folder of manifests of static pods, or one such file. Default: none. */
  staticPodPath?: string | undefined;
  /** How often all manifests of `staticPodPath` are read again. Default 20 s. */
  fileCheckFrequencyMs?: number | undefined;
  /** Where further manifests of static pods are asked for. Default: nowhere. */
  staticPodUrl?: string | undefined;
  /** Headers of these requests. */
  staticPodUrlHeaders?: Readonly<Record<string, readonly string[]>> | undefined;
  /** How often `staticPodUrl` is asked. Default 20 s. */
  httpCheckFrequencyMs?: number | undefined;
  /** Interval at which each running pod is synced again, with its ConfigMaps and Secrets. Default 1 min. */
  syncFrequencyMs?: number | undefined;
  /** Default 10 s. */
  nodeStatusUpdateFrequencyMs?: number | undefined;
  /** Default 5 min. */
  nodeStatusReportFrequencyMs?: number | undefined;
  /** Default 40 s; renewed four times in that. */
  nodeLeaseDurationSeconds?: number | undefined;
  evictionHard?: Partial<PressureThresholds> | undefined;
  /** How long a pressure condition stays after the last shortage. Default 5 min. */
  evictionPressureTransitionPeriodMs?: number | undefined;
  /** Default true: one image pull at a time. */
  serializeImagePulls?: boolean | undefined;
  /** Default 10 MiB. */
  containerLogMaxBytes?: number | undefined;
  /** Default 5. */
  containerLogMaxFiles?: number | undefined;
}

/** The kubelet's version, for `nodeInfo.kubeletVersion`. */
export const kubeletVersion = 'v1.36.0+tinkernetes0.1.0';

type Settled = {
  [Name in keyof Omit<
    KubeletOptions,
    'registerWithTaints' | 'evictionHard' | 'serving' | 'auth' | 'staticPodPath' | 'staticPodUrl'
  >]-?: NonNullable<KubeletOptions[Name]>;
};

/** The options with every default filled in. */
export interface ResolvedOptions extends Settled {
  registerWithTaints: readonly Taint[] | undefined;
  staticPodPath: string | undefined;
  staticPodUrl: string | undefined;
  evictionHard: PressureThresholds;
  serving: KubeletServing & { address: string; port: number };
  auth: SettledAuth;
}

/** The options with every default filled in. Pure. */
export function withDefaults(options: KubeletOptions): ResolvedOptions {
  return {
    nodeName: options.nodeName,
    nodeIps: options.nodeIps,
    clusterDns: options.clusterDns,
    dataDir: options.dataDir ?? '/var/lib/tinkernetes/kubelet',
    podLogsDir: options.podLogsDir ?? '/var/log/pods',
    clusterDomain: options.clusterDomain ?? 'cluster.local',
    resolvConf: options.resolvConf ?? '/etc/resolv.conf',
    cgroupRoot: (options.cgroupRoot ?? '').replace(/\/+$/, ''),
    maxPods: options.maxPods ?? 110,
    nodeLabels: options.nodeLabels ?? {},
    registerWithTaints: options.registerWithTaints,
    // Upstream's way to say none.
    staticPodPath: options.staticPodPath || undefined,
    fileCheckFrequencyMs: options.fileCheckFrequencyMs ?? 20_000,
    staticPodUrl: options.staticPodUrl || undefined,
    staticPodUrlHeaders: options.staticPodUrlHeaders ?? {},
    httpCheckFrequencyMs: options.httpCheckFrequencyMs ?? 20_000,
    syncFrequencyMs: options.syncFrequencyMs ?? 60_000,
    nodeStatusUpdateFrequencyMs: options.nodeStatusUpdateFrequencyMs ?? 10_000,
    nodeStatusReportFrequencyMs: options.nodeStatusReportFrequencyMs ?? 300_000,
    nodeLeaseDurationSeconds: options.nodeLeaseDurationSeconds ?? 40,
    evictionHard: { ...defaultThresholds, ...options.evictionHard },
    evictionPressureTransitionPeriodMs: options.evictionPressureTransitionPeriodMs ?? 300_000,
    serializeImagePulls: options.serializeImagePulls ?? true,
    containerLogMaxBytes: options.containerLogMaxBytes ?? 10 * 1024 * 1024,
    containerLogMaxFiles: options.containerLogMaxFiles ?? 5,
    auth: {
      anonymous: options.auth?.anonymous ?? false,
      tokenWebhook: options.auth?.tokenWebhook ?? true,
      tokenCacheMs: options.auth?.tokenCacheMs ?? 120_000,
      mode: options.auth?.mode ?? 'Webhook',
      authorizedCacheMs: options.auth?.authorizedCacheMs ?? 300_000,
      unauthorizedCacheMs: options.auth?.unauthorizedCacheMs ?? 30_000,
    },
    serving: { ...options.serving, address: options.serving.address ?? '0.0.0.0', port: options.serving.port ?? 10250 },
  };
}
