/** The flags of kube-apiserver. Source: kubernetes `cmd/kube-apiserver/app/options`, apiserver `pkg/server/options`. */
import { type Command, InvalidArgumentError } from 'commander';
import { type AuditFlags, addAuditFlags } from '../audit-flags.ts';
import { type AuthenticationFlags, addAuthenticationFlags } from '../authentication-flags.ts';
import { type AuthorizationFlags, addAuthorizationFlags } from '../authorization-flags.ts';
import { addEncryptionFlags, type EncryptionFlags } from '../encryption-flags.ts';
import { addEtcdFlags, type EtcdFlags } from '../etcd-flags.ts';
import { boolean, cidr, count, durationMs, names, port, portRange } from '../flags.ts';
import { addServiceAccountFlags, type ServiceAccountFlags } from '../service-account-flags.ts';
import type { FlagSection, WithoutEffect } from './flag-set.ts';
import { withoutEffectAnywhere } from './without-effect.ts';

/** As the command line gives them; times in milliseconds. */
export interface ApiServerFlags
  extends EncryptionFlags,
    AuditFlags,
    EtcdFlags,
    AuthenticationFlags,
    AuthorizationFlags,
    ServiceAccountFlags {
  dataDir: string;
  advertiseAddress: string | undefined;
  bindAddress: string;
  securePort: number;
  certDir: string;
  tlsCertFile: string | undefined;
  tlsPrivateKeyFile: string | undefined;
  tlsMinVersion: string;
  tlsCipherSuites: string[];
  clientCaFile: string | undefined;
  kubeletClientCertificate: string | undefined;
  kubeletClientKey: string | undefined;
  kubeletCertificateAuthority: string | undefined;
  kubeletPreferredAddressTypes: string[];
  proxyClientCertFile: string | undefined;
  proxyClientKeyFile: string | undefined;
  serviceClusterIpRange: string;
  serviceNodePortRange: { first: number; last: number };
  enableAdmissionPlugins: string[];
  disableAdmissionPlugins: string[];
  admissionControlConfigFile: string | undefined;
  defaultNotReadyTolerationSeconds: number;
  defaultUnreachableTolerationSeconds: number;
  enablePriorityAndFairness: boolean;
  maxRequestsInflight: number;
  maxMutatingRequestsInflight: number;
  requestTimeout: number;
  metricResolution: number;
  allowPrivileged: boolean;
  serviceAccountLookup: boolean;
}

/** A flag of which only one value is possible here. */
const only =
  (value: boolean, why: string): ((text: string) => boolean) =>
  (text) => {
    if (boolean(text) !== value) throw new InvalidArgumentError(why);
    return value;
  };

const byDefault = (command: Command, attribute: string, value: unknown): void => {
  const option = command.options.find((one) => one.attributeName() === attribute);
  if (option !== undefined) option.defaultValue = value;
};

/** Those of kubeadm's manifests. Upstream's default has names first, which nodes often cannot resolve. */
const addressTypes = ['Hostname', 'InternalDNS', 'InternalIP', 'ExternalDNS', 'ExternalIP'];
const addressTypeList = (text: string, previous: string[]): string[] => {
  const given = text.split(',');
  const unknown = given.find((one) => !addressTypes.includes(one));
  if (unknown !== undefined) throw new InvalidArgumentError(`${JSON.stringify(unknown)} is none of ${addressTypes.join(', ')}`);
  return previous === addressTypes ? given : [...previous, ...given];
};

