/**
 * The flags of the kubelet. Most stand for a field of its KubeletConfiguration, and win over it.
 *
 * Source: kubernetes `cmd/kubelet/app/options/options.go`.
 */
import { type Command, InvalidArgumentError } from 'commander';
import type { JsonObject, JsonValue } from '#api/json.ts';
import { boolean, count, durationMs } from '../flags.ts';
import { withField } from './configuration-file.ts';
import type { FlagSection, WithoutEffect } from './flag-set.ts';
import { withoutEffectAnywhere, withoutEffectInClients } from './without-effect.ts';

/** Flags that are no fields of the configuration; times in milliseconds. */
export interface KubeletFlags {
  config: string | undefined;
  configDir: string | undefined;
  kubeconfig: string | undefined;
  bootstrapKubeconfig: string | undefined;
  certDir: string;
  rootDir: string;
  hostnameOverride: string | undefined;
  nodeIp: string;
  nodeLabels: Record<string, string>;
  cniConfDir: string;
  cniBinDir: string;
  podInfraContainerImage: string;
  containerRuntime: 'containerd' | 'docker';
  tlsBootstrapTimeout: number;
}

interface ConfigFlag {
  placeholder?: string;
  /** Of the field. */
  path: string;
  usage: string;
  /** From the flag's text to the field's value. Default: the text itself. */
  value?: (text: string) => JsonValue;
}

const flag = { value: (text: string): JsonValue => boolean(text) };
const whole = { placeholder: 'n', value: (text: string): JsonValue => count(text) };
const time = {
  placeholder: 'duration',
  value: (text: string): JsonValue => {
    durationMs(text);
    return text;
  },
};
const list = { placeholder: 'names', value: (text: string): JsonValue => (text === '' ? [] : text.split(',')) };
const pairs = { placeholder: 'pairs', value: (text: string): JsonValue => pairsOf(text, /[=<]/) };

