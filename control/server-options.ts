/** The flags of `tinker server`, read and checked. */
import type { Metric } from 'prom-client';
import type { Descriptions } from '#api/schema/descriptions.ts';
import { CertificateFiles } from '#client/certificate-files.ts';
import type { AdmissionSettings } from './apiserver/admission/config/admission-configuration.ts';
import type { PluginChoice } from './apiserver/admission/plugin-names.ts';
import type { AuditOptions } from './apiserver/audit/auditor.ts';
import type { AuthenticationOptions } from './apiserver/authentication/create-authentication.ts';
import type { TokenKeys, TokenOptions } from './apiserver/authentication/service-account-tokens.ts';
import { type AuthorizerSpec } from './apiserver/authorization/modes.ts';
import type { ConfigFile } from './apiserver/serving/config-file.ts';
import type { InflightLimits } from './apiserver/serving/inflight.ts';
import type { TlsLimits } from './apiserver/serving/tls-flags.ts';
import type { HorizontalOptions } from './controllers/podautoscaler/horizontal-options.ts';
import { type LeadershipOptions } from './leadership.ts';
import type { KeyPair } from './pki/certificates.ts';
import type { SchedulerConfiguration } from './scheduler/config/configuration.ts';
import type { EncryptionConfiguration } from './store/encryption/encryption-configuration.ts';
import type { EtcdStoreOptions } from './store/etcd/etcd-store.ts';
import { type WorkerSource } from './store/sqlite.ts';

/** What `tinker server` makes and keeps in its data folder, and kube-apiserver is given by its flags. PEM. */
export interface GivenKeys {
  /** `--client-ca-file`. Absent: nobody is known by a certificate. */
  clientCa: string | undefined;
  /** `--kubelet-client-certificate` and `-key`. */
  kubeletClient: KeyPair | undefined;
  /** `--kubelet-certificate-authority`. Absent: certificates of kubelets are not checked, as upstream. */
  kubeletCa: string | undefined;
  /** `--service-account-signing-key-file` and `--service-account-key-file`. */
  tokens: TokenKeys;
}

/** What controllers and scheduler of this process are told. */
export interface ClientsOptions {
  /** `--cluster-cidr`, of which every node gets a part. */
  clusterCidr: string;
  nodeCidrMaskSize: number;
  nodeMonitorPeriodMs: number;
  nodeMonitorGracePeriodMs: number;
  /** `--load-balancer-pool`. */
  loadBalancerPool: readonly string[];
  /** `--horizontal-pod-autoscaler-…`. */
  horizontal: HorizontalOptions;
  /** `--cluster-signing-duration`. */
  clusterSigningDurationMs: number;
  /** `--cluster-signing-cert-file` and `-key-file`; absent: the cluster's own CA. */
  clusterSigner?: KeyPair | undefined;
  legacyTokenCleanUpPeriodMs: number;
  /** `--scheduler-config`; absent: upstream's defaults. */
  scheduler?: SchedulerConfiguration | undefined;
  /** `--leader-elect…`, of controllers and scheduler. */
  leadership: LeadershipOptions;
}

/** The flags of `tinker server`, or of kube-apiserver. */
export interface ServerOptions {
  /** Controllers and scheduler in this process. Absent: they are others (kube-apiserver). */
  clients?: ClientsOptions | undefined;
  /** Those of kube-apiserver, which runs no controllers and no scheduler. Absent: those of the data folder. */
  given?: GivenKeys | undefined;
  /** `--kubelet-preferred-address-types`. Absent: kubeadm's. */
  kubeletAddressTypes?: readonly string[] | undefined;
  /** `--request-timeout`. Absent: a minute. */
  requestTimeoutMs?: number | undefined;
  /** `--tls-min-version`, `--tls-cipher-suites`. */
  tls?: TlsLimits | undefined;
  dataDir: string;
  /** `--bind-address`: where HTTPS listens. */
  bindAddress: string;
  /** `--advertise-address`: where nodes and pods reach it. */
  advertiseAddress: string;
  securePort: number;
  /** `--service-cluster-ip-range`. */
  serviceCidr: string;
  /** `--service-node-port-range`; both ends belong to it. */
  nodePortRange: { first: number; last: number };
  clusterDomain: string;
  tolerationSeconds: { notReady: number; unreachable: number };
  inflight: InflightLimits;
  /** `--enable-priority-and-fairness`. */
  isFair: boolean;
  /** `--metric-resolution`: how often kubelets are asked what their pods use. */
  metricResolutionMs: number;
  /** `--proxy-client-cert-file` and `-key-file`, as which aggregated servers know us; absent: the cluster's own. */
  proxyClient?: KeyPair | undefined;
  /** `--enable-admission-plugins` and `--disable-admission-plugins`. */
  admissionPlugins: PluginChoice;
  /** `--admission-control-config-file`. */
  admissionSettings: AdmissionSettings;
  /** Who is known, and how. */
  authentication: AuthenticationOptions;
  /** `--service-account-issuer`, `--api-audiences`, how long tokens may last, and other keys than those of the data folder. */
  tokens: Partial<TokenOptions>;
  /** `--authorization-mode`, or `--authorization-config` and its file. */
  authorization: { chain: readonly AuthorizerSpec[]; file?: ConfigFile<readonly AuthorizerSpec[]> | undefined };
  /** `--encryption-provider-config`, and its file where it is read again when it changes. Absent: nothing is encrypted. */
  encryption?: { configuration: EncryptionConfiguration; file?: ConfigFile<EncryptionConfiguration> | undefined } | undefined;
  /** `--etcd-…`: where the cluster's state is; absent: in the data folder. */
  etcd?: EtcdStoreOptions | undefined;
  /** `--listen-client-urls`: where the embedded store answers etcd's API; empty: nowhere. */
  etcdListen: readonly string[];
  /** `--etcd-compaction-interval`, also of the embedded store; 0: never. */
  compactionIntervalMs: number;
  /** `--audit-…`; absent: nothing is audited. */
  audit?: AuditOptions | undefined;
  /** `--tls-cert-file` and `--tls-private-key-file`; absent: those of the data folder. */
  servingCertificate?: CertificateFiles | undefined;
  /** More names and addresses for the serving certificate (`--tls-san`). */
  extraNames: { dns: readonly string[]; ips: readonly string[] };
  /** Receives the administrator's kubeconfig, besides `<data-dir>/admin.conf`. */
  writeKubeconfig: string | undefined;
  version: string;
  descriptions: () => Descriptions;
  storeWorker: WorkerSource | undefined;
  /** About the process, shown under /metrics. */
  metrics: readonly Metric[];
}