/** The groups of `--help`. */
export function apiServerSections(): FlagSection[] {
  return [
    {
      title: 'Generic',
      add: (command: Command) =>
        command
          .option(
            '--advertise-address <address>',
            "where members of the cluster reach this server; by default the machine's first address",
          )
          .option('--max-requests-inflight <n>', 'requests at a time that only read; 0: no limit', count, 400)
          .option('--max-mutating-requests-inflight <n>', 'requests at a time that change something; 0: no limit', count, 200)
          .option('--enable-priority-and-fairness [bool]', 'these limits are divided fairly among priority levels', boolean, true)
          .option(
            '--request-timeout <duration>',
            'how long a request may take that is no watch and no stream',
            durationMs,
            60_000,
          ),
    },
    {
      title: 'Storage',
      add: (command: Command) =>
        addEtcdFlags(addEncryptionFlags(command)).option(
          '--data-dir <folder>',
          'where the embedded store is, without --etcd-servers (not a flag of upstream)',
          '/var/lib/tinkernetes/apiserver',
        ),
    },
    {
      title: 'Secure serving',
      add: (command: Command) =>
        command
          .option('--bind-address <address>', 'the address to listen on for --secure-port', '0.0.0.0')
          .option('--secure-port <port>', 'the port of HTTPS', port, 6443)
          .option(
            '--cert-dir <folder>',
            'where apiserver.crt and .key are made if --tls-cert-file is not given',
            '/var/run/kubernetes',
          )
          .option('--tls-cert-file <file>', 'serving certificate, with its chain; read again when it changes')
          .option('--tls-private-key-file <file>', 'the key of --tls-cert-file')
          .option('--tls-min-version <version>', 'the oldest TLS that is spoken: VersionTLS12, VersionTLS13', '')
          .option(
            '--tls-cipher-suites <names>',
            'the cipher suites of TLS 1.2, by the names of Go; by default those of OpenSSL',
            names,
            [],
          ),
    },
    { title: 'Auditing', add: (command: Command) => addAuditFlags(command) },
    {
      title: 'Authentication',
      add(command: Command) {
        addServiceAccountFlags(addAuthenticationFlags(command))
          .option(
            '--client-ca-file <file>',
            'the CAs of client certificates: the common name is the user, each organization a group',
          )
          .option(
            '--service-account-lookup [bool]',
            'tokens of service accounts are void once their account or Secret is gone',
            only(true, 'they are always looked up here'),
            true,
          );
        byDefault(command, 'enableBootstrapTokenAuth', false);
      },
    },
    { title: 'Authorization', add: (command: Command) => addAuthorizationFlags(command) },
    {
      title: 'Admission',
      add: (command: Command) =>
        command
          .option('--admission-control-config-file <file>', 'an AdmissionConfiguration: what plugins are configured with')
          .option('--enable-admission-plugins <names>', 'admission plugins besides those that are on by default', names, [])
          .option(
            '--disable-admission-plugins <names>',
            'admission plugins that are off although they are on by default',
            names,
            [],
          )
          .option('--default-not-ready-toleration-seconds <n>', 'how long pods stay on a node that is not ready', count, 300)
          .option('--default-unreachable-toleration-seconds <n>', 'how long pods stay on a node that is unreachable', count, 300),
    },
    {
      title: 'Misc',
      add: (command: Command) =>
        command
          .option(
            '--allow-privileged [bool]',
            'containers may be privileged',
            only(true, 'they always may here: Pod Security keeps them out'),
            true,
          )
          .option('--kubelet-client-certificate <file>', 'the certificate that kubelets are shown')
          .option('--kubelet-client-key <file>', 'its key')
          .option('--kubelet-certificate-authority <file>', "the CAs of kubelets' certificates; by default these are not checked")
          .option(
            '--kubelet-preferred-address-types <names>',
            "which of a node's addresses is its kubelet's, in this order",
            addressTypeList,
            addressTypes,
          )
          .option('--proxy-client-cert-file <file>', 'the certificate that aggregated servers are shown')
          .option('--proxy-client-key-file <file>', 'its key')
          .option('--service-cluster-ip-range <cidrs>', "the Services' network, or one of each IP family", cidr, '10.0.0.0/24')
          .option('--service-node-port-range <first-last>', 'ports of Services of type NodePort', portRange, {
            first: 30_000,
            last: 32_767,
          })
          .option(
            '--metric-resolution <duration>',
            'how often kubelets are asked what their pods use (not a flag of upstream)',
            durationMs,
            15_000,
          ),
    },
  ];
}

const cached = 'every resource has a cache that follows the store';

/** Upstream's flags that nothing of ours depends on. */
export const apiServerWithoutEffect: WithoutEffect = {
  ...withoutEffectAnywhere,
  'apiserver-count': { why: 'each server keeps the endpoint of its own address' },
  'cloud-config': { why: 'there is no cloud provider here' },
  'default-watch-cache-size': { why: cached },
  'delete-collection-workers': { why: 'a collection is deleted by one worker after the other' },
  'enable-logs-handler': { type: 'bool', why: 'logs of this machine are not served' },
  'etcd-count-metric-poll-period': { why: 'counts are known from the caches' },
  'etcd-db-metric-poll-interval': { why: 'the size is read when it is asked for' },
  'kubelet-port': { why: "the port is that of the Node's status" },
  'kubelet-timeout': { why: 'a request to a kubelet lasts as long as its client waits' },
  'max-connection-bytes-per-sec': { why: 'connections are not slowed down' },
  'peer-advertise-ip': { why: 'servers do not pass requests on to each other' },
  'peer-advertise-port': { why: 'servers do not pass requests on to each other' },
  'peer-ca-file': { why: 'servers do not pass requests on to each other' },
  'storage-backend': { why: 'the store is etcd 3, or the embedded one' },
  'storage-media-type': { why: 'objects are stored as JSON' },
  'watch-cache': { type: 'bool', why: cached },
  'watch-cache-sizes': { why: cached },
};
