/** The controllers of the control plane, and the function that runs them together. */
import type { Logger } from 'pino';
import type { ResourceCatalog } from '#api/resource-catalog.ts';
import { localPathAccount } from '#api/storage/local-path.ts';
import type { Client } from '#client/client.ts';
import type { Clock } from '#client/clock.ts';
import type { Controller, ControllerDeps } from '#client/controller.ts';
import type { ReconcileObserver } from '#client/controller-runner.ts';
import { runControllerSet } from '#client/controller-runner.ts';
import type { EventRecorder } from '#client/event-recorder.ts';
import { createEventRecorder } from '#client/event-recorder.ts';
import type { Informers } from '#client/informers.ts';
import { createInformers } from '#client/informers.ts';
import type { LeftOutReporter } from '#client/left-out.ts';
import { attachDetachController } from './attach-detach/attach-detach.ts';
import { bootstrapSigner } from './bootstrap-signer.ts';
import { csrApprovingController } from './certificates/approving.ts';
import { csrCleanerController } from './certificates/cleaning.ts';
import { type CertificateSigner, csrSigningController } from './certificates/signing.ts';
import { clusterRoleAggregationController } from './cluster-role-aggregation.ts';
import { cronJobController } from './cronjob/cron-job.ts';
import { daemonSetController } from './daemonset.ts';
import { deploymentController } from './deployment.ts';
import { deviceTaintEvictionController } from './device-taint-eviction.ts';
import { disruptionController, staleDisruptionController } from './disruption.ts';
import { endpointsController } from './endpoints.ts';
import { endpointSliceController } from './endpointslice.ts';
import { endpointSliceMirroringController } from './endpointslice-mirroring.ts';
import { ephemeralVolumeController } from './ephemeral-volume.ts';
import { garbageCollector } from './garbage-collector.ts';
import { jobController } from './job/job.ts';
import { jobOrphanPodController } from './job/orphan-pods.ts';
import { type LegacyTokenCleanerOptions, legacyTokenCleaner } from './legacy-token-cleaner.ts';
import { loadBalancerController } from './load-balancer.ts';
import { localPathController } from './local-path/provisioner.ts';
import type { ControllerMonitors } from './monitors/index.ts';
import { upstreamNames } from './monitors/names.ts';
import { namespaceController } from './namespace.ts';
import type { NodeIpamOptions } from './node-ipam.ts';
import { nodeIpamController } from './node-ipam.ts';
import type { NodeLifecycleOptions } from './node-lifecycle.ts';
import { nodeLifecycleController } from './node-lifecycle.ts';
import { nodeTtlController } from './node-ttl.ts';
import { persistentVolumeBinder } from './persistent-volume/binder.ts';
import type { PodGcOptions } from './pod-gc.ts';
import { podGcController } from './pod-gc.ts';
import { horizontalController } from './podautoscaler/horizontal.ts';
import { defaultHorizontal, type HorizontalOptions } from './podautoscaler/horizontal-options.ts';
import { policyStatusController } from './policy-status.ts';
import { pvProtectionController } from './pv-protection.ts';
import { pvcProtectionController } from './pvc-protection.ts';
import { replicaSetController } from './replicaset.ts';
import { replicationController } from './replication-controller.ts';
import { resourceClaimController } from './resource-claim/resource-claim.ts';
import { resourceQuotaController } from './resource-quota.ts';
import { rootCaPublisher } from './root-ca-publisher.ts';
import { serviceAccountController } from './service-account.ts';
import { type ServiceAccountTokensOptions, serviceAccountTokensController } from './service-account-tokens.ts';
import { serviceCidrsController } from './service-cidrs.ts';
import { statefulSetController } from './statefulset.ts';
import { taintEvictionController } from './taint-eviction.ts';
import { tokenCleaner } from './token-cleaner.ts';
import { ttlAfterFinishedController } from './ttl-after-finished.ts';
import { vacProtectionController } from './vac-protection.ts';

import { volumeExpandController } from './volume-expand.ts';

