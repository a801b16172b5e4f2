/**
 * NodeRestriction: a node may write only its own objects: its Node, its lease, mirror pods, the status of its pods, tokens for its pods. It
 * must not set labels or taints that would attract pods not meant for it.
 *
 * Source: kubernetes `plugin/pkg/admission/noderestriction/admission.go`; kubernetes.io, Admission Control in Kubernetes, "NodeRestriction".
 */

import { kubeletClientSigner, kubeletServingSigner } from '#api/certificates/signers.ts';
import { mirrorAnnotation } from '#api/pod/annotations.ts';
import { notFound } from '#api/status.ts';
import type {
  CertificateSigningRequest,
  Lease,
  Node,
  PersistentVolumeClaim,
  Pod,
  ResourceSlice,
  TokenRequest,
} from '#api/types.generated.ts';
import { parseCertificateRequest } from '#api/x509/certificate-request.ts';
import { DerError } from '#api/x509/der.ts';
import type { Authorizer } from '../../authorization/authorization.ts';
import { nodeNameOf } from '../../authorization/node/node-identity.ts';
import { semanticEqual } from '../../validation/semantic-equal.ts';
import { type AdmissionAttributes, type AdmissionContext, type AdmissionPlugin, admissionForbidden } from '../plugin.ts';
import { forbiddenNodeLabels } from './node-restriction-labels.ts';
import { usedApiObjects } from './node-restriction-mirror-pods.ts';

interface NodeWrite {
  node: string;
  attributes: AdmissionAttributes;
  context: AdmissionContext;
  authorizer: Authorizer | undefined;
}

/**
 * @param deps.authorizer decides on token audiences that no volume of the pod has; absent: they are refused @throws (when asked) ApiError
 * 403
 */
export const nodeRestriction = ({ authorizer }: { authorizer?: Authorizer | undefined }): AdmissionPlugin => ({
  name: 'NodeRestriction',
  handles: (operation) => operation !== 'connect',

  async mutate(attributes, context) {
    const node = nodeNameOf(attributes.user);
    if (node === undefined) return;
    const check = checkFor(attributes);
    if (node === '') refuse(attributes, `could not determine node from user ${quoted(attributes.user.name)}`);
    await check?.({ node, attributes, context, authorizer });
  },
});

const quoted = (text: string): string => JSON.stringify(text);

function refuse(attributes: AdmissionAttributes, why: string): never {
  throw admissionForbidden(attributes, why);
}

function checkFor({
  resource: { group, plural },
  subresource,
}: AdmissionAttributes): ((write: NodeWrite) => void | Promise<void>) | undefined {
  switch (group === '' ? plural : `${plural}.${group}`) {
    case 'pods':
      return podChecks[subresource] ?? refusePodSubresource;
    case 'nodes':
      return checkNode;
    case 'persistentvolumeclaims':
      return subresource === 'status' ? checkClaimStatus : ({ attributes }) => refuse(attributes, 'may only update PVC status');
    case 'serviceaccounts':
      return checkToken;
    case 'leases.coordination.k8s.io':
      return checkLease;
    case 'csinodes.storage.k8s.io':
      return checkCsiNode;
    case 'resourceslices.resource.k8s.io':
      return checkResourceSlice;
    case 'certificatesigningrequests.certificates.k8s.io':
      return checkCertificateRequest;
    default:
      return undefined;
  }
}

const podChecks: Readonly<Record<string, (write: NodeWrite) => void | Promise<void>>> = {
  '': async (write) => {
    const { node, attributes } = write;
    if (attributes.operation === 'create') return await checkMirrorPod(write);
    if (attributes.operation === 'delete') {
      if ((await podOf(write, attributes.name)).spec.nodeName !== node)
        refuse(attributes, `node ${quoted(node)} can only delete pods with spec.nodeName set to itself`);
      return;
    }
    refuse(attributes, `unexpected operation "UPDATE", node ${quoted(node)} can only create and delete mirror pods`);
  },
  status: ({ node, attributes }) => {
    const [old, pod] = [attributes.oldObject as Pod, attributes.object as Pod];
    const own = quoted(node);
    if (old.spec.nodeName !== node)
      refuse(attributes, `node ${own} can only update pod status for pods with spec.nodeName set to itself`);
    if (!semanticEqual(old.metadata.labels, pod.metadata.labels))
      refuse(attributes, `node ${own} cannot update labels through pod status`);
    if (!semanticEqual(old.status?.resourceClaimStatuses, pod.status?.resourceClaimStatuses))
      refuse(attributes, `node ${own} cannot update resource claim statues`);
    if (!semanticEqual(old.status?.extendedResourceClaimStatus, pod.status?.extendedResourceClaimStatus))
      refuse(attributes, `node ${own} cannot update extended resource claim status`);
  },
  eviction: async (write) => {
    const { node, attributes } = write;
    if ((await podOf(write, attributes.name)).spec.nodeName !== node)
      refuse(attributes, `node ${node} can only evict pods with spec.nodeName set to itself`);
  },
};

