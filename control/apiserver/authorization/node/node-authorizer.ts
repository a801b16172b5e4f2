/**
 * The Node authorizer decides what a kubelet may do. A kubelet may read Secrets, ConfigMaps, PersistentVolumeClaims and the like only if
 * pods of its node use them. For other resources it has the rules of the role `system:node`. The admission plugin NodeRestriction checks
 * the contents of what it writes.
 *
 * Source: kubernetes `plugin/pkg/auth/authorizer/node/node_authorizer.go`; kubernetes.io, Using Node Authorization.
 */
import type { PolicyRule } from '#api/types.generated.ts';
import { type AuthorizationAttributes, type Authorizer, type Decision, noOpinion } from '../authorization.ts';
import { ruleAllows } from '../rbac/rule-matching.ts';
import type { GraphKind, NodeGraph } from './node-graph.ts';
import { nodeNameOf } from './node-identity.ts';

const allowed: Decision = { allowed: true, reason: '' };

/** A request of a node, with what the decision depends on. */
interface NodeRequest extends AuthorizationAttributes {
  node: string;
  graph: NodeGraph;
}

type Rule = (request: NodeRequest) => Decision;

/** @param rules of the role `system:node`, for resources that all nodes may use */
export function nodeAuthorizer(graph: NodeGraph, rules: readonly PolicyRule[]): Authorizer {
  return {
    authorize(attributes) {
      const node = nodeNameOf(attributes.user);
      if (node === undefined) return noOpinion();
      if (node === '') return noOpinion(`unknown node for user ${JSON.stringify(attributes.user.name)}`);
      const special = attributes.isResource ? ruleFor(attributes) : undefined;
      if (special !== undefined) return special({ ...attributes, node, graph });
      return rules.some((rule) => ruleAllows(attributes, rule)) ? allowed : noOpinion();
    },
    rules: (user) => ({
      resourceRules: [],
      nonResourceRules: [],
      incomplete: nodeNameOf(user) !== undefined,
      ...(nodeNameOf(user) === undefined ? {} : { evaluationError: 'node authorizer does not support user rule resolution' }),
    }),
  };
}

function ruleFor({ resource, group }: AuthorizationAttributes): Rule | undefined {
  switch (group === '' ? resource : `${resource}.${group}`) {
    case 'secrets':
      return (request) => readNamespaced(request, 'secret');
    case 'configmaps':
      return (request) => readNamespaced(request, 'configmap');
    case 'persistentvolumeclaims':
      return (request) =>
        request.subresource === 'status' ? writeClaimStatus(request) : getOne(request, 'persistentvolumeclaim');
    case 'persistentvolumes':
      return (request) => getOne(request, 'persistentvolume');
    case 'resourceclaims.resource.k8s.io':
      return (request) => getOne(request, 'resourceclaim');
    case 'volumeattachments.storage.k8s.io':
      return (request) => getOne(request, 'volumeattachment');
    case 'serviceaccounts':
      return useServiceAccount;
    case 'leases.coordination.k8s.io':
      return useLease;
    case 'csinodes.storage.k8s.io':
      return useCsiNode;
    case 'resourceslices.resource.k8s.io':
      return useResourceSlice;
    case 'nodes':
      return useNode;
    case 'pods':
      return usePod;
    case 'podcertificaterequests.certificates.k8s.io':
      return () => noOpinion();
    default:
      return undefined;
  }
}

function related({ node, graph, namespace, name }: NodeRequest, kind: GraphKind): Decision {
  if (name === '') return noOpinion('No Object name found');
  if (graph.relates(node, kind, namespace, name)) return allowed;
  return noOpinion(`no relationship found between node '${node}' and this object`);
}

function readNamespaced(request: NodeRequest, kind: GraphKind): Decision {
  if (!['get', 'list', 'watch'].includes(request.verb)) return noOpinion('can only read resources of this type');
  if (request.subresource !== '') return noOpinion('cannot read subresource');
  if (request.namespace === '') return noOpinion('can only read namespaced object of this type');
  return related(request, kind);
}

function getOne(request: NodeRequest, kind: GraphKind): Decision {
  if (request.verb !== 'get') return noOpinion('can only get individual resources of this type');
  if (request.subresource !== '') return noOpinion('cannot get subresource');
  return related(request, kind);
}

