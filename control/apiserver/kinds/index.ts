/** The built-in kinds that the API server serves: one import and one line for each room. */
import { createResourceCatalog } from '#api/resource-catalog.ts';
import type { ResourceId } from '#api/resources.ts';
import type { Strategy } from '../registry/strategy.ts';
import { type RestKind, subresourceRows } from '../rest/exchange.ts';
import { mutatingAdmissionPolicyKind } from './admissionregistration/mutatingadmissionpolicy/strategy.ts';
import { mutatingAdmissionPolicyBindingKind } from './admissionregistration/mutatingadmissionpolicybinding/strategy.ts';
import { mutatingWebhookConfigurationKind } from './admissionregistration/mutatingwebhookconfiguration/strategy.ts';
import { validatingAdmissionPolicyKind } from './admissionregistration/validatingadmissionpolicy/strategy.ts';
import { validatingAdmissionPolicyBindingKind } from './admissionregistration/validatingadmissionpolicybinding/strategy.ts';
import { validatingWebhookConfigurationKind } from './admissionregistration/validatingwebhookconfiguration/strategy.ts';
import { customResourceDefinitionKind } from './apiextensions/customresourcedefinition/strategy.ts';
import { apiServiceKind } from './apiregistration/apiservice/strategy.ts';
import { controllerRevisionKind } from './apps/controllerrevision/strategy.ts';
import { daemonSetKind } from './apps/daemonset/strategy.ts';
import { deploymentKind } from './apps/deployment/strategy.ts';
import { replicaSetKind } from './apps/replicaset/strategy.ts';
import { statefulSetKind } from './apps/statefulset/strategy.ts';
import { autoscalerKind, autoscalerV1Kind } from './autoscaling/horizontalpodautoscaler/strategy.ts';
import { cronJobKind } from './batch/cronjob/strategy.ts';
import { jobKind } from './batch/job/strategy.ts';
import { certificateSigningRequestKind } from './certificates/certificatesigningrequest/strategy.ts';
import { leaseKind } from './coordination/lease/strategy.ts';
import { componentStatusKind } from './core/componentstatus/strategy.ts';
import { configMapKind } from './core/configmap/strategy.ts';
import { endpointsKind } from './core/endpoints/strategy.ts';
import { eventKind, eventsEventKind } from './core/event/strategy.ts';
import { limitRangeKind } from './core/limitrange/strategy.ts';
import { namespaceKind } from './core/namespace/strategy.ts';
import { nodeKind } from './core/node/strategy.ts';
import { persistentVolumeKind } from './core/persistentvolume/strategy.ts';
import { persistentVolumeClaimKind } from './core/persistentvolumeclaim/strategy.ts';
import { podKind } from './core/pod/strategy.ts';
import { podTemplateKind } from './core/podtemplate/strategy.ts';
import { replicationControllerKind } from './core/replicationcontroller/strategy.ts';
import { resourceQuotaKind } from './core/resourcequota/strategy.ts';
import { secretKind } from './core/secret/strategy.ts';
import { serviceKind } from './core/service/strategy.ts';
import { serviceAccountKind } from './core/serviceaccount/strategy.ts';
import type { BuiltInKind } from './define-kind.ts';
import type { StrategyDeps } from './deps.ts';
import { endpointSliceKind } from './discovery/endpointslice/strategy.ts';
import { flowSchemaKind } from './flowcontrol/flowschema/strategy.ts';
import { priorityLevelKind } from './flowcontrol/prioritylevelconfiguration/strategy.ts';
import { ingressKind } from './networking/ingress/strategy.ts';
import { ingressClassKind } from './networking/ingressclass/strategy.ts';
import { ipAddressKind } from './networking/ipaddress/strategy.ts';
import { networkPolicyKind } from './networking/networkpolicy/strategy.ts';
import { serviceCidrKind } from './networking/servicecidr/strategy.ts';
import { runtimeClassKind } from './node/runtimeclass/strategy.ts';
import { podDisruptionBudgetKind } from './policy/poddisruptionbudget/strategy.ts';
import { clusterRoleKind } from './rbac/clusterrole/strategy.ts';
import { clusterRoleBindingKind } from './rbac/clusterrolebinding/strategy.ts';
import { roleKind } from './rbac/role/strategy.ts';
import { roleBindingKind } from './rbac/rolebinding/strategy.ts';
import { deviceClassKind } from './resource/deviceclass/strategy.ts';
import { resourceClaimKind } from './resource/resourceclaim/strategy.ts';
import { resourceClaimTemplateKind } from './resource/resourceclaimtemplate/strategy.ts';
import { resourceSliceKind } from './resource/resourceslice/strategy.ts';
import { priorityClassKind } from './scheduling/priorityclass/strategy.ts';
import { csiDriverKind } from './storage/csidriver/strategy.ts';
import { csiNodeKind } from './storage/csinode/strategy.ts';
import { csiStorageCapacityKind } from './storage/csistoragecapacity/strategy.ts';
import { storageClassKind } from './storage/storageclass/strategy.ts';
import { volumeAttachmentKind } from './storage/volumeattachment/strategy.ts';
import { volumeAttributesClassKind } from './storage/volumeattributesclass/strategy.ts';