/** `key=value,key=value`. @throws InvalidArgumentError */
function pairsOf(text: string, separator: RegExp): Record<string, string> {
  if (text === '') return {};
  return Object.fromEntries(
    text.split(',').map((pair) => {
      const at = pair.search(separator);
      if (at < 1) throw new InvalidArgumentError(`give key=value, not ${JSON.stringify(pair)}`);
      return [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
    }),
  );
}

/** `key=value:effect`, `key:effect`. @throws InvalidArgumentError */
function taintsOf(text: string): JsonValue {
  return text
    .split(',')
    .filter((one) => one !== '')
    .map((one) => {
      const [, key = '', value, effect = ''] = /^([^=:]+)(?:=([^:]*))?:(NoSchedule|PreferNoSchedule|NoExecute)$/.exec(one) ?? [];
      if (key === '' || effect === '')
        throw new InvalidArgumentError(`invalid taint spec: ${JSON.stringify(one)}; give key=value:effect`);
      return { key, ...(value === undefined || value === '' ? {} : { value }), effect };
    });
}

/** By the flag's name. */
const configFlags: Readonly<Record<string, ConfigFlag>> = {
  address: { placeholder: 'address', path: 'address', usage: 'the address to listen on; 0.0.0.0 by default' },
  'anonymous-auth': {
    ...flag,
    path: 'authentication.anonymous.enabled',
    usage: "let requests to the kubelet's API in that do not say who they are; false by default",
  },
  'authentication-token-webhook': {
    ...flag,
    path: 'authentication.webhook.enabled',
    usage: 'ask the API server whose bearer tokens are; true by default',
  },
  'authentication-token-webhook-cache-ttl': {
    ...time,
    path: 'authentication.webhook.cacheTTL',
    usage: 'how long its answer is remembered; 2m0s by default',
  },
  'authorization-mode': {
    path: 'authorization.mode',
    usage: 'AlwaysAllow or Webhook, which asks the API server; Webhook by default',
  },
  'authorization-webhook-cache-authorized-ttl': {
    ...time,
    path: 'authorization.webhook.cacheAuthorizedTTL',
    usage: 'how long its yes is remembered; 5m0s by default',
  },
  'authorization-webhook-cache-unauthorized-ttl': {
    ...time,
    path: 'authorization.webhook.cacheUnauthorizedTTL',
    usage: 'how long its no is remembered; 30s by default',
  },
  'cgroup-driver': { path: 'cgroupDriver', usage: 'how control groups are made: cgroupfs' },
  'cgroup-root': { path: 'cgroupRoot', usage: "the control group above the pods'" },
  'client-ca-file': { path: 'authentication.x509.clientCAFile', usage: "the CAs of clients of the kubelet's API" },
  'cluster-dns': { ...list, path: 'clusterDNS', usage: "the addresses of the cluster's DNS, for the pods" },
  'cluster-domain': { path: 'clusterDomain', usage: 'the domain of Services, for the pods' },
  'container-log-max-files': { ...whole, path: 'containerLogMaxFiles', usage: 'so many files of a log are kept; 5 by default' },
  'container-log-max-size': { path: 'containerLogMaxSize', usage: 'so much of a log is one file; 10Mi by default' },
  'container-runtime-endpoint': {
    path: 'containerRuntimeEndpoint',
    usage: "the runtime's socket; unix:///run/containerd/containerd.sock by default",
  },
  'eviction-hard': {
    ...pairs,
    path: 'evictionHard',
    usage: 'when the node is short of something: memory.available<100Mi,nodefs.available<10%',
  },
  'eviction-pressure-transition-period': {
    ...time,
    path: 'evictionPressureTransitionPeriod',
    usage: 'how long a pressure stays after its last shortage; 5m0s by default',
  },
  'file-check-frequency': {
    ...time,
    path: 'fileCheckFrequency',
    usage: 'how often manifests of static pods are read anew; 20s by default',
  },
  'healthz-bind-address': {
    placeholder: 'address',
    path: 'healthzBindAddress',
    usage: 'the address of /healthz; 127.0.0.1 by default',
  },
  'http-check-frequency': {
    ...time,
    path: 'httpCheckFrequency',
    usage: 'how often the URL of manifests is asked; 20s by default',
  },
  'manifest-url': { path: 'staticPodURL', usage: 'where manifests of further static pods are asked for' },
  'healthz-port': { ...whole, path: 'healthzPort', usage: 'its port; 10248 by default, 0: none' },
  'max-pods': { ...whole, path: 'maxPods', usage: 'pods on this node; 110 by default' },
  'node-status-update-frequency': {
    ...time,
    path: 'nodeStatusUpdateFrequency',
    usage: "how often the node's status is looked at; 10s by default",
  },
  'pod-manifest-path': { path: 'staticPodPath', usage: 'a folder, or a file, with manifests of static pods' },
  port: { ...whole, path: 'port', usage: "the port of the kubelet's API; 10250 by default" },
  'read-only-port': { ...whole, path: 'readOnlyPort', usage: 'a port without authentication: 0, there is none' },
  'register-node': { ...flag, path: 'registerNode', usage: 'register the node with the API server' },
  'register-with-taints': {
    placeholder: 'taints',
    path: 'registerWithTaints',
    value: taintsOf,
    usage: 'taints of the node when it registers: key=value:effect,…',
  },
  'resolv-conf': {
    path: 'resolvConf',
    usage: "the node's resolvers, for pods; by default /etc/resolv.conf, or what is behind systemd-resolved",
  },
  'rotate-certificates': {
    ...flag,
    path: 'rotateCertificates',
    usage: 'ask for a new client certificate before the current one ends',
  },
  'rotate-server-certificates': {
    ...flag,
    path: 'serverTLSBootstrap',
    usage: 'ask for a serving certificate, which somebody approves',
  },
  'serialize-image-pulls': { ...flag, path: 'serializeImagePulls', usage: 'one image after the other; true by default' },
  'sync-frequency': { ...time, path: 'syncFrequency', usage: 'how often a running pod is looked at anew; 1m0s by default' },
  'tls-cert-file': {
    path: 'tlsCertFile',
    usage: "serving certificate; by default --cert-dir's kubelet.crt, which is made if missing",
  },
  'tls-private-key-file': { path: 'tlsPrivateKeyFile', usage: 'its key' },
};

const attributeOf = (name: string): string => name.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** What the flags that were given say of the configuration. */
export function configurationOf(flags: object, given: ReadonlySet<string>): JsonObject {
  const values = flags as Readonly<Record<string, JsonValue>>;
  let configuration: JsonObject = {};
  for (const [name, { path }] of Object.entries(configFlags))
    if (given.has(name)) configuration = withField(configuration, path, values[attributeOf(name)] ?? null);
  return configuration;
}

function addConfigFlags(command: Command): void {
  for (const [name, { placeholder = 'string', usage, value = (text: string): JsonValue => text }] of Object.entries(
    configFlags,
  )) {
    const isBoolean = value === flag.value;
    command.option(`--${name} ${isBoolean ? '[bool]' : `<${placeholder}>`}`, usage, (text: string) => value(text));
  }
}

const labels = (text: string, previous: Record<string, string>): Record<string, string> => ({
  ...previous,
  ...pairsOf(text, /=/),
});

function runtimeName(text: string): string {
  if (text !== 'containerd' && text !== 'docker') throw new InvalidArgumentError('give containerd or docker');
  return text;
}

/** The groups of `--help`. */
export function kubeletSections(): FlagSection[] {
  return [
    {
      title: 'Kubelet',
      add: (command: Command) =>
        command
          .option('--config <file>', 'a KubeletConfiguration (kubelet.config.k8s.io/v1beta1); flags win over it')
          .option('--config-dir <folder>', 'more such files, *.conf, each over those before it in the order of their names')
          .option('--kubeconfig <file>', 'how the API server is reached; written by the bootstrap if it is not there')
          .option('--bootstrap-kubeconfig <file>', 'as whom the first client certificate is asked for')
          .option(
            '--tls-bootstrap-timeout <duration>',
            'how long it is waited for (not a flag of upstream)',
            durationMs,
            3_600_000,
          )
          .option('--cert-dir <folder>', 'certificates that were asked for, or made', '/var/lib/kubelet/pki')
          .option('--root-dir <folder>', "the kubelet's files: volumes and the like", '/var/lib/kubelet')
          .option('--hostname-override <name>', "the node's name; by default the hostname")
          .option('--node-ip <address>', "the node's address, or one of each IP family; by default the machine's first one", '')
          .option('--node-labels <pairs>', 'labels of the node when it registers', labels, {})
          .option(
            '--container-runtime <name>',
            'containerd, or docker by its own API (not a flag of upstream)',
            runtimeName,
            'containerd',
          )
          .option('--pod-infra-container-image <image>', "the image of docker's sandboxes", 'registry.k8s.io/pause:3.10.1')
          .option('--cni-conf-dir <folder>', 'the pod network, for docker (not a flag of upstream)', '/etc/cni/net.d')
          .option('--cni-bin-dir <folder>', 'its plugins, for docker (not a flag of upstream)', '/usr/lib/cni'),
    },
    { title: 'Configuration', add: addConfigFlags },
  ];
}

const noCloud = 'there is no cloud provider here';
const noAdvisor = 'usage is read from the control groups';

/** Upstream's flags that nothing of ours depends on. */
export const kubeletWithoutEffect: WithoutEffect = {
  ...withoutEffectAnywhere,
  ...withoutEffectInClients,
  'cloud-provider': { why: noCloud },
  'cloud-config': { why: noCloud },
  'provider-id': { why: noCloud },
  containerd: { why: noAdvisor },
  'containerd-namespace': { why: noAdvisor },
  'application-metrics-count-limit': { why: noAdvisor },
  'housekeeping-interval': { why: noAdvisor },
  'global-housekeeping-interval': { why: noAdvisor },
  'exit-on-lock-contention': { type: 'bool', why: 'there is no lock file' },
  'lock-file': { why: 'there is no lock file' },
  runonce: { type: 'bool', why: 'the kubelet runs until it is stopped' },
  'seccomp-default': { type: 'bool', why: "the runtime's default profile is used where a pod asks for it" },
};
