/**
 * Attach/detach controller: makes volumes of CSI drivers attached to the nodes whose pods need them, and detached when no pod does. The
 * external attachers of the drivers do the work. A VolumeAttachment contains the request and the result, so the controller keeps no state
 * of its own.
 *
 * Owns: VolumeAttachment; `status.volumesAttached` of Node.
 * Watches: PersistentVolume, PersistentVolumeClaim, Pod, VolumeAttachment, Node, CSIDriver.  Writes: VolumeAttachment, Node/status.
 * A key `node/<name>` is a node, any other a PersistentVolume.
 * Source: kubernetes `pkg/controller/volume/attachdetach`; KEP-2268.
 */

import { keyOf, sameJson } from '#api/meta.ts';
import { readyCondition } from '#api/node-conditions.ts';
import { isAlreadyExists, isNotFound } from '#api/status.ts';
import { claimKeyOf } from '#api/storage/binding.ts';
import type { Node, PersistentVolume, Pod, VolumeAttachment } from '#api/types.generated.ts';
import type { Controller, ControllerDeps, ReconcileResult } from '#client/controller.ts';
import { done, requeueAfter } from '#client/controller.ts';
import { reads } from '#client/controller-runner.ts';
import { liveObject } from '../live-object.ts';
import { claimKeysOf, PodsByClaim } from '../pods-by-claim.ts';
import { blockedMessage, isManaged, needsVolumes, newAttachment, planAttachments, uniqueVolumeName } from './plan.ts';

const nodeKey = (name: string): string => `node/${name}`;

/** Makes the attach/detach controller. */
export function attachDetachController(deps: ControllerDeps): Controller {
  const attacher = new AttachDetach(deps);
  return {
    name: 'persistentvolume-attach-detach-controller',
    watches: [
      { resource: 'persistentvolumes', keys: (volume) => (volume.spec?.csi === undefined ? [] : [volume.metadata.name]) },
      { resource: 'persistentvolumeclaims', keys: ({ spec }) => (spec?.volumeName === undefined ? [] : [spec.volumeName]) },
      { resource: 'pods', keys: (pod, previous) => attacher.podChanged(pod, previous) },
      { resource: 'volumeattachments.storage.k8s.io', keys: (attachment) => attacher.attachmentChanged(attachment) },
      { resource: 'nodes', keys: (node, previous) => attacher.nodeChanged(node, previous) },
      reads('csidrivers.storage.k8s.io'),
    ],
    async reconcile(key) {
      if (!key.startsWith('node/')) return attacher.syncVolume(key);
      await attacher.syncNode(key.slice('node/'.length));
      return done;
    },
  };
}

class AttachDetach {
  readonly #deps: ControllerDeps;
  readonly #users = new PodsByClaim();
  /** VolumeAttachments by PersistentVolume, then by name. */
  readonly #attachments = new Map<string, Map<string, VolumeAttachment>>();
  /** VolumeAttachments by node, then by name. */
  readonly #onNode = new Map<string, Map<string, VolumeAttachment>>();
  /** Attachments that are not needed any more: since when, and whether the volume was removed from the Node's status. */
  readonly #unneeded = new Map<string, { sinceMs: number; isDetaching: boolean }>();
  /** The last message about each attachment and node that waits, so that each is recorded once. */
  readonly #told = new Map<string, string>();

  constructor(deps: ControllerDeps) {
    this.#deps = deps;
  }

  podChanged(pod: Pod, previous: Pod | undefined): string[] {
    const { caches } = this.#deps;
    this.#users.changed(pod, previous, caches.cache('pods').get(keyOf(pod)) !== undefined);
    if (!pod.spec.nodeName) return [];
    return claimKeysOf(pod).flatMap((key) => {
      const name = caches.cache('persistentvolumeclaims').get(key)?.spec?.volumeName;
      const isOurs = name !== undefined && caches.cache('persistentvolumes').get(name)?.spec?.csi !== undefined;
      return isOurs ? [name] : [];
    });
  }