/** A kind that is a view of another row must come after it. */
const kinds = (deps: StrategyDeps): readonly BuiltInKind[] => [
  apiServiceKind,
  autoscalerKind,
  autoscalerV1Kind,
  certificateSigningRequestKind(deps),
  clusterRoleBindingKind(deps),
  clusterRoleKind(deps),
  componentStatusKind(deps),
  configMapKind,
  controllerRevisionKind,
  cronJobKind,
  csiDriverKind,
  csiNodeKind,
  csiStorageCapacityKind,
  mutatingAdmissionPolicyKind(deps),
  mutatingAdmissionPolicyBindingKind(deps),
  mutatingWebhookConfigurationKind,
  validatingAdmissionPolicyKind(deps),
  validatingAdmissionPolicyBindingKind(deps),
  validatingWebhookConfigurationKind,
  customResourceDefinitionKind,
  daemonSetKind,
  deploymentKind,
  deviceClassKind,
  endpointsKind,
  endpointSliceKind,
  eventKind,
  eventsEventKind,
  flowSchemaKind,
  jobKind,
  ingressClassKind,
  ingressKind,
  ipAddressKind,
  leaseKind,
  limitRangeKind,
  namespaceKind,
  networkPolicyKind,
  nodeKind,
  persistentVolumeClaimKind,
  persistentVolumeKind,
  podDisruptionBudgetKind,
  podKind,
  podTemplateKind,
  priorityClassKind,
  priorityLevelKind,
  replicaSetKind,
  replicationControllerKind,
  resourceQuotaKind,
  resourceClaimKind,
  resourceClaimTemplateKind,
  resourceSliceKind,
  roleBindingKind(deps),
  roleKind(deps),
  runtimeClassKind,
  secretKind,
  serviceKind(deps),
  serviceAccountKind,
  serviceCidrKind,
  statefulSetKind,
  storageClassKind,
  volumeAttachmentKind,
  volumeAttributesClassKind,
];

/** The strategy of each resource. `deps.services` is repaired before writes are served. */
export function strategies(deps: StrategyDeps): Record<ResourceId, Strategy> {
  return Object.fromEntries(kinds(deps).map(({ id, strategy }) => [id, strategy])) as Record<ResourceId, Strategy>;
}

/** The initial kinds of a `KindCatalog`. */
export function builtInKinds(deps: StrategyDeps): RestKind[] {
  const rows = createResourceCatalog();
  return kinds(deps).map(({ id, ...kind }) => {
    const row = rows.builtIn(id);
    return { resource: { ...row, subresources: subresourceRows(row, kind.subresources) }, ...kind };
  });
}