function refusePodSubresource({ attributes }: NodeWrite): void {
  const { subresource } = attributes;
  refuse(attributes, `unexpected pod subresource ${quoted(subresource)}, only 'status' and 'eviction' are allowed`);
}

/** @throws ApiError 404 */
async function podOf({ attributes, context }: NodeWrite, name: string): Promise<Pod> {
  const found = await context.read('pods', attributes.namespace, name);
  if (found === undefined) throw notFound({ group: '', name: 'pod' }, name);
  return found as Pod;
}

async function checkMirrorPod({ node, attributes, context }: NodeWrite): Promise<void> {
  const pod = attributes.object as Pod;
  const [own, only] = [quoted(node), `node ${quoted(node)} can only create pods with`];
  if (pod.metadata.annotations?.[mirrorAnnotation] === undefined)
    refuse(attributes, `pod does not have ${quoted(mirrorAnnotation)} annotation, node ${own} can only create mirror pods`);
  if (pod.spec.nodeName !== node) refuse(attributes, `${only} spec.nodeName set to itself`);
  const [owner, ...more] = pod.metadata.ownerReferences ?? [];
  if (more.length > 0) refuse(attributes, `${only} a single owner reference set to itself`);
  if (owner?.apiVersion !== 'v1' || owner.kind !== 'Node' || owner.name !== node)
    refuse(attributes, `${only} an owner reference set to itself`);
  if (owner.controller !== true) refuse(attributes, `${only} a controller owner reference set to itself`);
  if (owner.blockOwnerDeletion === true) refuse(attributes, `node ${own} must not set blockOwnerDeletion on an owner reference`);
  const found = await context.read('nodes', undefined, node);
  if (found === undefined) throw notFound({ group: '', name: 'node' }, node);
  if (owner.uid !== found.metadata.uid)
    refuse(attributes, `node ${node} UID mismatch: expected ${owner.uid} got ${found.metadata.uid}`);
  const used = usedApiObjects(pod);
  if (used !== undefined && 'problem' in used)
    refuse(attributes, `error checking mirror pod for API references: ${used.problem}`);
  if (used !== undefined) refuse(attributes, `node ${own} can not create pods that reference ${used.resource}`);
}

function checkNode({ node, attributes }: NodeWrite): void {
  const { name, operation } = attributes;
  const own = quoted(node);
  if (name !== node) refuse(attributes, `node ${own} is not allowed to modify node ${quoted(name)}`);
  const [old, object] = [attributes.oldObject as Node | undefined, attributes.object as Node | undefined];
  if (operation === 'create') {
    if (object?.spec?.configSource !== undefined)
      refuse(attributes, `node ${own} is not allowed to create pods with a non-nil configSource`);
    const labels = forbiddenNodeLabels(object?.metadata.labels, undefined);
    if (labels.length > 0) refuse(attributes, `node ${own} is not allowed to set the following labels: ${labels.join(', ')}`);
  }
  if (operation !== 'update') return;
  const source = object?.spec?.configSource;
  if (source !== undefined && !semanticEqual(source, old?.spec?.configSource))
    refuse(attributes, `node ${own} is not allowed to update configSource to a new non-nil configSource`);
  if (!semanticEqual(object?.spec?.taints, old?.spec?.taints)) refuse(attributes, `node ${own} is not allowed to modify taints`);
  if (!semanticEqual(object?.metadata.ownerReferences, old?.metadata.ownerReferences))
    refuse(attributes, `node ${own} is not allowed to modify ownerReferences`);
  const labels = forbiddenNodeLabels(object?.metadata.labels, old?.metadata.labels);
  if (labels.length > 0) refuse(attributes, `is not allowed to modify labels: ${labels.join(', ')}`);
}

