/**
 * A pod's volumes on this node: set up before its containers start, kept current while they run, removed after they ended.
 *
 * Source: upstream `pkg/kubelet/volumemanager`, `pkg/volume/*` (layout, modes, messages).
 */
import type { Mounts } from '#agent/host/mount.ts';
import { removeTreeBelow } from '#agent/host/remove-tree.ts';
import { ifThere, makeFolders, openFolder } from '#agent/host/safe-open.ts';
import type { Pod, Volume } from '#api/types.generated.ts';
import { messageText } from '../errors.ts';
import type { PodFacts } from '../field-ref.ts';
import type { Paths } from '../paths.ts';
import { wholeUnits } from '../quantities.ts';
import { podLimit } from '../resources.ts';
import type { Payload } from './atomic-writer.ts';
import { writeAtomically } from './atomic-writer.ts';
import { checkHostPath } from './host-path.ts';
import { giveFolderItself, giveToGroup } from './ownership.ts';
import type { PathGate } from './path-gate.ts';
import type { PayloadSources } from './payload.ts';
import { configMapPayload, downwardPayload, projectedPayload, secretPayload } from './payload.ts';

export interface MountedVolume {
  hostPath: string;
  readOnly: boolean;
  /** A path of the node's own, perhaps on a filesystem that does not answer: touched through the {@link PathGate} only. */
  isNodes?: true;
}

/** One or more volumes could not be set up; `failures` are upstream's messages for `FailedMount` events. */
export class VolumeError extends Error {
  readonly failures: readonly string[];
  constructor(failures: readonly string[]) {
    super(failures.join(', '));
    this.name = 'VolumeError';
    this.failures = failures;
  }
}

export interface Volumes {
  /** Sets up what is missing, and writes changed contents. @throws VolumeError */
  setUp(pod: Pod, facts: PodFacts): Promise<ReadonlyMap<string, MountedVolume>>;
  /** Unmounts and removes everything of the pod except its logs. */
  tearDown(podUid: string): Promise<void>;
}

export interface VolumesDeps {
  paths: Paths;
  mounts: Mounts;
  gate: PathGate;
  sources: PayloadSources;
}

const fallbackMode = 0o644;

