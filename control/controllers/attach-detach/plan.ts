/**
 * To which nodes a volume of a CSI driver has to be attached, and from which it can be detached. Pure.
 *
 * Source: kubernetes `pkg/controller/volume/attachdetach/{reconciler,util}`, `pkg/volume/csi/csi_attacher.go`; kubernetes.io, Non-graceful node shutdown.
 */

import { createHash } from 'node:crypto';
import type { New } from '#api/meta.ts';
import { isNodeReady } from '#api/node-conditions.ts';
import { outOfServiceTaint } from '#api/node-taints.ts';
import { isPodTerminal } from '#api/pod/conditions.ts';
import type { CSIPersistentVolumeSource, Node, PersistentVolume, Pod, VolumeAttachment } from '#api/types.generated.ts';

/** Upstream's ReconcilerMaxWaitForUnmountDuration: the longest wait for an unhealthy node to unmount. */
const maxUnmountMs = 6 * 60_000;
const managedAnnotation = 'volumes.kubernetes.io/controller-managed-attach-detach';

/** The volume's name in `volumesInUse` and `volumesAttached` of nodes. */
export const uniqueVolumeName = ({ driver, volumeHandle }: CSIPersistentVolumeSource): string =>
  `kubernetes.io/csi/${driver}^${volumeHandle}`;

/** The name of the VolumeAttachment, which kubelets compute as well. */
export function attachmentName({ driver, volumeHandle }: CSIPersistentVolumeSource, nodeName: string): string {
  return `csi-${createHash('sha256').update(`${volumeHandle}${driver}${nodeName}`).digest('hex')}`;
}

/** The VolumeAttachment that asks the external attacher to attach the volume to the node. */
export const newAttachment = (
  volume: PersistentVolume,
  source: CSIPersistentVolumeSource,
  nodeName: string,
): New<VolumeAttachment> => ({
  apiVersion: 'storage.k8s.io/v1',
  kind: 'VolumeAttachment',
  metadata: { name: attachmentName(source, nodeName) },
  spec: { attacher: source.driver, nodeName, source: { persistentVolumeName: volume.metadata.name } },
});

/** Whether the node leaves attaching to this controller, as kubelets do by default. */
export const isManaged = ({ metadata }: Node): boolean => metadata.annotations?.[managedAnnotation] === 'true';

/** Whether the pod needs its volumes: it has a node, and its containers have not ended. */
export function needsVolumes(pod: Pod): boolean {
  const { metadata, spec, status } = pod;
  if (!spec.nodeName || isPodTerminal(pod)) return false;
  const isRunning = (status?.containerStatuses ?? []).some(
    ({ state }) => state?.terminated === undefined && state?.waiting === undefined,
  );
  return metadata.deletionTimestamp === undefined || isRunning;
}

/** Whether several nodes may have the volume at once. Without access modes, the driver decides. */
export function allowsMultiAttach({ spec: { accessModes = [] } }: PersistentVolume): boolean {
  return accessModes.length === 0 || accessModes.some((mode) => mode === 'ReadWriteMany' || mode === 'ReadOnlyMany');
}

/** The facts about a volume. */
export interface AttachmentFacts {
  volume: PersistentVolume;
  source: CSIPersistentVolumeSource;
  /** The pods that need the volume, by node. Only nodes that this controller manages. */
  wanted: ReadonlyMap<string, readonly Pod[]>;
  attachments: readonly VolumeAttachment[];
  node(name: string): Node | undefined;
  /** Since when the attachment is not needed any more, in ms since the epoch. */
  unneededSinceMs(attachment: VolumeAttachment): number;
  nowMs: number;
}

/** `force`: detach although the node may still use the volume. */
export interface AttachmentPlan {
  detach: { attachment: VolumeAttachment; force: boolean }[];
  /** Names of nodes. */
  attach: string[];
  /** Nodes whose pods have to wait for another node. */
  blocked: string[];
  /** Time until the next check: a wait for a node may be over then. */
  againInMs: number | undefined;
}

/** Plans what to attach, detach and report. */
export function planAttachments(facts: AttachmentFacts): AttachmentPlan {
  const { volume, wanted, attachments } = facts;
  const plan: AttachmentPlan = { detach: [], attach: [], blocked: [], againInMs: undefined };
  for (const attachment of attachments) {
    if (wanted.has(attachment.spec.nodeName) || attachment.metadata.deletionTimestamp !== undefined) continue;
    planDetach(facts, attachment, plan);
  }
  const nodes = new Set(attachments.map(({ spec }) => spec.nodeName));
  for (const name of [...wanted.keys()].sort()) {
    // Wait for an attachment that is being deleted: the driver must not attach and detach at the same time.
    if (nodes.has(name)) continue;
    if (nodes.size > 0 && !allowsMultiAttach(volume)) {
      plan.blocked.push(name);
      continue;
    }
    plan.attach.push(name);
    nodes.add(name);
  }
  return plan;
}

function planDetach(facts: AttachmentFacts, attachment: VolumeAttachment, plan: AttachmentPlan): void {
  const node = facts.node(attachment.spec.nodeName);
  const isOutOfService = (node?.spec?.taints ?? []).some(({ key }) => key === outOfServiceTaint);
  const isMounted = (node?.status?.volumesInUse ?? []).includes(uniqueVolumeName(facts.source));
  const restMs = facts.unneededSinceMs(attachment) + maxUnmountMs - facts.nowMs;
  const isOverdue = restMs <= 0 && !isReady(node);
  if (!isMounted || isOutOfService || isOverdue) plan.detach.push({ attachment, force: isOutOfService || isOverdue });
  else if (restMs > 0) plan.againInMs = Math.min(plan.againInMs ?? restMs, restMs);
}

const isReady = (node: Node | undefined): boolean => node !== undefined && isNodeReady(node);

/** The event for a pod that must wait. It does not contain names of pods in other namespaces. */
export function blockedMessage({ metadata }: PersistentVolume, pod: Pod, others: readonly Pod[]): string {
  const local = others.filter((one) => one.metadata.namespace === pod.metadata.namespace).map((one) => one.metadata.name);
  const foreign = others.length - local.length;
  const prefix = `Multi-Attach error for volume ${JSON.stringify(metadata.name)} `;
  if (others.length === 0) return `${prefix}Volume is already exclusively attached to one node and can't be attached to another`;
  if (local.length === 0) return `${prefix}Volume is already used by ${foreign} pod(s) in different namespaces`;
  const more = foreign > 0 ? ` and ${foreign} pod(s) in different namespaces` : '';
  return `${prefix}Volume is already used by pod(s) ${local.join(', ')}${more}`;
}
