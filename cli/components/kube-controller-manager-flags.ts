/** The flags of kube-controller-manager. Source: kubernetes `cmd/kube-controller-manager/app/options`. */
import type { Command } from 'commander';
import { mustParseCidr } from '#api/ip.ts';
import { boolean, cidr, count, durationMs, names, ratio } from '../flags.ts';
import { addComponentLeadershipFlags, type ComponentLeadershipFlags } from '../leadership-flags.ts';
import type { FlagSection, WithoutEffect } from './flag-set.ts';
import { type SecureServingFlags, secureServingSections } from './secure-serving.ts';
import { withoutEffectAnywhere, withoutEffectInClients } from './without-effect.ts';

/** As the command line gives them; times in milliseconds. */
export interface ControllerManagerFlags extends SecureServingFlags, ComponentLeadershipFlags {
  kubeconfig: string | undefined;
  master: string;
  allocateNodeCidrs: boolean;
  cidrAllocatorType: string;
  cloudProvider: string;
  clusterCidr: string;
  controllers: string[];
  nodeMonitorPeriod: number;
  useServiceAccountCredentials: boolean;
  clusterSigningCertFile: string | undefined;
  clusterSigningKeyFile: string | undefined;
  clusterSigningDuration: number;
  enableGarbageCollector: boolean;
  concurrentHorizontalPodAutoscalerSyncs: number;
  horizontalPodAutoscalerSyncPeriod: number;
  horizontalPodAutoscalerDownscaleStabilization: number;
  horizontalPodAutoscalerTolerance: number;
  horizontalPodAutoscalerCpuInitializationPeriod: number;
  horizontalPodAutoscalerInitialReadinessDelay: number;
  legacyServiceAccountTokenCleanUpPeriod: number;
  loadBalancerPool: string;
  nodeCidrMaskSize: number | undefined;
  nodeCidrMaskSizeIpv4: number | undefined;
  nodeCidrMaskSizeIpv6: number | undefined;
  nodeMonitorGracePeriod: number;
  nodeStartupGracePeriod: number;
  nodeEvictionRate: number;
  secondaryNodeEvictionRate: number;
  largeClusterSizeThreshold: number;
  unhealthyZoneThreshold: number;
  rootCaFile: string | undefined;
  serviceAccountPrivateKeyFile: string | undefined;
  serviceClusterIpRange: string;
  terminatedPodGcThreshold: number;
}

/** `--<flag>`: upstream's default, its controllers, and whose work it divides. */
const concurrent: Readonly<Record<string, { default: number; controllers: readonly string[]; what: string }>> = {
  'concurrent-cron-job-syncs': { default: 5, controllers: ['cronjob-controller'], what: 'CronJobs' },
  'concurrent-daemonset-syncs': { default: 2, controllers: ['daemonset-controller'], what: 'DaemonSets' },
  'concurrent-deployment-syncs': { default: 5, controllers: ['deployment-controller'], what: 'Deployments' },
  'concurrent-endpoint-syncs': { default: 5, controllers: ['endpoints-controller'], what: 'Endpoints' },
  'concurrent-ephemeralvolume-syncs': {
    default: 5,
    controllers: ['ephemeral-volume-controller'],
    what: 'pods with ephemeral volumes',
  },
  'concurrent-gc-syncs': { default: 20, controllers: ['garbage-collector-controller'], what: 'objects to collect' },
  'concurrent-job-syncs': { default: 5, controllers: ['job-controller'], what: 'Jobs' },
  'concurrent-namespace-syncs': { default: 10, controllers: ['namespace-controller'], what: 'namespaces' },
  'concurrent-rc-syncs': { default: 5, controllers: ['replicationcontroller-controller'], what: 'ReplicationControllers' },
  'concurrent-replicaset-syncs': { default: 5, controllers: ['replicaset-controller'], what: 'ReplicaSets' },
  'concurrent-resource-claim-syncs': { default: 50, controllers: ['resourceclaim-controller'], what: 'ResourceClaims' },
  'concurrent-resource-quota-syncs': { default: 5, controllers: ['resourcequota-controller'], what: 'ResourceQuotas' },
  'concurrent-service-endpoint-syncs': {
    default: 5,
    controllers: ['endpointslice-controller'],
    what: 'Services and their EndpointSlices',
  },
  'concurrent-service-syncs': { default: 1, controllers: ['service-lb-controller'], what: 'Services of type LoadBalancer' },
  'concurrent-serviceaccount-token-syncs': {
    default: 5,
    controllers: ['serviceaccount-token-controller'],
    what: 'tokens in Secrets',
  },
  'concurrent-statefulset-syncs': { default: 5, controllers: ['statefulset-controller'], what: 'StatefulSets' },
  'concurrent-ttl-after-finished-syncs': {
    default: 5,
    controllers: ['ttl-after-finished-controller'],
    what: 'Jobs that have ended',
  },
  'concurrent-validating-admission-policy-status-syncs': {
    default: 5,
    controllers: ['validatingadmissionpolicy-status-controller'],
    what: 'ValidatingAdmissionPolicies',
  },
  'mirroring-concurrent-service-endpoint-syncs': {
    default: 5,
    controllers: ['endpointslice-mirroring-controller'],
    what: 'Endpoints to mirror',
  },
};