/** Configuration of the controllers. */
export interface ControllerOptions
  extends NodeLifecycleOptions,
    PodGcOptions,
    LegacyTokenCleanerOptions,
    Omit<NodeIpamOptions, 'clusterCidr'> {
  /** `--cluster-cidr`. Absent: nodes get no pod CIDRs (`--allocate-node-cidrs=false`). */
  clusterCidr?: string | undefined;
  /** The CA certificate that is published to every namespace. Absent: none is published. */
  rootCaPem?: string | undefined;
  /** Absent: secrets of service accounts get no tokens. */
  issueServiceAccountToken?: ServiceAccountTokensOptions['issueToken'] | undefined;
  /** Signs the requests to the cluster's own signers. Absent: none is signed. */
  certificateSigner?: CertificateSigner | undefined;
  /** `--cluster-signing-duration`. Default: a year. */
  clusterSigningDurationMs?: number | undefined;
  /** `--load-balancer-pool`: networks whose addresses Services of type LoadBalancer get. Absent or empty: they get none. */
  loadBalancerPool?: readonly string[] | undefined;
  /** `--horizontal-pod-autoscaler-…`. Default: upstream's. */
  horizontal?: Partial<HorizontalOptions> | undefined;
  /** `--controllers`: which of them run, by upstream's name (`deployment-controller`). Default: all. */
  isEnabled?: ((upstreamName: string) => boolean) | undefined;
  /** `--concurrent-…-syncs`: keys worked on at once, by upstream's name of the controller. Default: each controller's own number. */
  concurrency?: ReadonlyMap<string, number> | undefined;
  /** The metrics of the controllers. Default: not exposed. */
  monitors?: ControllerMonitors | undefined;
}

const yearMs = 365 * 24 * 60 * 60_000;

/** Returns the event recorder of a component. Its name becomes the `source.component` of the events. */
export type RecorderOf = (component: string, client: Client) => EventRecorder;

/** Returns a client of the service account `kube-system/<name>`. Each controller uses upstream's account with its own role. */
export type ClientOf = (account: string) => Client;

/** Makes all controllers. @param recorderOf default: `deps.events` for all */
export function controllers(
  deps: ControllerDeps,
  options: ControllerOptions,
  recorderOf: RecorderOf = () => deps.events,
  clientOf: ClientOf = () => deps.client,
): Controller[] {
  const as = (component: string, account = component): ControllerDeps => {
    const client = clientOf(account);
    return { ...deps, client, events: recorderOf(component, client) };
  };
  const { clusterCidr, rootCaPem, issueServiceAccountToken: issueToken } = options;
  const { certificateSigner, clusterSigningDurationMs = yearMs, loadBalancerPool = [] } = options;
  return [
    deploymentController(as('deployment-controller')),
    replicaSetController(as('replicaset-controller')),
    replicationController(as('replication-controller')),
    daemonSetController(as('daemonset-controller', 'daemon-set-controller')),
    statefulSetController(as('statefulset-controller')),
    endpointsController(as('endpoint-controller')),
    endpointSliceController(as('endpoint-slice-controller', 'endpointslice-controller')),
    endpointSliceMirroringController(as('endpoint-slice-mirroring-controller', 'endpointslicemirroring-controller')),
    jobController(as('job-controller')),
    jobOrphanPodController(as('job-controller')),
    cronJobController(as('cronjob-controller')),
    ttlAfterFinishedController(as('ttl-after-finished-controller')),
    namespaceController(as('namespace-controller')),
    resourceClaimController(as('resource_claim', 'resource-claim-controller'), options.monitors?.resourceClaim),
    resourceQuotaController(as('resourcequota-controller')),
    serviceAccountController(as('serviceaccount-controller', 'service-account-controller')),
    bootstrapSigner(as('bootstrap-signer')),
    tokenCleaner(as('token-cleaner')),
    legacyTokenCleaner(as('legacy-service-account-token-cleaner'), options),
    // As in upstream, this one runs as the controller manager itself, because it makes the tokens of the others.
    ...(issueToken === undefined ? [] : [serviceAccountTokensController(deps, { issueToken, rootCaPem })]),
    serviceCidrsController(as('service-cidr-controller', 'service-cidrs-controller')),
    garbageCollector(as('garbage-collector-controller', 'generic-garbage-collector')),
    clusterRoleAggregationController(as('clusterrole-aggregation-controller')),
    disruptionController(as('controllermanager', 'disruption-controller')),
    staleDisruptionController(as('controllermanager', 'disruption-controller')),
    ...(loadBalancerPool.length === 0 ? [] : [loadBalancerController(as('service-controller'), loadBalancerPool)]),
    horizontalController(as('horizontal-pod-autoscaler'), { ...defaultHorizontal, ...options.horizontal }),
    csrApprovingController(as('csrapproving', 'certificate-controller')),
    ...(certificateSigner === undefined
      ? []
      : [
          csrSigningController(as('csrsigning', 'certificate-controller'), {
            signer: certificateSigner,
            maxDurationMs: clusterSigningDurationMs,
          }),
        ]),
    csrCleanerController(as('csrcleaner', 'certificate-controller')),
    podGcController(as('pod-garbage-collector'), options, options.monitors?.nodes),
    policyStatusController(as('validatingadmissionpolicy-status-controller')),
    persistentVolumeBinder(as('persistentvolume-controller', 'persistent-volume-binder')),
    ephemeralVolumeController(as('ephemeral_volume', 'ephemeral-volume-controller')),
    volumeExpandController(as('volume_expand', 'expand-controller')),
    localPathController(as('tinkernetes.io/local-path', localPathAccount)),
    attachDetachController(as('attachdetach-controller')),
    pvProtectionController(as('pv-protection-controller')),
    pvcProtectionController(as('pvc-protection-controller')),
    vacProtectionController(as('volumeattributesclass-protection-controller')),
    nodeLifecycleController(as('node-controller'), options),
    nodeTtlController(as('ttl-controller')),
    deviceTaintEvictionController(
      as('device-taint-eviction', 'device-taint-eviction-controller'),
      options.monitors?.deviceEvictions,
    ),
    taintEvictionController(as('taint-eviction-controller', 'node-controller'), options.monitors?.evictions),
    ...(clusterCidr === undefined
      ? []
      : [nodeIpamController(as('cidrAllocator', 'node-controller'), { ...options, clusterCidr })]),
    ...(rootCaPem === undefined
      ? []
      : [rootCaPublisher(as('root-ca-certificate-publisher', 'root-ca-cert-publisher'), rootCaPem)]),
  ];
}

