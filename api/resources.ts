/**
 * The built-in resources, in the terms of discovery: the rows with which a `ResourceCatalog` (`resource-catalog.ts`) begins. The
 * lint allows no other module to import this table as a value. Parts that need rows get a catalog, because resources are added
 * and removed at run time.
 */
import type { Resource } from './resource.ts';
import { allVerbs, kind, resource } from './resource-row.ts';
import type {
  APIService,
  AutoscalingV2HorizontalPodAutoscaler,
  CertificateSigningRequest,
  ClusterRole,
  ClusterRoleBinding,
  ComponentStatus,
  ConfigMap,
  ControllerRevision,
  CronJob,
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  CustomResourceDefinition,
  DaemonSet,
  Deployment,
  DeviceClass,
  DraResourceClaim,
  EndpointSlice,
  Endpoints,
  Event,
  EventsEvent,
  FlowSchema,
  HorizontalPodAutoscaler,
  Ingress,
  IngressClass,
  IPAddress,
  Job,
  Lease,
  LimitRange,
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  MutatingWebhookConfiguration,
  Namespace,
  NetworkPolicy,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  PodDisruptionBudget,
  PodTemplate,
  PriorityClass,
  PriorityLevelConfiguration,
  ReplicaSet,
  ReplicationController,
  ResourceClaimTemplate,
  ResourceQuota,
  ResourceSlice,
  Role,
  RoleBinding,
  RuntimeClass,
  Secret,
  Service,
  ServiceAccount,
  ServiceCIDR,
  StatefulSet,
  StorageClass,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  ValidatingWebhookConfiguration,
  VolumeAttachment,
  VolumeAttributesClass,
} from './types.generated.ts';

export type { GroupVersionPriority, Resource, Subresource } from './resource.ts';

/** The TypeScript type of each resource, by {@link Resource.id}. */
export type ResourceTypes = { [Id in keyof typeof rows]: NonNullable<(typeof rows)[Id]['type']> };

/** The ids of the built-in resources. */
export type ResourceId = keyof ResourceTypes;

/** A row of the table below. */
export interface BuiltInResource extends Resource {
  id: ResourceId;
}

