/**
 * A pod's volumes on this node: set up before its containers start, updated while they run, removed after they have ended. Plugins know the
 * volume types (`plugin.ts`).
 *
 * Source: upstream `pkg/kubelet/volumemanager`, `kubelet_volumes.go` (cleanupOrphanedPodDirs); messages of `operationexecutor`.
 */
import { join } from 'node:path';
import { removeTreeBelow } from '#agent/host/remove-tree.ts';
import type { Pod, Volume } from '#api/types.generated.ts';
import type { PodFacts } from '../container/field-ref.ts';
import { messageText } from '../errors.ts';
import { ClaimError, type ClaimSources, volumeSpec } from './claims.ts';
import type { MountedVolume, PluginDeps, VolumePlugin, VolumeSpec } from './plugin.ts';
import { MountStepError, volumePlace } from './plugin.ts';
import { createPlugins } from './plugins/index.ts';
import { type FoundVolume, foreignMounts, volumesOnDisk } from './volumes-on-disk.ts';

export type { MountedVolume } from './plugin.ts';

/** One or more volumes could not be set up; `failures` are upstream's messages for `FailedMount` events. */
export class VolumeError extends Error {
  readonly failures: readonly string[];
  constructor(failures: readonly string[]) {
    super(failures.join(', '));
    this.name = 'VolumeError';
    this.failures = failures;
  }
}

/** Calls for one pod come one after another; calls for different pods come at the same time. */
export interface Volumes {
  /**
   * Sets up missing volumes and updates changed contents.
   * @returns by the volume's name, all volumes of the pod
   * @throws VolumeError after all volumes were tried
   */
  setUp(pod: Pod, facts: PodFacts): Promise<ReadonlyMap<string, MountedVolume>>;
  /**
   * Unmounts and removes everything of the pod except its logs. An absent pod is success. A user's mount there is unmounted, and its files
   * are never removed. Call it when the pod's containers have ended.
   * @throws Error when something could not be unmounted or removed; another call continues
   */
  tearDown(podUid: string): Promise<void>;
  /**
   * As {@link tearDown}, for a pod of which only the folder is left. It keeps a volume or folder that contains a mount which none of the
   * pod's volumes made, and folders of unknown volume types, because their owner is unknown.
   * @throws Error `orphaned pod "<uid>" found, but volumes are not cleaned up: …` naming what is kept
   */
  tearDownOrphan(podUid: string): Promise<void>;
}

/** The dependencies of {@link createVolumes}. */
export interface VolumesDeps extends PluginDeps {
  claims: ClaimSources;
}

