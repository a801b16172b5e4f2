/**
 * The objects of storage as the API server shows them, with the changes that the scheduler has decided on: a volume that it has
 * given to a claim is not given to another claim while the write is under way.
 *
 * Source: upstream `plugins/volumebinding/passive_assume_cache.go`.
 */
import { type KubeObject, keyOf } from '#api/meta.ts';
import type { NodeIdentity } from '#api/pod/node-selector.ts';
import { QuantityError } from '#api/quantity.ts';
import { VolumeIndex } from '#api/storage/volume-index.ts';
import type {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  PersistentVolume,
  PersistentVolumeClaim,
  StorageClass,
  VolumeAttachment,
} from '#api/types.generated.ts';
import type { Informer } from '#client/informer.ts';
import type { Informers } from '#client/informers.ts';
import type { ClusterEvent } from '../cluster-event.ts';
import { Grouped } from './grouped.ts';
import type { StorageView } from './storage-view.ts';

/** Kept current by informers from {@link subscribe} on. */
export class StorageCache implements StorageView {
  readonly #volumes: Informer<PersistentVolume>;
  readonly #claims: Informer<PersistentVolumeClaim>;
  readonly #classes: Informer<StorageClass>;
  readonly #drivers: Informer<CSIDriver>;
  readonly #nodes: Informer<CSINode>;
  readonly #allCapacities: Informer<CSIStorageCapacity>;
  readonly #allAttachments: Informer<VolumeAttachment>;
  readonly #index = new VolumeIndex();
  readonly #assumedVolumes = new Map<string, PersistentVolume>();
  readonly #assumedClaims = new Map<string, PersistentVolumeClaim>();
  readonly #capacities = new Grouped<CSIStorageCapacity>(({ storageClassName }) => storageClassName);
  readonly #attachments = new Grouped<VolumeAttachment>(({ spec }) => spec.nodeName);
  readonly #listeners = new Set<() => void>();

  constructor(informers: Pick<Informers, 'informer'>) {
    this.#volumes = informers.informer('persistentvolumes');
    this.#claims = informers.informer('persistentvolumeclaims');
    this.#classes = informers.informer('storageclasses.storage.k8s.io');
    this.#drivers = informers.informer('csidrivers.storage.k8s.io');
    this.#nodes = informers.informer('csinodes.storage.k8s.io');
    this.#allCapacities = informers.informer('csistoragecapacities.storage.k8s.io');
    this.#allAttachments = informers.informer('volumeattachments.storage.k8s.io');
  }

  get informers(): readonly Informer<KubeObject>[] {
    return [
      this.#volumes,
      this.#claims,
      this.#classes,
      this.#drivers,
      this.#nodes,
      this.#allCapacities,
      this.#allAttachments,
    ] as unknown as readonly Informer<KubeObject>[];
  }

