/**
 * Which objects a node may read: those that its pods use, and the objects that these refer to.
 *
 *   node ◀─ pod ◀─ secret, configmap, service account, resource claim
 *           pod ◀─ persistent volume claim ◀─ persistent volume ◀─ secret
 *   node ◀─ volume attachment, resource slice
 *
 * The number of pods is kept by object and node, so that the cost of a decision does not depend on the number of pods. Source: kubernetes
 * `plugin/pkg/auth/authorizer/node/{graph,graph_populator}.go`, `pkg/api/v1/persistentvolume/util.go`.
 */

import type { KubeObject } from '#api/meta.ts';
import { sameJson } from '#api/meta.ts';
import { mirrorAnnotation } from '#api/pod/annotations.ts';
import { podReferences } from '#api/pod/object-references.ts';
import type { PersistentVolume, Pod } from '#api/types.generated.ts';

/** The kinds of objects in the graph. */
export type GraphKind =
  | 'configmap'
  | 'persistentvolume'
  | 'persistentvolumeclaim'
  | 'pod'
  | 'resourceclaim'
  | 'resourceslice'
  | 'secret'
  | 'serviceaccount'
  | 'volumeattachment';

/**
 * Which objects the pods of each node refer to, updated by the watch caches. A node may read only these objects. Source: upstream
 * `plugin/pkg/auth/authorizer/node/graph.go`.
 */
export class NodeGraph {
  /** By object, then by node: how many of its pods use the object. */
  readonly #uses = new Map<string, Map<string, number>>();
  /** The objects that each scheduled pod uses, by `namespace/name` of the pod → */
  readonly #pods = new Map<string, { node: string; objects: readonly string[] }>();
  /** The claim and the Secrets of each bound volume. */
  readonly #volumes = new Map<string, { claim: string; secrets: readonly string[] }>();
  /** The volumes that use a Secret, by Secret. */
  readonly #volumesOfSecret = new Map<string, Set<string>>();
  /** The node of each volume attachment and resource slice. */
  readonly #owned = new Map<string, string>();

  /** Whether the node may read the object. @param namespace '' for cluster-scoped objects */
  relates(node: string, kind: GraphKind, namespace: string, name: string): boolean {
    const object = objectKey(kind, namespace, name);
    switch (kind) {
      case 'volumeattachment':
      case 'resourceslice':
        return this.#owned.get(object) === node;
      case 'persistentvolume':
        return this.#volumeRelates(node, name);
      case 'secret':
        return (
          this.#isUsed(node, object) ||
          [...(this.#volumesOfSecret.get(object) ?? [])].some((volume) => this.#volumeRelates(node, volume))
        );
      case 'configmap':
      case 'persistentvolumeclaim':
      case 'pod':
      case 'resourceclaim':
      case 'serviceaccount':
        return this.#isUsed(node, object);
    }
  }

  #isUsed(node: string, object: string): boolean {
    return this.#uses.get(object)?.has(node) === true;
  }

  #volumeRelates(node: string, volume: string): boolean {
    const claim = this.#volumes.get(volume)?.claim;
    return claim !== undefined && this.#isUsed(node, claim);
  }

  /**
   * Updates the graph for a pod. Once a pod has a node, only its ephemeral containers and the claims made for it can change what
   * it uses.
   */
  applyPod(previous: Pod | undefined, current: Pod | undefined): void {
    if (previous !== undefined && current !== undefined && usesTheSame(previous, current)) return;
    const { namespace = '', name } = (current ?? (previous as Pod)).metadata;
    const key = `${namespace}/${name}`;
    const known = this.#pods.get(key);
    if (known !== undefined) for (const object of known.objects) this.#count(object, known.node, -1);
    this.#pods.delete(key);
    const node = current?.spec?.nodeName ?? '';
    if (current === undefined || node === '') return;
    const objects = objectsOf(current);
    this.#pods.set(key, { node, objects });
    for (const object of objects) this.#count(object, node, 1);
  }

