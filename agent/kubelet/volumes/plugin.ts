/**
 * The interface of volume plugins. Each volume type has one plugin, listed in `plugins/index.ts`; `plugins/plugins.test.ts` tests the
 * contract of all of them.
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

/** The dependencies of plugins. A plugin takes the parts that it needs. */
export interface PluginDeps {
  paths: Paths;
  mounts: Mounts;
  gate: PathGate;
  sources: PayloadSources;
}

/** The paths of one volume of one pod. They depend only on names, so they are known without the pod's spec. */
export interface VolumePlace {
  podUid: string;
  /** The plugin's name, such as `kubernetes.io/empty-dir`. */
  plugin: string;
  /** The volume's name; for a PersistentVolume, that object's name. */
  volume: string;
  /** The volume's folder, `pods/<uid>/volumes/kubernetes.io~<plugin>/<volume>`. Containers may see and change what is in it. */
  path: string;
  /** `pods/<uid>/plugins/kubernetes.io~<plugin>/<volume>`: the plugin's metadata, invisible to containers. */
  metadataPath: string;
}

/** The paths of a volume. Pure. */
export const volumePlace = (paths: Paths, podUid: string, plugin: string, volume: string): VolumePlace => ({
  podUid,
  plugin,
  volume,
  path: paths.volumeDir(podUid, plugin, volume),
  metadataPath: paths.volumeMetadataDir(podUid, plugin, volume),
});

/** The result of a set-up: what containers mount. */
export interface MountedVolume {
  /**
   * The path that is bind-mounted into the container: {@link VolumePlace.path}, a folder in it, or a path of the node. Empty for an image.
   */
  hostPath: string;
  /** Whether containers may only read it, whatever their `volumeMounts` say. */
  readOnly: boolean;
  /** A path of the node whose filesystem may not answer. Access it only through the {@link PathGate}. */
  isNodePath?: true;
}

/** A volume of a pod. A claim is replaced by its PersistentVolume, with that object's name. */
export interface VolumeSpec extends Volume {
  /** A type that only PersistentVolumes have. */
  local?: LocalVolumeSource | undefined;
  /** The volume was made by the cluster's own provisioner, so the kubelet makes its folder when it is missing. */
  isLocalPath?: boolean | undefined;
  /** The pod's claim may only be read, whatever the containers' mounts say. */
  readOnly?: boolean | undefined;
}

/** A failure in a step before the set-up of a volume, with upstream's name of that step. */
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
  /** Facts that the node knows about the pod: addresses, allocatable resources. */
  facts: PodFacts;
  place: VolumePlace;
  /**
   * Whether this kubelet process has set up the volume before, so that only its contents may need an update. False after a restart of the
   * kubelet, although containers may be using the volume.
   */
  isRemount: boolean;
}

/** A volume that a plugin has recognized on disk. */
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
 * A type whose device is shared by several pods (CSI: NodeStage once, NodePublish per pod) uses the same calls. `setUp` waits for the
 * attachment, stages the device if it is not staged, and publishes it for the pod. `tearDown` unpublishes, and unstages after the last pod.
 * The metadata folder of each pod's volume records that it uses the device, so a restart loses nothing; the plugin handles one call at a
 * time per device. Claims are not a type: `claims.ts` replaces a claim by its PersistentVolume, whose type and name are then on disk, so
 * `tearDown` and `reconstruct` need neither claim nor API server.
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
   * Makes the volume ready for containers. It is idempotent: a repeated call only updates changed contents, or completes what a crash
   * interrupted. Access to a path of the node takes at most 10 s (see {@link PathGate}).
   * @throws MountStepError, Error with upstream's message, which the user sees in a `FailedMount` event; the next sync tries again
   */
  setUp(request: SetUpRequest): Promise<MountedVolume>;

  /**
   * Unmounts and removes what `setUp` made, even if it is incomplete. An absent volume is success. Removal never enters a mount: a
   * filesystem that is mounted there is unmounted, or makes this fail, and its files stay.
   * @throws Error when something could not be unmounted or removed; another call continues
   */
  tearDown(place: VolumePlace): Promise<void>;

  /**
   * Recognizes a volume that an earlier process has set up, without the pod's spec. Changes nothing. Upstream's ConstructVolumeSpec.
   * @returns undefined when nothing of this plugin is there
   * @throws Error when the place cannot be read
   */
  reconstruct(place: VolumePlace): Promise<ReconstructedVolume | undefined>;
}

/** `tearDown` and `reconstruct` of types that make nothing on this node. */
export const nothingOnDisk: Pick<VolumePlugin, 'tearDown' | 'reconstruct'> = {
  tearDown: async () => undefined,
  reconstruct: async () => undefined,
};

/** Path of the marker file that says that the volume was complete once. */
export const readyMarker = ({ metadataPath }: VolumePlace): string => join(metadataPath, 'ready');