/** What {@link runControllers} works with. */
export interface RunControllersDeps {
  /** The client of the shared informers, which lists and watches for all controllers. */
  client: Client;
  /** Absent: all controllers act as {@link client}. */
  clientOf?: ClientOf;
  /** The resources that the garbage collector and the namespace controller watch. */
  catalog: ResourceCatalog;
  clock: Clock;
  log: Logger;
  /** Returns a number in [0, 1). Default Math.random. */
  random?: () => number;
  observer?: ReconcileObserver;
  /** Is told of objects that controllers leave out. */
  leftOut: LeftOutReporter;
  /** Informers that the caller runs and shares with other parts. Absent: the controllers run their own. */
  informers?: Informers;
}

/** Runs all controllers until `signal` aborts. Settles after all have ended and their events are sent. */
export async function runControllers(deps: RunControllersDeps, options: ControllerOptions, signal: AbortSignal): Promise<void> {
  const { client, catalog, clock, log, leftOut, random = Math.random, observer } = deps;
  const informers = deps.informers ?? createInformers({ client, clock, log, random });
  const recorders: ReturnType<typeof createEventRecorder>[] = [];
  const recorderOf: RecorderOf = (component, as) => {
    const recorder = createEventRecorder({ client: as, clock, log, component });
    recorders.push(recorder);
    return recorder;
  };
  const all = controllers(
    { client, catalog, caches: informers, clock, log, leftOut, events: recorderOf('controller-manager', client) },
    options,
    recorderOf,
    deps.clientOf,
  );
  const upstreamName = ({ name }: Controller): string => upstreamNames[name]?.controller ?? name;
  const chosen = all.filter((controller) => options.isEnabled?.(upstreamName(controller)) !== false);
  const concurrencyOf = (controller: Controller): number | undefined => options.concurrency?.get(upstreamName(controller));
  const watcher = observer ?? options.monitors;
  const runner = { informers, clock, log, concurrencyOf, ...(watcher === undefined ? {} : { observer: watcher }) };
  const unobserve = options.monitors?.observe({ informers, clock });
  await Promise.all([...(deps.informers === undefined ? [informers.run(signal)] : []), runControllerSet(chosen, runner, signal)]);
  unobserve?.();
  await Promise.all(recorders.map((recorder) => recorder.flush()));
}
