/**
 * The built-in resources, in the terms of discovery: the rows with which a `ResourceCatalog` (`resource-catalog.ts`) begins. The
 * lint allows no other module to import this table as a value. Parts that need rows get a catalog, because resources are added
 * and removed at run time.
 */
import type {
  ClusterRole,
  ClusterRoleBinding,
  ConfigMap,
  ControllerRevision,
  CustomResourceDefinition,
  Deployment,
  EndpointSlice,
  Endpoints,
  Event,
  EventsEvent,
  Lease,
  Namespace,
  Node,
  Pod,
  PodTemplate,
  PriorityClass,
  ReplicaSet,
  Role,
  RoleBinding,
  RuntimeClass,
  Secret,
  Service,
  ServiceAccount,
} from './types.generated.ts';

/** The TypeScript type of each resource, by {@link Resource.id}. */
export interface ResourceTypes {
  namespaces: Namespace;
  nodes: Node;
  pods: Pod;
  podtemplates: PodTemplate;
  services: Service;
  endpoints: Endpoints;
  'endpointslices.discovery.k8s.io': EndpointSlice;
  'replicasets.apps': ReplicaSet;
  'deployments.apps': Deployment;
  'controllerrevisions.apps': ControllerRevision;
  'priorityclasses.scheduling.k8s.io': PriorityClass;
  'runtimeclasses.node.k8s.io': RuntimeClass;
  configmaps: ConfigMap;
  secrets: Secret;
  serviceaccounts: ServiceAccount;
  events: Event;
  'events.events.k8s.io': EventsEvent;
  'leases.coordination.k8s.io': Lease;
  'roles.rbac.authorization.k8s.io': Role;
  'rolebindings.rbac.authorization.k8s.io': RoleBinding;
  'clusterroles.rbac.authorization.k8s.io': ClusterRole;
  'clusterrolebindings.rbac.authorization.k8s.io': ClusterRoleBinding;
  'customresourcedefinitions.apiextensions.k8s.io': CustomResourceDefinition;
}

/** The ids of the built-in resources. */
export type ResourceId = keyof ResourceTypes;

/** One resource in one version. Two rows with the same storage prefix show the same stored objects. */
export interface Resource {
  /**
   * Unique in a catalog. It is `plural` in the core group and `plural.group` in other groups. For a further version of a resource
   * it is `plural.version.group`, as kubectl writes it.
   */
  id: string;
  group: string;
  version: string;
  kind: string;
  plural: string;
  singular: string;
  namespaced: boolean;
  /** The verbs that the resource itself supports. Other verbs get 405. */
  verbs: readonly string[];
  shortNames: readonly string[];
  categories: readonly string[];
  /** The subresources, each with its kind, as discovery lists them. */
  subresources: readonly Subresource[];
  /** The key prefix in the store, the same as upstream's: `/registry/pods`. It has one or two segments after `/registry/`. */
  storagePrefix: string;
  /** The id of the row in whose version and form the objects are stored. Undefined: this row. */
  storedAs: string | undefined;
  /** The type's name in the schema facts, for example `core/v1.Pod`. */
  schema: string;
  /** The warning that every reply has, if the resource is deprecated. */
  deprecation: string | undefined;
  /** Whether discovery and the OpenAPI documents list the resource. */
  announced: boolean;
  /**
   * Whether a delete replies with the object instead of a Status. `undocumented`: it replies with the object, but OpenAPI says
   * Status (as upstream).
   */
  returnsDeleted: 'no' | 'yes' | 'undocumented';
  /**
   * Whether the garbage collector watches the resource. It ignores Events, as upstream does: they are many and expire by
   * themselves.
   */
  garbageCollected: boolean;
  /**
   * The priority of the group and version in discovery; an APIService sets it for an aggregated group. Undefined: that of
   * `group-priorities.ts`.
   */
  priority: GroupVersionPriority | undefined;
}

/** The priority of a group and version. Higher numbers come first. */
export interface GroupVersionPriority {
  group: number;
  version: number;
}

/** A row of the table below. */
export interface BuiltInResource extends Resource {
  id: ResourceId;
}

/** A subresource, with the kind of its objects. */
export interface Subresource {
  name: string;
  group: string;
  version: string;
  kind: string;
  verbs: readonly string[];
}

const status = (group: string, kind: string): Subresource => ({
  name: 'status',
  group,
  version: 'v1',
  kind,
  verbs: ['get', 'patch', 'update'],
});
const scale: Subresource = {
  name: 'scale',
  group: 'autoscaling',
  version: 'v1',
  kind: 'Scale',
  verbs: ['get', 'patch', 'update'],
};
const stream = (name: string, kind: string): Subresource => ({ name, group: '', version: 'v1', kind, verbs: ['create', 'get'] });
const proxy = (kind: string): Subresource => ({
  name: 'proxy',
  group: '',
  version: 'v1',
  kind,
  verbs: ['create', 'delete', 'get', 'patch', 'update'],
});

const allVerbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];

interface Row {
  verbs?: readonly string[];
  names?: readonly string[];
  categories?: readonly string[];
  subresources?: readonly Subresource[];
  cluster?: true;
  storage?: string;
  storedAs?: ResourceId;
  deprecation?: string;
  announced?: false;
  returnsDeleted?: 'yes' | 'undocumented';
  garbageCollected?: false;
}

