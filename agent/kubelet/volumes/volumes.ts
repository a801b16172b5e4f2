/**
 * A pod's volumes on this node: set up before its containers start, kept current while they run, removed after they ended.
 * What a type of volume is, its plugin knows (`plugin.ts`).
 *
 * Source: upstream `pkg/kubelet/volumemanager`, `kubelet_volumes.go` (cleanupOrphanedPodDirs); messages of `operationexecutor`.
 */
import { join } from 'node:path';
import { removeTreeBelow } from '#agent/host/remove-tree.ts';
import type { Pod, Volume } from '#api/types.generated.ts';
import type { PodFacts } from '../container/field-ref.ts';
import { messageText } from '../errors.ts';
import type { MountedVolume, PluginDeps, VolumePlugin } from './plugin.ts';
import { volumePlace } from './plugin.ts';
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
   * Sets up what is missing, and writes changed contents.
   * @returns by the volume's name, all volumes of the pod
   * @throws VolumeError after all volumes were tried
   */
  setUp(pod: Pod, facts: PodFacts): Promise<ReadonlyMap<string, MountedVolume>>;
  /**
   * Unmounts and removes everything of the pod except its logs; absent is success. What a user mounted there is unmounted, never
   * removed. Call it when the pod's containers have ended.
   * @throws Error when something could not be unmounted or removed; calling again goes on
   */
  tearDown(podUid: string): Promise<void>;
  /**
   * As {@link tearDown}, for a pod of which only its folder is left. Keeps the volumes, and the pod's folder, in which something
   * is mounted that none of the pod's volumes made, and folders of types that it does not know: nobody is left to say whose they
   * are.
   * @throws Error `orphaned pod "<uid>" found, but volumes are not cleaned up: …` naming what is kept
   */
  tearDownOrphan(podUid: string): Promise<void>;
}

/** The volumes of all pods on this node. @param plugins default: all types of `plugins/index.ts` */
export function createVolumes(deps: PluginDeps, plugins: readonly VolumePlugin[] = createPlugins(deps)): Volumes {
  const { paths, mounts, sources } = deps;
  /** Pod UID → volume → what was set up since this process began. */
  const mounted = new Map<string, Map<string, MountedVolume>>();

  function pluginFor(volume: Volume): VolumePlugin {
    const [plugin, ...others] = plugins.filter((one) => one.supports(volume));
    if (plugin === undefined) throw new Error('no volume plugin matched');
    if (others.length > 0)
      throw new Error(`multiple volume plugins matched: ${[plugin, ...others].map(({ name }) => name).join(',')}`);
    return plugin;
  }

  async function setUpOne(pod: Pod, volume: Volume, facts: PodFacts): Promise<MountedVolume> {
    const plugin = pluginFor(volume);
    const { uid } = pod.metadata;
    const ofPod = mounted.get(uid) ?? new Map<string, MountedVolume>();
    mounted.set(uid, ofPod);
    const known = ofPod.get(volume.name);
    if (known !== undefined && !plugin.requiresRemount(volume)) return known;
    const place = volumePlace(paths, uid, plugin.name, volume.name);
    const done = await plugin.setUp({ pod, volume, facts, place, isRemount: known !== undefined });
    ofPod.set(volume.name, done);
    return done;
  }

  /** Tears down all volumes that were found, also after one has failed. @throws Error, the first failure */
  async function tearDownFound(found: readonly FoundVolume[]): Promise<void> {
    const failures: Error[] = [];
    for (const { plugin, place } of found) {
      try {
        // subPath mounts come first: they are mounts of what is in the volume, and would keep it busy.
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
      for (const volume of pod.spec.volumes ?? []) {
        try {
          all.set(volume.name, await setUpOne(pod, volume, facts));
        } catch (error) {
          failures.push(`MountVolume.SetUp failed for volume "${volume.name}" : ${messageText(error)}`);
        }
      }
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