function writeClaimStatus(request: NodeRequest): Decision {
  if (request.verb !== 'update' && request.verb !== 'patch') return noOpinion('can only get/update/patch this type');
  return related(request, 'persistentvolumeclaim');
}

/** Reading the service account of one of its pods, and requesting tokens for it. */
function useServiceAccount(request: NodeRequest): Decision {
  const { verb, subresource, name } = request;
  if (verb === 'get' && subresource === '') return readNamespaced(request, 'serviceaccount');
  if (verb !== 'create' || name === '') return noOpinion('can only create tokens for individual service accounts');
  if (subresource !== 'token') return noOpinion('can only create token subresource of serviceaccount');
  return related(request, 'serviceaccount');
}

const ownVerbs: ReadonlySet<string> = new Set(['get', 'create', 'update', 'patch', 'delete']);

/** Leases of the node. A create request has no name yet: NodeRestriction checks it. */
function useLease({ verb, namespace, name, node }: NodeRequest): Decision {
  if (!ownVerbs.has(verb)) return noOpinion('can only get, create, update, patch, or delete a node lease');
  if (namespace !== 'kube-node-lease') return noOpinion('can only access leases in the "kube-node-lease" system namespace');
  if (verb !== 'create' && name !== node)
    return noOpinion('can only access node lease with the same name as the requesting node');
  return allowed;
}

function useCsiNode({ verb, subresource, name, node }: NodeRequest): Decision {
  if (!ownVerbs.has(verb)) return noOpinion('can only get, create, update, patch, or delete a CSINode');
  if (subresource !== '') return noOpinion('cannot authorize CSINode subresources');
  if (verb !== 'create' && name !== node) return noOpinion('can only access CSINode with the same name as the requesting node');
  return allowed;
}

function useResourceSlice(request: NodeRequest): Decision {
  if (request.subresource !== '') return noOpinion('cannot authorize ResourceSlice subresources');
  switch (request.verb) {
    case 'create':
      return allowed;
    case 'get':
    case 'update':
    case 'patch':
    case 'delete':
      return related(request, 'resourceslice');
    case 'watch':
    case 'list':
    case 'deletecollection':
      if (selects(request, 'spec.nodeName')) return allowed;
      return noOpinion('can only list/watch/deletecollection resourceslices with nodeName field selector');
    default:
      return noOpinion(
        'only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection',
      );
  }
}

/** The node's own Node, decided by its name: a kubelet reads its Node before it creates it. */
function useNode({ verb, subresource, name, node }: NodeRequest): Decision {
  if (subresource === 'status') return verb === 'update' || verb === 'patch' ? allowed : noOpinion();
  if (subresource !== '') return noOpinion();
  switch (verb) {
    case 'create':
    case 'update':
    case 'patch':
      return allowed;
    case 'get':
    case 'list':
    case 'watch':
      if (name === node) return allowed;
      if (name === '') return noOpinion(`node '${node}' cannot read all nodes, only its own Node object`);
      return noOpinion(`node '${node}' cannot read '${name}', only its own Node object`);
    default:
      return noOpinion();
  }
}

/** Creating and deleting mirror pods, updating their status, and eviction. NodeRestriction checks that the pods are on this node. */
function usePod(request: NodeRequest): Decision {
  const { verb, subresource, name } = request;
  if (subresource === 'status') return verb === 'update' || verb === 'patch' ? allowed : noOpinion();
  if (subresource === 'eviction') return verb === 'create' ? allowed : noOpinion();
  if (subresource !== '') return noOpinion();
  switch (verb) {
    case 'get':
      return getOne(request, 'pod');
    case 'list':
    case 'watch':
      if (selects(request, 'spec.nodeName')) return allowed;
      if (name !== '') return related(request, 'pod');
      return noOpinion('can only list/watch pods with spec.nodeName field selector');
    case 'create':
    case 'delete':
      return allowed;
    default:
      return noOpinion();
  }
}

/** Whether the field selector selects only objects of this node. */
const selects = ({ fieldSelector = [], node }: NodeRequest, path: string): boolean =>
  fieldSelector.some(({ field, operator, value }) => field === path && operator === '=' && value === node);
