/**
 * Provisioner of node-local volumes: creates PersistentVolumes that are a folder on the node of the claim's first pod, expands them, and
 * lets the node remove the folder when the claim is deleted.
 *
 * Owns: PersistentVolume with the annotation `pv.kubernetes.io/provisioned-by: tinkernetes.io/local-path` and their finalizer. Watches:
 * PersistentVolumeClaim, PersistentVolume, Node, StorageClass. Writes: PersistentVolume, PersistentVolumeClaim, annotations of Node. A key
 * with a namespace is a claim, one without is a volume. The size is recorded but not enforced. Source:
 * sig-storage-lib-external-provisioner, external-resizer (events); kubernetes.io, Local volumes.
 */
import { errorText } from '#api/error-text.ts';
import { keyOf } from '#api/meta.ts';
import { hostnameLabel } from '#api/node-labels.ts';
import { isAlreadyExists, isConflict, isNotFound } from '#api/status.ts';
import { annotation, classOf, provisionerFinalizer, selectedNodeAnnotation, withAnnotations } from '#api/storage/binding.ts';
import { localPathRemovalsAnnotation, type Removal, removalsOf, removalsText } from '#api/storage/local-path.ts';
import type { Node, PersistentVolume, PersistentVolumeClaim } from '#api/types.generated.ts';
import type { Controller, ControllerDeps, ReconcileResult } from '#client/controller.ts';
import { done, requeueAfter } from '#client/controller.ts';
import { reads } from '#client/controller-runner.ts';
import { liveObject } from '../live-object.ts';
import { grownVolume, resizedClaim } from './grow.ts';
import { hostOf, isOwn, isWaiting, planProvision } from './provision.ts';

/** Limit of folders in one removal request, because all are in one annotation. */
const removalsAtOnce = 100;
const busyNodeMs = 5_000;

/** Makes the provisioner. */
export function localPathController(deps: ControllerDeps): Controller {
  const provisioner = new Provisioner(deps);
  return {
    name: 'local-path-provisioner',
    watches: [
      { resource: 'persistentvolumeclaims', keys: (claim) => [keyOf(claim)] },
      { resource: 'persistentvolumes', keys: (volume) => (isOwn(volume) ? [volume.metadata.name] : []) },
      { resource: 'nodes', keys: (node, previous) => provisioner.nodeChanged(node, previous) },
      reads('storageclasses.storage.k8s.io'),
    ],
    reconcile: (key) => (key.includes('/') ? provisioner.syncClaim(key) : provisioner.syncVolume(key)),
  };
}

class Provisioner {
  readonly #deps: ControllerDeps;
  /** Claims that wait for a node, by the node's name. */
  readonly #waiting = new Map<string, Set<string>>();

  constructor(deps: ControllerDeps) {
    this.#deps = deps;
  }

  nodeChanged(node: Node, previous: Node | undefined): string[] {
    const texts = [node, previous].map((one) => one?.metadata.annotations?.[localPathRemovalsAnnotation]);
    const removals = previous !== undefined && texts[0] === texts[1] ? [] : removalsOf(node).keys();
    const claims = this.#waiting.get(node.metadata.name) ?? [];
    this.#waiting.delete(node.metadata.name);
    return [...removals, ...claims];
  }

  async syncClaim(key: string): Promise<ReconcileResult> {
    const { caches, client, events } = this.#deps;
    const claim = caches.cache('persistentvolumeclaims').get(key);
    if (claim === undefined) return done;
    if (!isWaiting(claim)) {
      await this.#grow(claim);
      return done;
    }
    const selected = annotation(claim, selectedNodeAnnotation) ?? '';
    const className = classOf(claim);
    const plan = planProvision(
      claim,
      caches.cache('storageclasses.storage.k8s.io').get(className),
      caches.cache('nodes').get(selected),
    );
    if (plan.kind === 'none') return done;
    if (plan.kind === 'failed') {
      this.#tellFailure(claim, className, plan.why);
      this.#waiting.set(selected, (this.#waiting.get(selected) ?? new Set<string>()).add(key));
      if (plan.reschedule) await this.#reschedule(claim);
      return done;
    }
    try {
      await client.resource('persistentvolumes').create(plan.volume);
    } catch (error) {
      if (isAlreadyExists(error)) return done;
      this.#tellFailure(claim, className, errorText(error));
      throw error;
    }
    events.event(claim, 'Normal', 'ProvisioningSucceeded', `Successfully provisioned volume ${plan.volume.metadata.name ?? ''}`);
    return done;
  }

