/**
 * What the kubelet asks of each type of volume: one plugin per type, listed in `plugins/index.ts`. The contract that all of them
 * keep is `plugins/plugins.test.ts`.
 *
 * Source: upstream `pkg/volume/plugins.go`, `volume.go` (VolumePlugin, Mounter, Unmounter).
 */
import { join } from 'node:path';
import type { Mounts } from '#agent/host/mount.ts';
import type { LocalVolumeSource, Pod, Volume } from '#api/types.generated.ts';
import type { PodFacts } from '../container/field-ref.ts';
import type { Paths } from '../paths.ts';
import type { PathGate } from './path-gate.ts';
import type { PayloadSources } from './payload.ts';

/** What plugins are made from. A plugin takes the parts that it needs. */
export interface PluginDeps {
  paths: Paths;
  mounts: Mounts;
  gate: PathGate;
  sources: PayloadSources;
}

/** Where one volume of one pod stands on the node. It follows from names alone, so it is known without the pod's spec. */
export interface VolumePlace {
  podUid: string;
  /** The plugin's name, such as `kubernetes.io/empty-dir`. */
  plugin: string;
  /** The volume's name; for a PersistentVolume, that object's name. */
  volume: string;
  /** The volume's folder, `pods/<uid>/volumes/kubernetes.io~<plugin>/<volume>`. Containers may see and change what is in it. */
  path: string;
  /** `pods/<uid>/plugins/kubernetes.io~<plugin>/<volume>`: for the plugin's own notes. No container sees it. */
  metadataPath: string;
}

/** The place of a volume, by names alone. Pure. */
export const volumePlace = (paths: Paths, podUid: string, plugin: string, volume: string): VolumePlace => ({
  podUid,
  plugin,
  volume,
  path: paths.volumeDir(podUid, plugin, volume),
  metadataPath: paths.volumeMetadataDir(podUid, plugin, volume),
});

/** What a container gets of a volume. */
export interface MountedVolume {
  /**
   * What is bind-mounted into the container: {@link VolumePlace.path}, a folder in it, or a path of the node. Empty for an
   * image.
   */
  hostPath: string;
  /** Whether containers may only read it, whatever their `volumeMounts` say. */
  readOnly: boolean;
  /** A path of the node's own, perhaps on a filesystem that does not answer: touched through the {@link PathGate} only. */
  isNodePath?: true;
}

/** A volume of a pod; in the place of a claim, the PersistentVolume behind it, under that one's name. */
export interface VolumeSpec extends Volume {
  /** A type that only PersistentVolumes have. */
  local?: LocalVolumeSource | undefined;
  /** The cluster's own provisioner made it: its folder is made when it is missing. */
  isLocalPath?: boolean | undefined;
  /** The pod's claim may only be read, whatever the containers' mounts say. */
  readOnly?: boolean | undefined;
}

/** A step before the set-up of a volume that failed, under upstream's name of that step. */
export class MountStepError extends Error {
  constructor(step: string, volume: string, message: string, options?: ErrorOptions) {
    super(`${step} for volume ${JSON.stringify(volume)} : ${message}`, options);
    this.name = 'MountStepError';
  }
}

/** One volume of one pod that has to be set up. */
export interface SetUpRequest {
  pod: Pod;
  volume: VolumeSpec;
  /** What the node knows of the pod: addresses, allocatable resources. */
  facts: PodFacts;
  place: VolumePlace;
  /**
   * Whether this volume was set up since the kubelet began: only its contents may have to change. False after a restart of the
   * kubelet, when containers may be using the volume all the same.
   */
  isRemount: boolean;
}

/** What a plugin knows of a volume that it finds on disk. */
export interface ReconstructedVolume {
  /**
   * Mount points at or below {@link VolumePlace.path} that the plugin made. Any other mount there is a user's, not the plugin's.
   */
  mountPoints: readonly string[];
}

/**
 * A type of volume. Plugins hold no state about pods: a call may be the first one of this process, for a volume of an earlier
 * process. Calls for one pod come one after another; calls for different pods come at the same time.
 *
 * A type whose devices several pods share (CSI's NodeStage, then NodePublish for each pod) keeps to the same calls. `setUp`
 * waits for the attachment, stages the device if nobody did, and publishes it at the place. `tearDown` unpublishes, and unstages
 * after the last place. Which places use a device stands on disk, in the notes of each place, so a restart forgets none; the
 * plugin takes one call at a time for each device. Claims are no type: `claims.ts` puts the PersistentVolume in their place,
 * whose type and name are then on disk, so `tearDown` and `reconstruct` need neither claim nor API server.
 */
export interface VolumePlugin {
  /** Upstream's name, such as `kubernetes.io/empty-dir`. Names folders on disk, so it never changes. */
  readonly name: string;

  /** Whether the volume is of this type. At most one plugin of the index supports a volume. Pure. */
  supports(volume: VolumeSpec): boolean;

  /**
   * Whether `setUp` is called again with each sync of the pod (about once a minute, and when the pod changes), to renew the contents.
   * Others are set up once per pod and process. Upstream's RequiresRemount. Pure.
   */
  requiresRemount(volume: VolumeSpec): boolean;

  /**
   * Makes the volume ready for containers. Doing it again changes nothing unless the contents have changed; it also completes what a
   * crash left half done. Takes as long as what it reads; a path of the node is touched for 10 s at most, by the {@link PathGate}.
   * @throws MountStepError, Error with upstream's message, which the user sees in a `FailedMount` event; the next sync tries again
   */
  setUp(request: SetUpRequest): Promise<MountedVolume>;

  /**
   * Unmounts and removes what `setUp` made; absent is success. It may be half made. Removal never goes into a mount: what a user
   * mounted there, or what comes there meanwhile, is unmounted or makes this fail, and its files stay.
   * @throws Error when something could not be unmounted or removed; calling again goes on
   */
  tearDown(place: VolumePlace): Promise<void>;

  /**
   * Recognizes what `setUp` of an earlier process made at this place, without the pod's spec. Changes nothing.
   * Upstream's ConstructVolumeSpec.
   * @returns undefined when nothing of this plugin is there
   * @throws Error when the place cannot be read
   */
  reconstruct(place: VolumePlace): Promise<ReconstructedVolume | undefined>;
}

/** For types that make nothing on this node: there is nothing to remove or to find. */
export const nothingOnDisk: Pick<VolumePlugin, 'tearDown' | 'reconstruct'> = {
  tearDown: async () => undefined,
  reconstruct: async () => undefined,
};

/** The note that says that a volume has once been complete. */
export const readyMarker = ({ metadataPath }: VolumePlace): string => join(metadataPath, 'ready');