export function createVolumes({ paths, mounts, gate, sources }: VolumesDeps): Volumes {
  /** Pod UID → volumes whose directory and mount exist since this process began. */
  const prepared = new Map<string, Set<string>>();

  /** A directory of the pod, on a tmpfs when `memory`; made once. */
  async function directory(
    pod: Pod,
    plugin: string,
    volume: string,
    memory: { sizeBytes?: number | undefined } | undefined,
    mode: number,
  ): Promise<string> {
    const { uid } = pod.metadata;
    const path = paths.volumeDir(uid, plugin, volume);
    const done = prepared.get(uid) ?? new Set<string>();
    prepared.set(uid, done);
    if (done.has(volume)) return path;
    await makeFolders(paths.podsDir, path, 0o750);
    // Gone with the last reboot, which the marker below survives.
    const toMount = memory !== undefined && !(await mounts.isMountPoint(path));
    if (toMount) await mounts.mountTmpfs(path, memory);
    const { fsGroup } = pod.spec.securityContext ?? {};
    const marker = paths.volumeReady(uid, plugin, volume);
    // Once its containers have it, an emptyDir's modes and owners are theirs: a kubelet that restarts leaves them alone.
    if (plugin !== 'empty-dir' || toMount || !(await isFolder(marker))) {
      await using folder = await openFolder(paths.podsDir, path);
      await folder.chmod(mode);
      if (plugin !== 'empty-dir') {
        if (fsGroup !== undefined) await giveFolderItself(folder, fsGroup, 'readWrite');
      } else {
        if (fsGroup !== undefined) await giveToGroup(folder, fsGroup, 'readWrite', groupPolicy(pod));
        await makeFolders(paths.podsDir, marker, 0o750);
      }
    }
    done.add(volume);
    return path;
  }

  async function written(pod: Pod, plugin: string, volume: string, payload: Payload): Promise<MountedVolume> {
    // Secrets never touch a disk; ConfigMaps may.
    const path = await directory(pod, plugin, volume, plugin === 'configmap' ? undefined : {}, 0o777);
    const { fsGroup } = pod.spec.securityContext ?? {};
    await using folder = await openFolder(paths.podsDir, path);
    // The whole volume: its own folder too is the group's, and what is made in it later inherits that.
    await writeAtomically(folder, payload, async () => {
      if (fsGroup !== undefined) await giveToGroup(folder, fsGroup, 'readOnly');
    });
    return { hostPath: path, readOnly: true };
  }

  async function setUpOne(pod: Pod, volume: Volume, facts: PodFacts): Promise<MountedVolume> {
    const { name, emptyDir, hostPath, configMap, secret, downwardAPI, projected, image } = volume;
    const context = (defaultMode: number | undefined): { pod: Pod; facts: PodFacts; defaultMode: number } => ({
      pod,
      facts,
      defaultMode: defaultMode ?? fallbackMode,
    });
    if (emptyDir !== undefined) {
      const memory = emptyDir.medium === 'Memory' ? { sizeBytes: memorySize(pod, volume, facts) } : undefined;
      return { hostPath: await directory(pod, 'empty-dir', name, memory, 0o777), readOnly: false };
    }
    if (hostPath !== undefined) {
      const { path, type = '' } = hostPath;
      if (type !== '') await gate.run(path, () => checkHostPath(path, type));
      return { hostPath: path, readOnly: false, isNodes: true };
    }
    if (configMap !== undefined) {
      return written(
        pod,
        'configmap',
        name,
        await configMapPayload(sources, context(configMap.defaultMode), { ...configMap, name: configMap.name ?? '' }),
      );
    }
    if (secret !== undefined) {
      return written(
        pod,
        'secret',
        name,
        await secretPayload(sources, context(secret.defaultMode), { ...secret, name: secret.secretName ?? '' }),
      );
    }
    if (downwardAPI !== undefined) {
      return written(pod, 'downward-api', name, downwardPayload(context(downwardAPI.defaultMode), downwardAPI.items ?? []));
    }
    if (projected !== undefined) {
      return written(
        pod,
        'projected',
        name,
        await projectedPayload(sources, context(projected.defaultMode), projected.sources ?? []),
      );
    }
    // The runtime mounts it, when the image is there.
    if (image !== undefined) return { hostPath: '', readOnly: true };
    throw new Error('no volume plugin matched');
  }

  async function isFolder(path: string): Promise<boolean> {
    await using folder = await ifThere(openFolder(paths.podsDir, path));
    return folder !== undefined;
  }

  return {
    async setUp(pod, facts) {
      const mounted = new Map<string, MountedVolume>();
      const failures: string[] = [];
      for (const volume of pod.spec.volumes ?? []) {
        try {
          mounted.set(volume.name, await setUpOne(pod, volume, facts));
        } catch (error) {
          failures.push(`MountVolume.SetUp failed for volume "${volume.name}" : ${messageText(error)}`);
        }
      }
      if (failures.length > 0) throw new VolumeError(failures);
      return mounted;
    },
    async tearDown(podUid) {
      await mounts.unmountBelow(paths.podDir(podUid));
      await removeTreeBelow(paths.podsDir, paths.podDir(podUid));
      prepared.delete(podUid);
      sources.tokens.forget(podUid);
    },
  };
}

const groupPolicy = (pod: Pod): 'Always' | 'OnRootMismatch' =>
  pod.spec.securityContext?.fsGroupChangePolicy === 'OnRootMismatch' ? 'OnRootMismatch' : 'Always';

/** A memory-backed emptyDir holds what its sizeLimit, the pod's memory limit or the node allows, whichever is least. */
function memorySize(pod: Pod, { emptyDir }: Volume, { allocatable }: PodFacts): number | undefined {
  const sizes = [
    wholeUnits(allocatable['memory']),
    podLimit(pod, 'memory'),
    emptyDir?.sizeLimit === undefined ? undefined : wholeUnits(emptyDir.sizeLimit),
  ].filter((size) => size !== undefined && size > 0);
  return sizes.length === 0 ? undefined : Math.min(...(sizes as number[]));
}
