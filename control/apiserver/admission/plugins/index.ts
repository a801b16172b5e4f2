/**
 * The built-in admission plugins, one line each, in the order in which they are called.
 *
 * Source: kubernetes `pkg/kubeapiserver/options/plugins.go` (AllOrderedPlugins).
 */
import type { ResourceCatalog } from '#api/resource-catalog.ts';
import { type Clock, systemClock } from '#client/clock.ts';
import type { Authorizer } from '../../authorization/authorization.ts';
import type { AdmissionMetrics } from '../admission-metrics.ts';
import type { AdmissionSettings } from '../config/admission-configuration.ts';
import type { WebhookCredentials } from '../config/webhook-credentials.ts';
import type { AdmissionPlugin } from '../plugin.ts';
import { isPluginEnabled, type PluginChoice } from '../plugin-names.ts';
import { WebhookCaller } from '../webhooks/webhook-call.ts';
import type { Versions } from '../webhooks/webhook-matching.ts';
import { mutatingAdmissionWebhook, validatingAdmissionWebhook } from './admission-webhooks.ts';
import { alwaysAdmit, alwaysDeny } from './always.ts';
import { alwaysPullImages } from './always-pull-images.ts';
import { certificateApproval, certificateSigning } from './certificate-signers.ts';
import { certificateSubjectRestriction } from './certificate-subject-restriction.ts';
import { defaultIngressClass } from './default-ingress-class.ts';
import { defaultStorageClass } from './default-storage-class.ts';
import { defaultTolerationSeconds, type TolerationSeconds } from './default-toleration-seconds.ts';
import { denyServiceExternalIps } from './deny-service-external-ips.ts';
import { eventRateLimit } from './event-rate-limit.ts';
import { extendedResourceToleration } from './extended-resource-toleration.ts';
import { imagePolicyWebhook } from './image-policy-webhook.ts';
import { limitPodHardAntiAffinityTopology } from './limit-pod-hard-anti-affinity-topology.ts';
import { limitRanger } from './limit-ranger.ts';
import { mutatingAdmissionPolicy } from './mutating-admission-policy.ts';
import { namespaceAutoProvision } from './namespace-auto-provision.ts';
import { namespaceExists } from './namespace-exists.ts';
import { namespaceLifecycle } from './namespace-lifecycle.ts';
import { nodeDeclaredFeatureValidator } from './node-declared-features.ts';
import { nodeRestriction } from './node-restriction.ts';
import { ownerReferencesPermissionEnforcement } from './owner-references.ts';
import { persistentVolumeClaimResize } from './persistent-volume-claim-resize.ts';
import { podNodeSelector } from './pod-node-selector.ts';
import { podResizeValidator } from './pod-resize-validator.ts';
import { podSecurity } from './pod-security.ts';
import { podTolerationRestriction } from './pod-toleration-restriction.ts';
import { podTopologyLabels } from './pod-topology-labels.ts';
import { priority } from './priority.ts';
import { resourceQuota } from './resource-quota.ts';
import { runtimeClass } from './runtime-class.ts';
import { serviceAccount } from './service-account.ts';
import { storageObjectInUseProtection } from './storage-object-in-use-protection.ts';
import { taintNodesByCondition } from './taint-nodes-by-condition.ts';
import { validatingAdmissionPolicy } from './validating-admission-policy.ts';

/** What the plugins need. */
export interface AdmissionDeps {
  /** A number in [0, 1), for name suffixes and jitter. */
  random: () => number;
  /** The clock of cached answers and rate limits. Default: the machine's. */
  clock?: Clock | undefined;
  /** Creates a namespace as the API server itself. Absent: NamespaceAutoProvision fails. */
  createNamespace?: ((name: string) => Promise<void>) | undefined;
  /** Default: 300 each. */
  tolerationSeconds?: TolerationSeconds | undefined;
  /** `--admission-control-config-file`. Default: nothing is configured. */
  settings?: AdmissionSettings | undefined;
  /** The authorizer, for plugins that check additional permissions. */
  authorizer?: Authorizer | undefined;
  /** The served kinds, for plugins that check references. */
  catalog?: ResourceCatalog | undefined;
  /** `--enable-admission-plugins`, `--disable-admission-plugins`. Default: those that are on by default. */
  choice?: PluginChoice | undefined;
  /** Calls webhooks. Absent: a new one is created. */
  webhooks?: WebhookCaller | undefined;
  /** Converts objects between versions, for webhooks whose rules name another one. */
  convert?: Versions['convert'] | undefined;
  /** Counts calls of webhooks and checks of policies. Absent: nothing is counted. */
  metrics?: AdmissionMetrics | undefined;
}

const noNamespaces = (name: string): Promise<void> => Promise.reject(new Error(`nobody here makes the namespace ${name}`));
const byDefault: PluginChoice = { enable: [], disable: [] };

/** The enabled plugins. */
export function admissionPlugins(deps: AdmissionDeps): AdmissionPlugin[] {
  return allAdmissionPlugins(deps).filter(({ name }) => isPluginEnabled(name, deps.choice ?? byDefault));
}

/** All plugins of this server, including those that are off by default. */
export function allAdmissionPlugins({
  random,
  clock = systemClock,
  createNamespace = noNamespaces,
  tolerationSeconds,
  settings = {},
  authorizer,
  catalog,
  webhooks: caller = new WebhookCaller(random),
  convert,
  metrics,
}: AdmissionDeps): AdmissionPlugin[] {
  const versions = catalog === undefined || convert === undefined ? undefined : { catalog, convert };
  const callerAs = (credentials: WebhookCredentials | undefined): WebhookCaller =>
    credentials === undefined ? caller : new WebhookCaller(random, credentials);
  const policies = { authorizer, catalog, versions, metrics };
  return [
    alwaysAdmit(),
    namespaceAutoProvision(createNamespace),
    namespaceLifecycle(),
    namespaceExists(),
    limitPodHardAntiAffinityTopology(),
    limitRanger(),
    serviceAccount({ random }),
    nodeRestriction({ authorizer }),
    taintNodesByCondition(),
    alwaysPullImages(),
    imagePolicyWebhook(settings.imagePolicy, { clock, random }),
    podSecurity(settings.podSecurity),
    podNodeSelector(settings.podNodeSelectors),
    priority(),
    defaultTolerationSeconds(tolerationSeconds),
    podTolerationRestriction(settings.tolerationRestriction),
    eventRateLimit(settings.eventLimits),
    extendedResourceToleration(),
    defaultStorageClass(),
    storageObjectInUseProtection(),
    ownerReferencesPermissionEnforcement({ authorizer, catalog }),
    persistentVolumeClaimResize(),
    runtimeClass(),
    certificateApproval({ authorizer }),
    certificateSigning({ authorizer }),
    certificateSubjectRestriction(),
    defaultIngressClass(),
    denyServiceExternalIps(),
    podTopologyLabels(),
    nodeDeclaredFeatureValidator(),
    podResizeValidator(),
    mutatingAdmissionPolicy(policies),
    mutatingAdmissionWebhook({ authorizer, versions, caller: callerAs(settings.mutatingWebhookCredentials), metrics }),
    validatingAdmissionPolicy(policies),
    validatingAdmissionWebhook({ authorizer, versions, caller: callerAs(settings.validatingWebhookCredentials), metrics }),
    resourceQuota(settings.limitedResources),
    alwaysDeny(),
  ];
}
