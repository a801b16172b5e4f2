/**
 * What a pod becomes when its manifest lies on the node: name, UID and marks. The API only has its image, the mirror pod.
 *
 * Source: upstream `pkg/kubelet/config/common.go` (applyDefaults), `pkg/kubelet/types/pod_update.go`, `pkg/kubelet/pod/mirror_client.go`.
 */

import { createHash } from 'node:crypto';
import type { New } from '#api/meta.ts';
import { mirrorAnnotation } from '#api/pod/annotations.ts';
import type { Pod } from '#api/types.generated.ts';

/** Where manifests come from: a file or folder of the node, or a URL. */
export type ManifestSource = 'file' | 'http';

/** The UID of the static pod: a hash of its manifest, node and file. */
export const hashAnnotation = 'kubernetes.io/config.hash';
/** `file` or `http`. */
export const sourceAnnotation = 'kubernetes.io/config.source';
/** When this kubelet first saw it. */
export const seenAnnotation = 'kubernetes.io/config.seen';

/** Where a manifest was found. */
export interface ManifestOrigin {
  source: ManifestSource;
  /** The file's path, or the URL. */
  location: string;
  nodeName: string;
}

/**
 * The static pod of a manifest. Pure.
 * @param manifest with all defaults; it stays as it is
 */
export function asStaticPod(manifest: Pod, { source, location, nodeName }: ManifestOrigin): Pod {
  const { spec } = manifest;
  // Only the API gives these.
  const {
    resourceVersion: _version,
    deletionTimestamp: _deleted,
    deletionGracePeriodSeconds: _grace,
    ...metadata
  } = manifest.metadata;
  const uid = metadata.uid || manifestHash(manifest, source === 'file' ? `host:${nodeName}file:${location}` : `url:${location}`);
  return {
    ...manifest,
    metadata: {
      ...(metadata as Pod['metadata']),
      uid,
      name: `${metadata.name}-${nodeName.toLowerCase()}`,
      namespace: metadata.namespace || 'default',
      annotations: { ...metadata.annotations, [hashAnnotation]: uid, [sourceAnnotation]: source },
    },
    spec: { ...spec, nodeName, ...(source === 'file' ? { tolerations: toleratingExecution(spec.tolerations) } : {}) },
    status: { phase: 'Pending' },
  };
}

/** A problem of the node does not end its static pods. */
function toleratingExecution(tolerations: Pod['spec']['tolerations'] = []): Pod['spec']['tolerations'] {
  const isThere = tolerations.some((one) => !one.key && one.operator === 'Exists' && one.effect === 'NoExecute');
  return isThere ? tolerations : [...tolerations, { operator: 'Exists', effect: 'NoExecute' }];
}

/** 128 bits in hexadecimal, as upstream's; the order of keys does not count. */
function manifestHash(manifest: Pod, origin: string): string {
  return createHash('sha256')
    .update(JSON.stringify(sorted(manifest)))
    .update(origin)
    .digest('hex')
    .slice(0, 32);
}

function sorted(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(members.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, member]) => [key, sorted(member)]));
}

/** Whether this is the API's image of a static pod. */
export const isMirrorPod = ({ metadata }: Pod): boolean => metadata.annotations?.[mirrorAnnotation] !== undefined;

/**
 * Whether the pod's manifest lies on the node. A pod of the API has a resourceVersion, whatever its annotations say of it: anybody may write
 * those.
 */
export const isStaticPod = ({ metadata }: Pod): boolean => {
  const source = metadata.annotations?.[sourceAnnotation];
  return metadata.resourceVersion === undefined && (source === 'file' || source === 'http');
};

/** Whether the mirror pod is the image of this static pod, and stays in the API. */
export const mirrors = ({ metadata }: Pod, pod: Pod): boolean =>
  metadata.deletionTimestamp === undefined &&
  metadata.annotations?.[mirrorAnnotation] === pod.metadata.annotations?.[hashAnnotation];

/** The mirror pod to create. @param nodeUid of the Node that owns it. Pure. */
export function mirrorOf({ metadata, spec }: Pod, nodeUid: string): New<Pod> {
  // The API gives it a UID of its own.
  const { uid: _uid, annotations = {}, ...rest } = metadata;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...rest,
      annotations: { ...annotations, [mirrorAnnotation]: annotations[hashAnnotation] ?? '' },
      ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: spec.nodeName ?? '', uid: nodeUid, controller: true }],
    },
    spec,
  };
}