  #count(object: string, node: string, by: number): void {
    const ofNodes = this.#uses.get(object) ?? new Map<string, number>();
    const count = (ofNodes.get(node) ?? 0) + by;
    if (count > 0) ofNodes.set(node, count);
    else ofNodes.delete(node);
    if (ofNodes.size > 0) this.#uses.set(object, ofNodes);
    else this.#uses.delete(object);
  }

  applyVolume(previous: PersistentVolume | undefined, current: PersistentVolume | undefined): void {
    const { name } = (current ?? (previous as PersistentVolume)).metadata;
    for (const secret of this.#volumes.get(name)?.secrets ?? []) {
      const volumes = this.#volumesOfSecret.get(secret);
      volumes?.delete(name);
      if (volumes?.size === 0) this.#volumesOfSecret.delete(secret);
    }
    this.#volumes.delete(name);
    const claimRef = current?.spec?.claimRef;
    if (current === undefined || claimRef === undefined) return;
    const claim = objectKey('persistentvolumeclaim', claimRef.namespace ?? '', claimRef.name ?? '');
    const secrets = volumeSecrets(current, claimRef.namespace ?? '');
    this.#volumes.set(name, { claim, secrets });
    for (const secret of secrets) this.#volumesOfSecret.set(secret, (this.#volumesOfSecret.get(secret) ?? new Set()).add(name));
  }

  /** Updates the graph for a volume attachment or a resource slice. */
  applyOwned(
    kind: 'resourceslice' | 'volumeattachment',
    previous: KubeObject | undefined,
    current: KubeObject | undefined,
  ): void {
    const { name } = (current ?? (previous as KubeObject)).metadata;
    const { nodeName = '' } = (current as { spec?: { nodeName?: string } } | undefined)?.spec ?? {};
    if (nodeName === '') this.#owned.delete(objectKey(kind, '', name));
    else this.#owned.set(objectKey(kind, '', name), nodeName);
  }

  /** Forgets all objects of these kinds. */
  clear(kind: 'persistentvolume' | 'pod' | 'resourceslice' | 'volumeattachment'): void {
    if (kind === 'pod') {
      this.#pods.clear();
      this.#uses.clear();
    } else if (kind === 'persistentvolume') {
      this.#volumes.clear();
      this.#volumesOfSecret.clear();
    } else for (const object of this.#owned.keys()) if (object.startsWith(`${kind} `)) this.#owned.delete(object);
  }
}

const objectKey = (kind: GraphKind, namespace: string, name: string): string => `${kind} ${namespace}/${name}`;

function usesTheSame(previous: Pod, current: Pod): boolean {
  const ephemeral = ({ spec }: Pod): number => spec?.ephemeralContainers?.length ?? 0;
  return (
    previous.spec?.nodeName === current.spec?.nodeName &&
    previous.metadata.uid === current.metadata.uid &&
    ephemeral(previous) >= ephemeral(current) &&
    sameJson(previous.status?.resourceClaimStatuses, current.status?.resourceClaimStatuses) &&
    sameJson(previous.status?.extendedResourceClaimStatus, current.status?.extendedResourceClaimStatus)
  );
}

/** The objects that a pod uses. For a mirror pod only the pod itself: the node creates it, and must not get rights by it. */
function objectsOf(pod: Pod): string[] {
  const { namespace = '', name, annotations } = pod.metadata;
  const own = objectKey('pod', namespace, name);
  if (annotations?.[mirrorAnnotation] !== undefined) return [own];
  const { secrets, configMaps, persistentVolumeClaims, resourceClaims } = podReferences(pod);
  const keys = (kind: GraphKind, names: Iterable<string>): string[] =>
    Array.from(names, (one) => objectKey(kind, namespace, one));
  const account = pod.spec.serviceAccountName ?? '';
  return [
    own,
    ...keys('serviceaccount', account === '' ? [] : [account]),
    ...keys('secret', secrets),
    ...keys('configmap', configMaps),
    ...keys('persistentvolumeclaim', persistentVolumeClaims),
    ...keys('resourceclaim', resourceClaims),
  ];
}

/** The Secrets that a kubelet needs to mount the volume. The default namespace is that of the claim. */
function volumeSecrets({ spec }: PersistentVolume, claimNamespace: string): string[] {
  const { azureFile, cephfs, cinder, flexVolume, rbd, scaleIO, iscsi, storageos, csi } = spec;
  const references = [
    ...[cephfs, cinder, flexVolume, rbd, scaleIO, iscsi, storageos].map((source) => source?.secretRef),
    csi?.nodePublishSecretRef,
    csi?.nodeStageSecretRef,
    csi?.nodeExpandSecretRef,
    azureFile === undefined ? undefined : { name: azureFile.secretName, namespace: azureFile.secretNamespace },
  ];
  return references.flatMap((reference) =>
    (reference?.name ?? '') === '' ? [] : objectKey('secret', reference?.namespace || claimNamespace, reference?.name ?? ''),
  );
}