  #tellFailure(claim: PersistentVolumeClaim, className: string, why: string): void {
    const message = `failed to provision volume with StorageClass ${JSON.stringify(className)}: ${why}`;
    this.#deps.events.event(claim, 'Warning', 'ProvisioningFailed', message);
  }

  /** The scheduler chooses a node again when the annotation is gone. */
  async #reschedule(claim: PersistentVolumeClaim): Promise<void> {
    const metadata = withAnnotations(claim.metadata, { [selectedNodeAnnotation]: undefined });
    await this.#deps.client.resource('persistentvolumeclaims').update({ ...claim, metadata });
  }

  /** Writes the requested size to volume and claim. The volume comes first, as with any resizer. */
  async #grow(claim: PersistentVolumeClaim): Promise<void> {
    const { caches, client, events } = this.#deps;
    const volume = caches.cache('persistentvolumes').get(claim.spec.volumeName ?? '');
    if (volume === undefined || !isOwn(volume)) return;
    const grown = grownVolume(volume, claim);
    if (grown !== volume) {
      events.event(claim, 'Normal', 'Resizing', `External resizer is resizing volume ${volume.metadata.name}`);
      await client.resource('persistentvolumes').update(grown);
    }
    const resized = resizedClaim(claim, grown);
    if (resized === claim) return;
    await client.resource('persistentvolumeclaims').updateStatus(resized);
    events.event(claim, 'Normal', 'VolumeResizeSuccessful', 'Resize volume succeeded');
  }

  async syncVolume(name: string): Promise<ReconcileResult> {
    const volume = this.#deps.caches.cache('persistentvolumes').get(name);
    if (volume === undefined) {
      await this.#forget(name);
      return done;
    }
    if (!isOwn(volume)) return done;
    const isKept = volume.spec.persistentVolumeReclaimPolicy !== 'Delete';
    if (isKept || volume.metadata.deletionTimestamp === undefined) await this.#keepFinalizer(volume, !isKept);
    if (isKept || !isReleased(volume) || !(await this.#isStillReleased(volume))) return done;
    const node = this.#nodeOf(volume);
    // The node is gone, and the folder with it.
    if (node === undefined) return this.#finish(volume);
    const removals = removalsOf(node);
    const removal = removals.get(name);
    if (removal?.kind === 'done') return this.#finish(volume);
    if (removal?.kind === 'failed') {
      this.#deps.events.event(volume, 'Warning', 'VolumeFailedDelete', `node ${node.metadata.name}: ${removal.why}`);
      return done;
    }
    if (removal !== undefined) return done;
    if (removals.size >= removalsAtOnce) return requeueAfter(busyNodeMs);
    return this.#write(node, removals.set(name, { kind: 'asked' }));
  }

  /**
   * Writes the annotation with the version of the node that it was made from, so that a change made meanwhile is not overwritten.
   */
  async #write({ metadata }: Node, removals: ReadonlyMap<string, Removal>): Promise<ReconcileResult> {
    const { name, resourceVersion } = metadata;
    const body = { metadata: { resourceVersion, annotations: { [localPathRemovalsAnnotation]: removalsText(removals) } } };
    try {
      await this.#deps.client.resource('nodes').patch({ name }, { type: 'merge', body });
    } catch (error) {
      if (isConflict(error)) return requeueAfter(1_000);
      if (!isNotFound(error)) throw error;
    }
    return done;
  }

  async #keepFinalizer(volume: PersistentVolume, wanted: boolean): Promise<void> {
    const { finalizers = [] } = volume.metadata;
    if (finalizers.includes(provisionerFinalizer) === wanted) return;
    const others = finalizers.filter((one) => one !== provisionerFinalizer);
    const metadata = { ...volume.metadata, finalizers: wanted ? [...others, provisionerFinalizer] : others };
    await this.#deps.client.resource('persistentvolumes').update({ ...volume, metadata });
  }

  /** Whether the volume is still released. A removal cannot be undone, so this asks the API server instead of the cache. */
  async #isStillReleased({ metadata: { name, uid } }: PersistentVolume): Promise<boolean> {
    const live = await liveObject(this.#deps.client, 'persistentvolumes', { name });
    if (live === undefined || live.metadata.uid !== uid || !isReleased(live)) return false;
    const { claimRef } = live.spec;
    if (claimRef === undefined) return true;
    const claim = await liveObject(this.#deps.client, 'persistentvolumeclaims', {
      namespace: claimRef.namespace,
      name: claimRef.name ?? '',
    });
    const { volumeName = '' } = claim?.spec ?? {};
    return claim === undefined || claim.metadata.uid !== claimRef.uid || (volumeName !== '' && volumeName !== name);
  }

  #nodeOf(volume: PersistentVolume): Node | undefined {
    const host = hostOf(volume);
    return this.#deps.caches
      .cache('nodes')
      .list()
      .find(({ metadata }) => host !== undefined && metadata.labels?.[hostnameLabel] === host);
  }

  async #finish(volume: PersistentVolume): Promise<ReconcileResult> {
    const volumes = this.#deps.client.resource('persistentvolumes');
    const { name, uid, finalizers = [] } = volume.metadata;
    const metadata = { ...volume.metadata, finalizers: finalizers.filter((one) => one !== provisionerFinalizer) };
    try {
      if (metadata.finalizers.length < finalizers.length) await volumes.update({ ...volume, metadata });
      if (volume.metadata.deletionTimestamp === undefined) await volumes.delete({ name }, { preconditions: { uid } });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    return done;
  }

  /** The volume and its folder are gone. Removes the request from the Node's annotation. */
  async #forget(name: string): Promise<void> {
    for (const node of this.#deps.caches.cache('nodes').list()) {
      const removals = removalsOf(node);
      if (removals.get(name)?.kind !== 'done') continue;
      removals.delete(name);
      await this.#write(node, removals);
    }
  }
}

/** Whether no claim uses the volume any more. A volume that was never bound may be deleted, too. */
const isReleased = ({ metadata, status }: PersistentVolume): boolean =>
  status?.phase === 'Released' || (metadata.deletionTimestamp !== undefined && status?.phase !== 'Bound');