  /** @param changed is told of what may make waiting pods schedulable @returns ends it */
  subscribe(changed: (event: ClusterEvent) => void): () => void {
    const stops = [
      this.#volumes.subscribe({
        added: (volume) => this.#volumeChanged(volume, undefined, changed),
        updated: (volume, previous) => this.#volumeChanged(volume, previous, changed),
        deleted: ({ metadata }) => {
          this.#assumedVolumes.delete(metadata.name);
          this.#index.remove(metadata.name);
          this.#tell();
        },
      }),
      this.#claims.subscribe({
        added: (claim) => this.#claimChanged(claim, changed),
        updated: (claim, previous) => this.#claimChanged(claim, changed, previous),
        deleted: (claim) => {
          this.#assumedClaims.delete(keyOf(claim));
          this.#tell();
        },
      }),
      this.#classes.subscribe({
        added: (storageClass) => changed({ kind: 'storageClassChanged', storageClass }),
        updated: (storageClass, previous) => changed({ kind: 'storageClassChanged', storageClass, previous }),
      }),
      this.#drivers.subscribe({ updated: (driver, previous) => changed({ kind: 'csiDriverUpdated', driver, previous }) }),
      this.#nodes.subscribe({
        added: (csiNode) => changed({ kind: 'csiNodeChanged', csiNode }),
        updated: (csiNode, previous) => changed({ kind: 'csiNodeChanged', csiNode, previous }),
      }),
      this.#allCapacities.subscribe({
        added: (capacity) => {
          this.#capacities.set(keyOf(capacity), capacity);
          changed({ kind: 'storageCapacityChanged', capacity });
        },
        updated: (capacity, previous) => {
          this.#capacities.set(keyOf(capacity), capacity);
          changed({ kind: 'storageCapacityChanged', capacity, previous });
        },
        deleted: (capacity) => this.#capacities.delete(keyOf(capacity)),
      }),
      this.#allAttachments.subscribe({
        added: (attachment) => this.#attachments.set(attachment.metadata.name, attachment),
        updated: (attachment) => this.#attachments.set(attachment.metadata.name, attachment),
        deleted: (attachment) => {
          this.#attachments.delete(attachment.metadata.name);
          changed({ kind: 'volumeDetached' });
        },
      }),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }

  claim(namespace: string, name: string): PersistentVolumeClaim | undefined {
    const key = `${namespace}/${name}`;
    return this.#assumedClaims.get(key) ?? this.#claims.cache.get(key);
  }

  volume(name: string): PersistentVolume | undefined {
    return this.#assumedVolumes.get(name) ?? this.#volumes.cache.get(name);
  }

  volumeFor(
    claim: PersistentVolumeClaim,
    node: Pick<NodeIdentity, 'labels'>,
    excluded: ReadonlySet<string>,
  ): PersistentVolume | undefined {
    return this.#index.find(claim, { node, excluded });
  }

  storageClass(name: string): StorageClass | undefined {
    return this.#classes.cache.get(name);
  }

  csiDriver(name: string): CSIDriver | undefined {
    return this.#drivers.cache.get(name);
  }

  csiNode(name: string): CSINode | undefined {
    return this.#nodes.cache.get(name);
  }

  capacities(storageClass: string): Iterable<CSIStorageCapacity> {
    return this.#capacities.in(storageClass);
  }

  attachments(node: string): Iterable<VolumeAttachment> {
    return this.#attachments.in(node);
  }

  /** As the API server shows it. */
  storedVolume(name: string): PersistentVolume | undefined {
    return this.#volumes.cache.get(name);
  }

  /** As the API server shows it. @param key namespace/name */
  storedClaim(key: string): PersistentVolumeClaim | undefined {
    return this.#claims.cache.get(key);
  }

  /** Uses the changed object from now on, until the API server shows a newer version, or {@link restoreVolume} is called. */
  assumeVolume(volume: PersistentVolume): void {
    this.#assumedVolumes.set(volume.metadata.name, volume);
    this.#put(volume);
  }

  assumeClaim(claim: PersistentVolumeClaim): void {
    this.#assumedClaims.set(keyOf(claim), claim);
  }

  /** The change is not made after all: the object counts as the API server shows it. */
  restoreVolume(name: string): void {
    if (!this.#assumedVolumes.delete(name)) return;
    const stored = this.#volumes.cache.get(name);
    if (stored === undefined) this.#index.remove(name);
    else this.#put(stored);
  }

  restoreClaim(key: string): void {
    this.#assumedClaims.delete(key);
  }

  /** Calls the listener after each change of a volume or claim. @returns ends it */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #volumeChanged(volume: PersistentVolume, previous: PersistentVolume | undefined, changed: (event: ClusterEvent) => void): void {
    this.#assumedVolumes.delete(volume.metadata.name);
    this.#put(volume);
    this.#tell();
    changed({ kind: 'volumeChanged', volume, ...(previous === undefined ? {} : { previous }) });
  }

  #claimChanged(claim: PersistentVolumeClaim, changed: (event: ClusterEvent) => void, previous?: PersistentVolumeClaim): void {
    this.#assumedClaims.delete(keyOf(claim));
    this.#tell();
    changed({ kind: 'claimChanged', claim, ...(previous === undefined ? {} : { previous }) });
  }

  #put(volume: PersistentVolume): void {
    try {
      this.#index.put(volume);
    } catch (error) {
      // Its capacity is no quantity. No claim gets it; the binder of volumes tells of it.
      if (!(error instanceof QuantityError)) throw error;
    }
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