/** By {@link Resource.id}. */
const rows = {
  // It is not stored: the API server finds it out when it is asked.
  componentstatuses: kind<ComponentStatus>('ComponentStatus', 'core/v1.ComponentStatus', {
    verbs: ['get', 'list'],
    cluster: true,
    names: ['cs'],
    deprecation: 'v1 ComponentStatus is deprecated in v1.19+',
    garbageCollected: false,
  }),
  configmaps: kind<ConfigMap>('ConfigMap', 'core/v1.ConfigMap', { names: ['cm'] }),
  endpoints: kind<Endpoints>('Endpoints', 'core/v1.Endpoints', {
    names: ['ep'],
    storage: 'services/endpoints',
    deprecation: 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice',
  }),
  events: kind<Event>('Event', 'core/v1.Event', { names: ['ev'], garbageCollected: false }),
  limitranges: kind<LimitRange>('LimitRange', 'core/v1.LimitRange', { names: ['limits'] }),
  namespaces: kind<Namespace>('Namespace', 'core/v1.Namespace', {
    verbs: allVerbs.filter((verb) => verb !== 'deletecollection'),
    cluster: true,
    returnsDeleted: 'undocumented',
    names: ['ns'],
  }),
  nodes: kind<Node>('Node', 'core/v1.Node', {
    cluster: true,
    names: ['no'],
    storage: 'minions',
  }),
  persistentvolumeclaims: kind<PersistentVolumeClaim>('PersistentVolumeClaim', 'core/v1.PersistentVolumeClaim', {
    returnsDeleted: 'yes',
    names: ['pvc'],
  }),
  persistentvolumes: kind<PersistentVolume>('PersistentVolume', 'core/v1.PersistentVolume', {
    cluster: true,
    returnsDeleted: 'yes',
    names: ['pv'],
  }),
  pods: kind<Pod>('Pod', 'core/v1.Pod', {
    returnsDeleted: 'yes',
    names: ['po'],
    categories: ['all'],
  }),
  podtemplates: kind<PodTemplate>('PodTemplate', 'core/v1.PodTemplate', { returnsDeleted: 'yes' }),
  replicationcontrollers: kind<ReplicationController>('ReplicationController', 'core/v1.ReplicationController', {
    names: ['rc'],
    categories: ['all'],
    storage: 'controllers',
  }),
  resourcequotas: kind<ResourceQuota>('ResourceQuota', 'core/v1.ResourceQuota', { returnsDeleted: 'yes', names: ['quota'] }),
  secrets: kind<Secret>('Secret', 'core/v1.Secret'),
  serviceaccounts: kind<ServiceAccount>('ServiceAccount', 'core/v1.ServiceAccount', {
    returnsDeleted: 'yes',
    names: ['sa'],
  }),
  services: kind<Service>('Service', 'core/v1.Service', {
    returnsDeleted: 'yes',
    names: ['svc'],
    categories: ['all'],
    storage: 'services/specs',
  }),
  'controllerrevisions.apps': kind<ControllerRevision>('ControllerRevision', 'apps/v1.ControllerRevision'),
  'daemonsets.apps': kind<DaemonSet>('DaemonSet', 'apps/v1.DaemonSet', { names: ['ds'], categories: ['all'] }),
  'deployments.apps': kind<Deployment>('Deployment', 'apps/v1.Deployment', {
    names: ['deploy'],
    categories: ['all'],
  }),
  'replicasets.apps': kind<ReplicaSet>('ReplicaSet', 'apps/v1.ReplicaSet', {
    names: ['rs'],
    categories: ['all'],
  }),
  'statefulsets.apps': kind<StatefulSet>('StatefulSet', 'apps/v1.StatefulSet', { names: ['sts'], categories: ['all'] }),
  'endpointslices.discovery.k8s.io': kind<EndpointSlice>('EndpointSlice', 'discovery/v1.EndpointSlice'),
  // events.k8s.io/v1 shows the same stored objects as the core group's events, as upstream does.
  'events.events.k8s.io': kind<EventsEvent>('Event', 'events/v1.Event', {
    names: ['ev'],
    storedAs: 'events',
    garbageCollected: false,
  }),
  'horizontalpodautoscalers.autoscaling': kind<AutoscalingV2HorizontalPodAutoscaler>(
    'HorizontalPodAutoscaler',
    'autoscaling/v2.HorizontalPodAutoscaler',
    { version: 'v2', names: ['hpa'], categories: ['all'] },
  ),
  // autoscaling/v1 shows the same stored objects; what it has no field for stands in annotations.
  'horizontalpodautoscalers.v1.autoscaling': kind<HorizontalPodAutoscaler>(
    'HorizontalPodAutoscaler',
    'autoscaling/v1.HorizontalPodAutoscaler',
    { names: ['hpa'], categories: ['all'], storedAs: 'horizontalpodautoscalers.autoscaling' },
  ),
  'certificatesigningrequests.certificates.k8s.io': kind<CertificateSigningRequest>(
    'CertificateSigningRequest',
    'certificates/v1.CertificateSigningRequest',
    { cluster: true, names: ['csr'] },
  ),
  'cronjobs.batch': kind<CronJob>('CronJob', 'batch/v1.CronJob', { names: ['cj'], categories: ['all'] }),
  'jobs.batch': kind<Job>('Job', 'batch/v1.Job', { categories: ['all'] }),
  'ingressclasses.networking.k8s.io': kind<IngressClass>('IngressClass', 'networking/v1.IngressClass', { cluster: true }),
  'ingresses.networking.k8s.io': kind<Ingress>('Ingress', 'networking/v1.Ingress', { names: ['ing'], storage: 'ingress' }),
  'ipaddresses.networking.k8s.io': kind<IPAddress>('IPAddress', 'networking/v1.IPAddress', { cluster: true, names: ['ip'] }),
  'networkpolicies.networking.k8s.io': kind<NetworkPolicy>('NetworkPolicy', 'networking/v1.NetworkPolicy', { names: ['netpol'] }),
  'servicecidrs.networking.k8s.io': kind<ServiceCIDR>('ServiceCIDR', 'networking/v1.ServiceCIDR', { cluster: true }),
  'flowschemas.flowcontrol.apiserver.k8s.io': kind<FlowSchema>('FlowSchema', 'flowcontrol/v1.FlowSchema', { cluster: true }),
  'prioritylevelconfigurations.flowcontrol.apiserver.k8s.io': kind<PriorityLevelConfiguration>(
    'PriorityLevelConfiguration',
    'flowcontrol/v1.PriorityLevelConfiguration',
    { cluster: true },
  ),
  'poddisruptionbudgets.policy': kind<PodDisruptionBudget>('PodDisruptionBudget', 'policy/v1.PodDisruptionBudget', {
    names: ['pdb'],
  }),
  'leases.coordination.k8s.io': kind<Lease>('Lease', 'coordination/v1.Lease'),
  'roles.rbac.authorization.k8s.io': kind<Role>('Role', 'rbac/v1.Role'),
  'rolebindings.rbac.authorization.k8s.io': kind<RoleBinding>('RoleBinding', 'rbac/v1.RoleBinding'),
  'clusterroles.rbac.authorization.k8s.io': kind<ClusterRole>('ClusterRole', 'rbac/v1.ClusterRole', { cluster: true }),
  'clusterrolebindings.rbac.authorization.k8s.io': kind<ClusterRoleBinding>('ClusterRoleBinding', 'rbac/v1.ClusterRoleBinding', {
    cluster: true,
  }),
  'runtimeclasses.node.k8s.io': kind<RuntimeClass>('RuntimeClass', 'node/v1.RuntimeClass', { cluster: true }),
  'priorityclasses.scheduling.k8s.io': kind<PriorityClass>('PriorityClass', 'scheduling/v1.PriorityClass', {
    cluster: true,
    names: ['pc'],
  }),
  'deviceclasses.resource.k8s.io': kind<DeviceClass>('DeviceClass', 'resource/v1.DeviceClass', {
    cluster: true,
    returnsDeleted: 'yes',
  }),
  'resourceclaims.resource.k8s.io': kind<DraResourceClaim>('ResourceClaim', 'resource/v1.ResourceClaim', {
    returnsDeleted: 'yes',
  }),
  'resourceclaimtemplates.resource.k8s.io': kind<ResourceClaimTemplate>(
    'ResourceClaimTemplate',
    'resource/v1.ResourceClaimTemplate',
    { returnsDeleted: 'yes' },
  ),
  'resourceslices.resource.k8s.io': kind<ResourceSlice>('ResourceSlice', 'resource/v1.ResourceSlice', {
    cluster: true,
    returnsDeleted: 'yes',
  }),
  'csidrivers.storage.k8s.io': kind<CSIDriver>('CSIDriver', 'storage/v1.CSIDriver', { cluster: true, returnsDeleted: 'yes' }),
  'csinodes.storage.k8s.io': kind<CSINode>('CSINode', 'storage/v1.CSINode', { cluster: true, returnsDeleted: 'yes' }),
  'csistoragecapacities.storage.k8s.io': kind<CSIStorageCapacity>('CSIStorageCapacity', 'storage/v1.CSIStorageCapacity'),
  'storageclasses.storage.k8s.io': kind<StorageClass>('StorageClass', 'storage/v1.StorageClass', {
    cluster: true,
    returnsDeleted: 'yes',
    names: ['sc'],
  }),
  'volumeattachments.storage.k8s.io': kind<VolumeAttachment>('VolumeAttachment', 'storage/v1.VolumeAttachment', {
    cluster: true,
    returnsDeleted: 'yes',
  }),
  'volumeattributesclasses.storage.k8s.io': kind<VolumeAttributesClass>(
    'VolumeAttributesClass',
    'storage/v1.VolumeAttributesClass',
    { cluster: true, returnsDeleted: 'yes', names: ['vac'] },
  ),
  'mutatingadmissionpolicies.admissionregistration.k8s.io': kind<MutatingAdmissionPolicy>(
    'MutatingAdmissionPolicy',
    'admissionregistration/v1.MutatingAdmissionPolicy',
    { cluster: true, categories: ['api-extensions'] },
  ),
  'mutatingadmissionpolicybindings.admissionregistration.k8s.io': kind<MutatingAdmissionPolicyBinding>(
    'MutatingAdmissionPolicyBinding',
    'admissionregistration/v1.MutatingAdmissionPolicyBinding',
    { cluster: true, categories: ['api-extensions'] },
  ),
  'validatingadmissionpolicies.admissionregistration.k8s.io': kind<ValidatingAdmissionPolicy>(
    'ValidatingAdmissionPolicy',
    'admissionregistration/v1.ValidatingAdmissionPolicy',
    { cluster: true, categories: ['api-extensions'] },
  ),
  'validatingadmissionpolicybindings.admissionregistration.k8s.io': kind<ValidatingAdmissionPolicyBinding>(
    'ValidatingAdmissionPolicyBinding',
    'admissionregistration/v1.ValidatingAdmissionPolicyBinding',
    { cluster: true, categories: ['api-extensions'] },
  ),
  'mutatingwebhookconfigurations.admissionregistration.k8s.io': kind<MutatingWebhookConfiguration>(
    'MutatingWebhookConfiguration',
    'admissionregistration/v1.MutatingWebhookConfiguration',
    { cluster: true, categories: ['api-extensions'] },
  ),
  'validatingwebhookconfigurations.admissionregistration.k8s.io': kind<ValidatingWebhookConfiguration>(
    'ValidatingWebhookConfiguration',
    'admissionregistration/v1.ValidatingWebhookConfiguration',
    { cluster: true, categories: ['api-extensions'] },
  ),
  'apiservices.apiregistration.k8s.io': kind<APIService>('APIService', 'apiregistration/v1.APIService', {
    cluster: true,
    storage: 'apiregistration.k8s.io/apiservices',
    categories: ['api-extensions'],
  }),
  'customresourcedefinitions.apiextensions.k8s.io': kind<CustomResourceDefinition>(
    'CustomResourceDefinition',
    'apiextensions/v1.CustomResourceDefinition',
    {
      cluster: true,
      names: ['crd', 'crds'],
      categories: ['api-extensions'],
      storage: 'apiextensions.k8s.io/customresourcedefinitions',
    },
  ),
};

/** The built-in rows. Read them through a `ResourceCatalog`. */
export const builtInResources: readonly BuiltInResource[] = (Object.keys(rows) as ResourceId[]).map((id) =>
  resource(id, rows[id]),
);