function checkClaimStatus({ node, attributes }: NodeWrite): void {
  if (attributes.operation !== 'update') refuse(attributes, `unexpected operation ${quoted(attributes.operation.toUpperCase())}`);
  const rest = ({ metadata, status, ...kept }: PersistentVolumeClaim): unknown => {
    const { resourceVersion: _version, managedFields: _managed, ...meta } = metadata;
    const { capacity: _capacity, conditions: _conditions, allocatedResources: _allocated, ...more } = status ?? {};
    const { allocatedResourceStatuses: _statuses, ...other } = more;
    return { ...kept, metadata: meta, status: other };
  };
  if (semanticEqual(rest(attributes.oldObject as PersistentVolumeClaim), rest(attributes.object as PersistentVolumeClaim)))
    return;
  refuse(attributes, `node ${quoted(node)} is not allowed to update fields other than status.quantity and status.conditions`);
}

/** A node may request tokens only for its own pods, bound to the pod. */
async function checkToken(write: NodeWrite): Promise<void> {
  const { node, attributes } = write;
  if (attributes.operation !== 'create' || attributes.subresource !== 'token') return;
  const { spec } = attributes.object as unknown as TokenRequest;
  const bound = spec.boundObjectRef;
  if (bound?.apiVersion !== 'v1' || bound.kind !== 'Pod' || (bound.name ?? '') === '')
    refuse(attributes, 'node requested token not bound to a pod');
  const uid = bound.uid ?? '';
  if (uid === '') refuse(attributes, 'node requested token with a pod binding without a uid');
  const pod = await podOf(write, bound.name ?? '');
  if (uid !== pod.metadata.uid) {
    refuse(
      attributes,
      `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  }
  if (pod.spec.nodeName !== node) refuse(attributes, 'node requested token bound to a pod scheduled on a different node');
  await checkAudience(write, spec.audiences ?? [], pod);
}

async function checkAudience({ attributes, authorizer }: NodeWrite, audiences: readonly string[], pod: Pod): Promise<void> {
  if (audiences.length > 1) refuse(attributes, 'node may only request 0 or 1 audiences');
  const audience = audiences[0] ?? '';
  const tokens = (pod.spec.volumes ?? []).flatMap(({ projected }) => projected?.sources ?? []);
  if (
    tokens.some(
      ({ serviceAccountToken }) => serviceAccountToken !== undefined && (serviceAccountToken.audience ?? '') === audience,
    )
  )
    return;
  const { user, namespace, name } = attributes;
  const decision = await authorizer?.authorize({
    user,
    verb: 'request-serviceaccounts-token-audience',
    isResource: true,
    group: '',
    version: 'v1',
    resource: audience,
    subresource: '',
    namespace,
    name,
    path: '',
  });
  if (decision?.allowed === true) return;
  const who = `${user.name} is not authorized to request tokens for this audience`;
  refuse(attributes, `audience ${quoted(audience)} not found in pod spec volume, ${who}`);
}

const nameOf = ({ name, object }: AdmissionAttributes): string => object?.metadata.name ?? name;

function checkLease({ node, attributes }: NodeWrite): void {
  if (attributes.namespace !== 'kube-node-lease')
    refuse(attributes, 'can only access leases in the "kube-node-lease" system namespace');
  const name = attributes.operation === 'create' ? (attributes.object as Lease).metadata.name : attributes.name;
  if (name !== node) refuse(attributes, 'can only access node lease with the same name as the requesting node');
}

function checkCsiNode({ node, attributes }: NodeWrite): void {
  if (nameOf(attributes) !== node) refuse(attributes, 'can only access CSINode with the same name as the requesting node');
}

function checkResourceSlice({ node, attributes }: NodeWrite): void {
  const { operation, object, oldObject } = attributes;
  if (operation === 'update') return;
  const slice = (operation === 'create' ? object : oldObject) as ResourceSlice | undefined;
  if (slice?.spec?.nodeName !== node)
    refuse(attributes, `can only ${operation} ResourceSlice with the same NodeName as the requesting node`);
}

const kubeletSigners: ReadonlySet<string> = new Set([kubeletServingSigner, kubeletClientSigner]);

function checkCertificateRequest({ node, attributes }: NodeWrite): void {
  if (attributes.operation !== 'create') return;
  const { signerName, request } = (attributes.object as CertificateSigningRequest).spec;
  if (!kubeletSigners.has(signerName)) return;
  const own = `system:node:${node}`;
  if (commonNameOf(request, attributes) !== own) refuse(attributes, `can only create a node CSR with CN=${own}`);
}

/** @throws ApiError 403 if the object is not a TokenRequest */
function commonNameOf(request: string, attributes: AdmissionAttributes): string {
  try {
    return parseCertificateRequest(request).subject.commonName;
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    return refuse(attributes, `unable to parse csr: ${error.message}`);
  }
}