  attachmentChanged(attachment: VolumeAttachment): string[] {
    const { name } = attachment.metadata;
    const volume = attachment.spec?.source?.persistentVolumeName;
    // An inline volume of a migrated plugin. This controller has not made the attachment.
    if (volume === undefined) return [];
    const { nodeName } = attachment.spec;
    const exists = this.#deps.caches.cache('volumeattachments.storage.k8s.io').get(name) !== undefined;
    for (const [index, key] of [
      [this.#attachments, volume],
      [this.#onNode, nodeName],
    ] as const) {
      const ofKey = index.get(key) ?? new Map<string, VolumeAttachment>();
      if (exists) index.set(key, ofKey.set(name, attachment));
      else if (ofKey.delete(name) && ofKey.size === 0) index.delete(key);
    }
    if (!exists) {
      this.#unneeded.delete(name);
      this.#told.delete(name);
    }
    return [volume, nodeKey(nodeName)];
  }

  /** Maps a changed Node to keys. Its volumesInUse, health and taints decide when volumes can be detached. */
  nodeChanged(node: Node, previous: Node | undefined): string[] {
    const read = (one: Node | undefined): unknown => [
      one?.status?.volumesInUse,
      one === undefined ? undefined : readyCondition(one)?.status,
      one?.spec?.taints?.map(({ key }) => key),
      one === undefined ? undefined : isManaged(one),
    ];
    if (previous !== undefined && sameJson(read(node), read(previous))) return [];
    const { name } = node.metadata;
    const attachments = [...(this.#onNode.get(name)?.values() ?? [])];
    return [nodeKey(name), ...attachments.flatMap(({ spec }) => spec.source.persistentVolumeName ?? [])];
  }

  async syncVolume(name: string): Promise<ReconcileResult> {
    const { client, caches, clock } = this.#deps;
    const volume = caches.cache('persistentvolumes').get(name);
    const source = volume?.spec.csi;
    if (volume === undefined) this.#told.delete(`blocked ${name}`);
    if (volume === undefined || source === undefined) return done;
    const attachments = [...(this.#attachments.get(name)?.values() ?? [])];
    const wanted = this.#wanted(volume, source.driver);
    const plan = planAttachments({
      volume,
      source,
      wanted,
      attachments,
      node: (one) => caches.cache('nodes').get(one),
      unneededSinceMs: (attachment) => this.#unneededSince(attachment),
      nowMs: clock.now(),
    });
    for (const { metadata, spec } of attachments) if (wanted.has(spec.nodeName)) this.#unneeded.delete(metadata.name);
    for (const { attachment, force } of plan.detach) await this.#detach(attachment, uniqueVolumeName(source), force);
    for (const nodeName of plan.attach) {
      try {
        await client.resource('volumeattachments.storage.k8s.io').create(newAttachment(volume, source, nodeName));
      } catch (error) {
        if (!isAlreadyExists(error)) throw error;
      }
    }
    this.#tellResults(volume, attachments, wanted);
    this.#tellBlocked(volume, plan.blocked, wanted);
    return plan.againInMs === undefined ? done : requeueAfter(plan.againInMs);
  }

  /** The pods that need the volume, by node. */
  #wanted(volume: PersistentVolume, driver: string): Map<string, Pod[]> {
    const { caches } = this.#deps;
    const wanted = new Map<string, Pod[]>();
    const key = claimKeyOf(volume);
    const claim = key === undefined ? undefined : caches.cache('persistentvolumeclaims').get(key);
    const isBound = claim?.metadata.uid === volume.spec.claimRef?.uid && claim?.spec.volumeName === volume.metadata.name;
    const attaches = caches.cache('csidrivers.storage.k8s.io').get(driver)?.spec.attachRequired !== false;
    if (key === undefined || claim?.status?.phase !== 'Bound' || !isBound || !attaches) return wanted;
    for (const pod of this.#users.of(key).filter(needsVolumes)) {
      const nodeName = pod.spec.nodeName ?? '';
      const node = caches.cache('nodes').get(nodeName);
      if (node !== undefined && isManaged(node)) wanted.set(nodeName, [...(wanted.get(nodeName) ?? []), pod]);
    }
    return wanted;
  }

  #unneededSince({ metadata: { name } }: VolumeAttachment): number {
    const known = this.#unneeded.get(name) ?? { sinceMs: this.#deps.clock.now(), isDetaching: false };
    this.#unneeded.set(name, known);
    return known.sinceMs;
  }

  /** Removes the volume from the Node's status first, so that the kubelet does not start to use it. */
  async #detach(attachment: VolumeAttachment, volumeName: string, force: boolean): Promise<void> {
    const { client } = this.#deps;
    const { name, uid } = attachment.metadata;
    const { nodeName } = attachment.spec;
    const unneeded = this.#unneeded.get(name);
    if (unneeded !== undefined) unneeded.isDetaching = true;
    await this.syncNode(nodeName);
    if (!force) {
      const node = await liveObject(client, 'nodes', { name: nodeName });
      if ((node?.status?.volumesInUse ?? []).includes(volumeName)) {
        if (unneeded !== undefined) unneeded.isDetaching = false;
        throw new Error(`volume ${volumeName} is still in use by node ${nodeName}, according to Node status`);
      }
    }
    try {
      await client.resource('volumeattachments.storage.k8s.io').delete({ name }, { preconditions: { uid } });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  /** Writes which volumes the node has. */
  async syncNode(name: string): Promise<void> {
    const { client, caches } = this.#deps;
    const node = caches.cache('nodes').get(name);
    if (node === undefined) return;
    const attached: string[] = [];
    for (const { metadata, spec, status } of this.#onNode.get(name)?.values() ?? []) {
      const source = caches.cache('persistentvolumes').get(spec.source.persistentVolumeName ?? '')?.spec.csi;
      const isLeaving = metadata.deletionTimestamp !== undefined || this.#unneeded.get(metadata.name)?.isDetaching === true;
      if (source !== undefined && status?.attached === true && !isLeaving) attached.push(uniqueVolumeName(source));
    }
    const wanted = attached.sort().map((one) => ({ name: one, devicePath: '' }));
    const present = (node.status?.volumesAttached ?? []).map((one) => ({ name: one.name, devicePath: one.devicePath }));
    if (sameJson(wanted, present)) return;
    const body = { status: { volumesAttached: wanted.length === 0 ? null : wanted } };
    await client.resource('nodes').patch({ name }, { type: 'merge', body }, { subresource: 'status' });
  }

  #tellResults(
    volume: PersistentVolume,
    attachments: readonly VolumeAttachment[],
    wanted: ReadonlyMap<string, readonly Pod[]>,
  ): void {
    const name = JSON.stringify(volume.metadata.name);
    for (const { metadata, spec, status } of attachments) {
      const failure = status?.attachError?.message;
      const text = status?.attached === true ? 'attached' : failure;
      if (text === undefined || this.#told.get(metadata.name) === text) continue;
      this.#told.set(metadata.name, text);
      for (const pod of wanted.get(spec.nodeName) ?? []) {
        if (status?.attached === true)
          this.#deps.events.event(pod, 'Normal', 'SuccessfulAttachVolume', `AttachVolume.Attach succeeded for volume ${name} `);
        else
          this.#deps.events.event(
            pod,
            'Warning',
            'FailedAttachVolume',
            `AttachVolume.Attach failed for volume ${name} : ${failure}`,
          );
      }
    }
  }

  #tellBlocked(volume: PersistentVolume, blocked: readonly string[], wanted: ReadonlyMap<string, readonly Pod[]>): void {
    const nodes = new Set(
      this.#attachments
        .get(volume.metadata.name)
        ?.values()
        .map(({ spec }) => spec.nodeName) ?? [],
    );
    const others = [...nodes].flatMap((node) => wanted.get(node) ?? []);
    const key = `blocked ${volume.metadata.name}`;
    const before = this.#told.get(key)?.split(' ') ?? [];
    if (blocked.length === 0) this.#told.delete(key);
    else this.#told.set(key, blocked.join(' '));
    for (const node of blocked.filter((one) => !before.includes(one)))
      for (const pod of wanted.get(node) ?? [])
        this.#deps.events.event(pod, 'Warning', 'FailedAttachVolume', blockedMessage(volume, pod, others));
  }
}