const attributeOf = (flag: string): string => flag.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());

const addConcurrency = (command: Command): void => {
  for (const [flag, { default: byDefault, what }] of Object.entries(concurrent))
    command.option(`--${flag} <n>`, `${what} that are looked at at the same time`, count, byDefault);
};

/** By upstream's name of the controller. */
export function concurrencyOf(flags: ControllerManagerFlags): ReadonlyMap<string, number> {
  const values = flags as unknown as Record<string, number>;
  return new Map(
    Object.entries(concurrent).flatMap(([flag, { default: byDefault, controllers }]) =>
      controllers.map((controller): [string, number] => [controller, Math.max(1, values[attributeOf(flag)] ?? byDefault)]),
    ),
  );
}

/** Of the first network of `--cluster-cidr`. Undefined: the default of its family. */
export function maskSizeOf(flags: ControllerManagerFlags): number | undefined {
  const [first = ''] = flags.clusterCidr.split(',');
  if (first === '') return flags.nodeCidrMaskSize;
  const ofFamily = mustParseCidr(first).family === 'IPv6' ? flags.nodeCidrMaskSizeIpv6 : flags.nodeCidrMaskSizeIpv4;
  return ofFamily ?? flags.nodeCidrMaskSize;
}

const optionalCidr = (text: string): string => (text === '' ? '' : cidr(text));
const controllerList = (text: string, previous: string[]): string[] => names(text, previous.join() === '*' ? [] : previous);

/** The groups of `--help`. */
export function controllerManagerSections(): FlagSection[] {
  return [
    {
      title: 'Generic',
      add: (command: Command) =>
        command
          .option('--allocate-node-cidrs [bool]', 'give each node a part of --cluster-cidr for its pods', boolean, false)
          .option('--cidr-allocator-type <type>', 'how these parts are chosen: RangeAllocator', rangeAllocator, 'RangeAllocator')
          .option('--cloud-provider <name>', 'empty, or external', '')
          .option(
            '--cluster-cidr <cidrs>',
            'the network of the pods, or one of each IP family; needs --allocate-node-cidrs',
            optionalCidr,
            '',
          )
          .option(
            '--controllers <names>',
            'which controllers run: * is all that are on by default, name is one of them, -name leaves it out',
            controllerList,
            ['*'],
          )
          .option('--node-monitor-period <duration>', 'how often nodes are looked at', durationMs, 5000)
          .option(
            '--use-service-account-credentials [bool]',
            'each controller acts as a service account of its own',
            boolean,
            false,
          ),
    },
    { title: 'Leader election', add: (command: Command) => addComponentLeadershipFlags(command, 'kube-controller-manager') },
    ...secureServingSections(10_257),
    {
      title: 'Csrsigning controller',
      add: (command: Command) =>
        command
          .option('--cluster-signing-cert-file <file>', 'the CA that signs requests for certificates')
          .option('--cluster-signing-key-file <file>', 'its key')
          .option(
            '--cluster-signing-duration <duration>',
            'how long such certificates are valid, at most',
            durationMs,
            365 * 24 * 3_600_000,
          ),
    },
    { title: 'Concurrency', add: addConcurrency },
    {
      title: 'Garbagecollector controller',
      add: (command: Command) =>
        command.option('--enable-garbage-collector [bool]', 'collect what has lost its owners', boolean, true),
    },
    {
      title: 'Horizontalpodautoscaling controller',
      add: (command: Command) =>
        command
          .option('--concurrent-horizontal-pod-autoscaler-syncs <n>', 'autoscalers that are looked at at the same time', count, 5)
          .option(
            '--horizontal-pod-autoscaler-sync-period <duration>',
            'how often an autoscaler is looked at',
            durationMs,
            15_000,
          )
          .option(
            '--horizontal-pod-autoscaler-downscale-stabilization <duration>',
            'how long recommendations keep pods from being removed',
            durationMs,
            300_000,
          )
          .option(
            '--horizontal-pod-autoscaler-tolerance <ratio>',
            'how far use may be from the target before anything is scaled',
            ratio,
            0.1,
          )
          .option(
            '--horizontal-pod-autoscaler-cpu-initialization-period <duration>',
            'how long after its start CPU use of a pod may not count',
            durationMs,
            300_000,
          )
          .option(
            '--horizontal-pod-autoscaler-initial-readiness-delay <duration>',
            'how long after its start changes of readiness count as its start',
            durationMs,
            30_000,
          ),
    },
    {
      title: 'Nodeipam controller',
      add: (command: Command) =>
        command
          .option(
            '--node-cidr-mask-size <bits>',
            "the size of a node's part of --cluster-cidr; by default 24 for IPv4, 64 for IPv6",
            count,
          )
          .option('--node-cidr-mask-size-ipv4 <bits>', 'the same of the IPv4 network', count)
          .option('--node-cidr-mask-size-ipv6 <bits>', 'the same of the IPv6 network', count)
          .option('--service-cluster-ip-range <cidrs>', "the Services' network, of which no node gets a part", optionalCidr, ''),
    },
    {
      title: 'Nodelifecycle controller',
      add: (command: Command) =>
        command
          .option('--node-monitor-grace-period <duration>', 'silence after which a node is not ready', durationMs, 50_000)
          .option('--node-startup-grace-period <duration>', 'the same of a node that starts', durationMs, 60_000)
          .option('--node-eviction-rate <ratio>', 'nodes a second whose pods are evicted, in a healthy zone', ratio, 0.1)
          .option('--secondary-node-eviction-rate <ratio>', 'the same in an unhealthy zone', ratio, 0.01)
          .option('--large-cluster-size-threshold <n>', 'up to so many nodes, an unhealthy zone evicts nothing', count, 50)
          .option(
            '--unhealthy-zone-threshold <ratio>',
            'the share of nodes that are not ready that makes a zone unhealthy',
            ratio,
            0.55,
          ),
    },
    {
      title: 'Podgc controller',
      add: (command: Command) =>
        command.option('--terminated-pod-gc-threshold <n>', 'so many pods that have ended are kept; 0: all', count, 12_500),
    },
    {
      title: 'Serviceaccount controller',
      add: (command: Command) =>
        command
          .option('--service-account-private-key-file <file>', 'the key (PEM) that signs the tokens in Secrets')
          .option(
            '--root-ca-file <file>',
            "the CA of the API server's certificate, for Secrets with tokens and for the ConfigMap kube-root-ca.crt of each namespace",
          )
          .option(
            '--legacy-service-account-token-clean-up-period <duration>',
            'how long a token in a Secret may be unused before it is refused, and then deleted',
            durationMs,
            365 * 24 * 3_600_000,
          ),
    },
    {
      title: 'Service-lb controller',
      add: (command: Command) =>
        command.option(
          '--load-balancer-pool <cidrs>',
          'addresses for Services of type LoadBalancer (not a flag of upstream)',
          optionalCidr,
          '',
        ),
    },
    {
      title: 'Misc',
      add: (command: Command) =>
        command
          .option('--kubeconfig <file>', 'how the API server is reached')
          .option('--master <url>', "the API server, in place of the kubeconfig's", ''),
    },
  ];
}