function resource(id: ResourceId, kind: string, schema: string, row: Row = {}): BuiltInResource {
  const dot = id.indexOf('.');
  const plural = dot < 0 ? id : id.slice(0, dot);
  return {
    id,
    group: dot < 0 ? '' : id.slice(dot + 1),
    version: 'v1',
    kind,
    plural,
    singular: kind.toLowerCase(),
    namespaced: row.cluster === undefined,
    verbs: row.verbs ?? allVerbs,
    shortNames: row.names ?? [],
    categories: row.categories ?? [],
    subresources: row.subresources ?? [],
    storagePrefix: `/registry/${row.storage ?? plural}`,
    storedAs: row.storedAs,
    schema,
    deprecation: row.deprecation,
    announced: row.announced ?? true,
    returnsDeleted: row.returnsDeleted ?? 'no',
    garbageCollected: row.garbageCollected ?? true,
    priority: undefined,
  };
}

const coreOf = (kind: string): Subresource => status('', kind);

/** The built-in rows. Read them through a `ResourceCatalog`. */
export const builtInResources: readonly BuiltInResource[] = [
  resource('configmaps', 'ConfigMap', 'core/v1.ConfigMap', { names: ['cm'] }),
  resource('endpoints', 'Endpoints', 'core/v1.Endpoints', {
    names: ['ep'],
    storage: 'services/endpoints',
    deprecation: 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice',
  }),
  resource('events', 'Event', 'core/v1.Event', { names: ['ev'], garbageCollected: false }),
  resource('namespaces', 'Namespace', 'core/v1.Namespace', {
    verbs: allVerbs.filter((verb) => verb !== 'deletecollection'),
    cluster: true,
    returnsDeleted: 'undocumented',
    names: ['ns'],
    subresources: [{ name: 'finalize', group: '', version: 'v1', kind: 'Namespace', verbs: ['update'] }, coreOf('Namespace')],
  }),
  resource('nodes', 'Node', 'core/v1.Node', {
    cluster: true,
    names: ['no'],
    storage: 'minions',
    subresources: [proxy('NodeProxyOptions'), coreOf('Node')],
  }),
  resource('pods', 'Pod', 'core/v1.Pod', {
    returnsDeleted: 'yes',
    names: ['po'],
    categories: ['all'],
    subresources: [
      stream('attach', 'PodAttachOptions'),
      { name: 'binding', group: '', version: 'v1', kind: 'Binding', verbs: ['create'] },
      { name: 'ephemeralcontainers', group: '', version: 'v1', kind: 'Pod', verbs: ['get', 'patch', 'update'] },
      { name: 'eviction', group: 'policy', version: 'v1', kind: 'Eviction', verbs: ['create'] },
      stream('exec', 'PodExecOptions'),
      { name: 'log', group: '', version: 'v1', kind: 'Pod', verbs: ['get'] },
      stream('portforward', 'PodPortForwardOptions'),
      proxy('PodProxyOptions'),
      coreOf('Pod'),
    ],
  }),
  resource('podtemplates', 'PodTemplate', 'core/v1.PodTemplate', { returnsDeleted: 'yes' }),
  resource('secrets', 'Secret', 'core/v1.Secret'),
  resource('serviceaccounts', 'ServiceAccount', 'core/v1.ServiceAccount', {
    returnsDeleted: 'yes',
    names: ['sa'],
    subresources: [{ name: 'token', group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest', verbs: ['create'] }],
  }),
  resource('services', 'Service', 'core/v1.Service', {
    returnsDeleted: 'yes',
    names: ['svc'],
    categories: ['all'],
    storage: 'services/specs',
    subresources: [proxy('ServiceProxyOptions'), coreOf('Service')],
  }),
  resource('controllerrevisions.apps', 'ControllerRevision', 'apps/v1.ControllerRevision'),
  resource('deployments.apps', 'Deployment', 'apps/v1.Deployment', {
    names: ['deploy'],
    categories: ['all'],
    subresources: [scale, status('apps', 'Deployment')],
  }),
  resource('replicasets.apps', 'ReplicaSet', 'apps/v1.ReplicaSet', {
    names: ['rs'],
    categories: ['all'],
    subresources: [scale, status('apps', 'ReplicaSet')],
  }),
  resource('endpointslices.discovery.k8s.io', 'EndpointSlice', 'discovery/v1.EndpointSlice'),
  // events.k8s.io/v1 shows the same stored objects as the core group's events, as upstream does.
  resource('events.events.k8s.io', 'Event', 'events/v1.Event', { names: ['ev'], storedAs: 'events', garbageCollected: false }),
  resource('leases.coordination.k8s.io', 'Lease', 'coordination/v1.Lease'),
  resource('roles.rbac.authorization.k8s.io', 'Role', 'rbac/v1.Role'),
  resource('rolebindings.rbac.authorization.k8s.io', 'RoleBinding', 'rbac/v1.RoleBinding'),
  resource('clusterroles.rbac.authorization.k8s.io', 'ClusterRole', 'rbac/v1.ClusterRole', { cluster: true }),
  resource('clusterrolebindings.rbac.authorization.k8s.io', 'ClusterRoleBinding', 'rbac/v1.ClusterRoleBinding', {
    cluster: true,
  }),
  resource('runtimeclasses.node.k8s.io', 'RuntimeClass', 'node/v1.RuntimeClass', { cluster: true }),
  resource('priorityclasses.scheduling.k8s.io', 'PriorityClass', 'scheduling/v1.PriorityClass', { cluster: true, names: ['pc'] }),
  // This resource is served but not listed. kubectl lists CustomResourceDefinitions before it reports an unknown kind
  // (cli-runtime `crd_finder.go`). The list is empty, because none can be created.
  resource(
    'customresourcedefinitions.apiextensions.k8s.io',
    'CustomResourceDefinition',
    'apiextensions/v1.CustomResourceDefinition',
    {
      cluster: true,
      storage: 'apiextensions.k8s.io/customresourcedefinitions',
      verbs: ['get', 'list', 'watch'],
      announced: false,
    },
  ),
];
