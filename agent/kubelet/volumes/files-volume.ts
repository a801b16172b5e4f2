/** What the volume types have in common whose files the kubelet writes and updates: configMap, secret, downwardAPI, projected. */
import { openFolder } from '#agent/host/safe-open.ts';
import type { Volume } from '#api/types.generated.ts';
import { type Payload, writeAtomically } from './atomic-writer.ts';
import { giveFolderItself, giveToGroup } from './ownership.ts';
import { type PayloadContext, payloadContext } from './payload.ts';
import type { PluginDeps, SetUpRequest, VolumePlugin } from './plugin.ts';
import { makeVolumeFolder, volumeFolder } from './volume-folder.ts';

/** The differences between these types. `Source` is the volume's field of the type. */
export interface FilesVolume<Source> {
  /** Upstream's name of the plugin. */
  name: string;
  /** Secrets and tokens are never written to a disk. */
  isInMemory: boolean;
  /** The field of a volume of this type; undefined for others. Pure. */
  source(volume: Volume): Source | undefined;
  /** The current content of the volume. @throws Error with upstream's message */
  payload(source: Source, context: PayloadContext): Payload | Promise<Payload>;
}

const fallbackMode = 0o644;

/** A plugin for a type of read-only files. Source: upstream `pkg/volume/secret`, `pkg/volume/configmap`. */
export function filesPlugin<Source extends { defaultMode?: number | undefined }>(
  deps: PluginDeps,
  { name, isInMemory, source, payload }: FilesVolume<Source>,
): VolumePlugin {
  async function makeFolder({ pod, place }: SetUpRequest): Promise<void> {
    await makeVolumeFolder(deps, place, isInMemory ? {} : undefined);
    await using folder = await openFolder(deps.paths.podsDir, place.path);
    await folder.chmod(0o777);
    const { fsGroup } = pod.spec.securityContext ?? {};
    if (fsGroup !== undefined) await giveFolderItself(folder, fsGroup, 'readWrite');
  }

  return {
    name,
    supports: (volume) => source(volume) !== undefined,
    requiresRemount: () => true,
    ...volumeFolder(deps),
    async setUp(request) {
      const { pod, volume, facts, place, isRemount } = request;
      const found = source(volume);
      if (found === undefined) throw new Error(`volume "${volume.name}" is none of ${name}`);
      // Reads the contents first, so that a missing object leaves no empty folder behind.
      const files = await payload(found, payloadContext({ pod, facts, defaultMode: found.defaultMode ?? fallbackMode }));
      if (!isRemount) await makeFolder(request);
      const { fsGroup } = pod.spec.securityContext ?? {};
      await using folder = await openFolder(deps.paths.podsDir, place.path);
      // The volume's own folder belongs to the group too, so that files made in it later inherit the group.
      await writeAtomically(folder, files, async () => {
        if (fsGroup !== undefined) await giveToGroup(folder, fsGroup, 'readOnly');
      });
      return { hostPath: place.path, readOnly: true };
    },
  };
}