function rangeAllocator(text: string): string {
  if (text !== 'RangeAllocator') throw new Error(`--cidr-allocator-type ${text}: give RangeAllocator`);
  return text;
}

const noCloud = 'there is no cloud provider here';
const onChange = 'controllers look at what has changed when it changes';

/** Upstream's flags that nothing of ours depends on. */
export const controllerManagerWithoutEffect: WithoutEffect = {
  ...withoutEffectAnywhere,
  ...withoutEffectInClients,
  'allow-untagged-cloud': { type: 'bool', why: noCloud },
  'cloud-config': { why: noCloud },
  'cluster-name': { why: 'only resources of clouds are named after the cluster' },
  'configure-cloud-routes': { type: 'bool', why: noCloud },
  'node-sync-period': { why: noCloud },
  'route-reconciliation-period': { why: noCloud },
  'external-cloud-volume-plugin': { why: noCloud },
  'controller-start-interval': { why: 'controllers start together' },
  'min-resync-period': { why: onChange },
  'namespace-sync-period': { why: onChange },
  'pvclaimbinder-sync-period': { why: onChange },
  'attach-detach-reconcile-sync-period': { why: onChange },
  'disable-attach-detach-reconcile-sync': { type: 'bool', why: onChange },
  'enable-leader-migration': { type: 'bool', why: noCloud },
  'leader-migration-config': { why: noCloud },
  'flex-volume-plugin-dir': { why: 'there are no flex volumes' },
  'enable-hostpath-provisioner': { type: 'bool', why: 'node-local volumes are provisioned by the StorageClass local-path' },
  'pv-recycler-pod-template-filepath-hostpath': { why: 'volumes are not recycled' },
  'pv-recycler-pod-template-filepath-nfs': { why: 'volumes are not recycled' },
  'pv-recycler-increment-timeout-nfs': { why: 'volumes are not recycled' },
  'pv-recycler-minimum-timeout-hostpath': { why: 'volumes are not recycled' },
  'pv-recycler-minimum-timeout-nfs': { why: 'volumes are not recycled' },
  'pv-recycler-timeout-increment-hostpath': { why: 'volumes are not recycled' },
};