/** The volumes of all pods on this node. @param plugins default: all types of `plugins/index.ts` */
export function createVolumes(deps: VolumesDeps, plugins: readonly VolumePlugin[] = createPlugins(deps)): Volumes {
  const { paths, mounts, sources, claims } = deps;
  /** Pod UID → volume name → the volume that this process has set up. */
  const mounted = new Map<string, Map<string, MountedVolume>>();

  function pluginFor(volume: VolumeSpec): VolumePlugin {
    const [plugin, ...others] = plugins.filter((one) => one.supports(volume));
    if (plugin === undefined) throw new Error('no volume plugin matched');
    if (others.length > 0)
      throw new Error(`multiple volume plugins matched: ${[plugin, ...others].map(({ name }) => name).join(',')}`);
    return plugin;
  }

  async function setUpOne(pod: Pod, volume: Volume, facts: PodFacts): Promise<MountedVolume> {
    const { uid } = pod.metadata;
    const ofPod = mounted.get(uid) ?? new Map<string, MountedVolume>();
    mounted.set(uid, ofPod);
    const known = ofPod.get(volume.name);
    // The binding of a claim does not change while the pod lives, so it is read once.
    const isClaim = volume.persistentVolumeClaim !== undefined || volume.ephemeral !== undefined;
    if (known !== undefined && (isClaim || !pluginFor(volume).requiresRemount(volume))) return known;
    const spec = await volumeSpec(pod, volume, claims);
    const done = await setUpSpec(pod, spec, facts, known !== undefined);
    ofPod.set(volume.name, done);
    return done;
  }

  async function setUpSpec(pod: Pod, spec: VolumeSpec, facts: PodFacts, isRemount: boolean): Promise<MountedVolume> {
    try {
      const plugin = pluginFor(spec);
      const place = volumePlace(paths, pod.metadata.uid, plugin.name, spec.name);
      return await plugin.setUp({ pod, volume: spec, facts, place, isRemount });
    } catch (error) {
      if (error instanceof MountStepError) throw error;
      throw new MountStepError('MountVolume.SetUp failed', spec.name, messageText(error), { cause: error });
    }
  }

  /** Tears down all volumes that were found, also after one has failed. @throws Error, the first failure */
  async function tearDownFound(found: readonly FoundVolume[]): Promise<void> {
    const failures: Error[] = [];
    for (const { plugin, place } of found) {
      try {
        // Unmount subPaths first: they keep the volume busy.
        await mounts.unmountBelow(join(paths.subPathsDir(place.podUid), place.volume));
        await plugin.tearDown(place);
      } catch (error) {
        const message = `UnmountVolume.TearDown failed for volume "${place.volume}" : ${messageText(error)}`;
        failures.push(new Error(message, { cause: error }));
      }
    }
    if (failures[0] !== undefined) throw failures[0];
  }

  /** Removes the rest of the pod's folder: subPath mounts of the node's own paths, /etc/hosts, termination logs. */
  async function removeFolder(podUid: string): Promise<void> {
    await mounts.unmountBelow(paths.podDir(podUid));
    await removeTreeBelow(paths.podsDir, paths.podDir(podUid));
  }

  function forget(podUid: string): void {
    mounted.delete(podUid);
    sources.tokens.forget(podUid);
  }

  return {
    async setUp(pod, facts) {
      const all = new Map<string, MountedVolume>();
      const failures: string[] = [];
      const unclaimed = new Map<string, string>();
      for (const volume of pod.spec.volumes ?? []) {
        try {
          all.set(volume.name, await setUpOne(pod, volume, facts));
        } catch (error) {
          if (error instanceof ClaimError) unclaimed.set(volume.name, error.message);
          else failures.push(messageText(error));
        }
      }
      if (unclaimed.size > 0) failures.push(unclaimedText(pod, all, unclaimed));
      if (failures.length > 0) throw new VolumeError(failures);
      return all;
    },

    async tearDown(podUid) {
      forget(podUid);
      const { found } = await volumesOnDisk(paths, plugins, podUid);
      await tearDownFound(found);
      await removeFolder(podUid);
    },

    async tearDownOrphan(podUid) {
      forget(podUid);
      const { found, unknown } = await volumesOnDisk(paths, plugins, podUid);
      const foreign = await foreignMounts({ paths, mounts }, podUid, found);
      const kept = new Set(foreign.map(({ volume }) => volume));
      await tearDownFound(found.filter(({ place }) => !kept.has(place.volume)));
      const reasons = [
        ...foreign.map(({ mountPoint }) => `${mountPoint} is a mount that no volume of the pod made; unmount it`),
        ...unknown.map((path) => `${path} belongs to no volume plugin of this kubelet; remove it`),
      ];
      if (reasons.length > 0)
        throw new Error(`orphaned pod "${podUid}" found, but volumes are not cleaned up: ${reasons.join('; ')}`);
      await removeFolder(podUid);
    },
  };
}

/** Upstream's message for volumes whose claims are not usable (yet). */
function unclaimedText(pod: Pod, mounted: ReadonlyMap<string, unknown>, unclaimed: ReadonlyMap<string, string>): string {
  const unmounted = (pod.spec.volumes ?? []).map(({ name }) => name).filter((name) => !mounted.has(name));
  const list = (names: Iterable<string>): string => `[${[...names].sort().join(' ')}]`;
  return (
    `Unable to attach or mount volumes: unmounted volumes=${list(unmounted)}, unattached volumes=[], ` +
    `failed to process volumes=${list(unclaimed.keys())}: ${[...unclaimed.values()].join('; ')}`
  );
}
