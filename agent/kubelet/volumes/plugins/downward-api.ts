/** downwardAPI: fields of the pod, and resources of its containers, as files. Source: upstream `pkg/volume/downwardapi`. */
import { findContainer } from '#api/pod/containers.ts';
import type { DownwardAPIVolumeFile } from '#api/types.generated.ts';
import { fieldValue, resourceFieldValue } from '../../container/field-ref.ts';
import type { Payload, PayloadFile } from '../atomic-writer.ts';
import { filesPlugin } from '../files-volume.ts';
import type { PayloadContext } from '../payload.ts';
import type { PluginDeps, VolumePlugin } from '../plugin.ts';

/** The files of a downwardAPI volume. @throws Error `container x not found`, or what is wrong with a field's path. Pure. */
export function downwardPayload(context: PayloadContext, items: readonly DownwardAPIVolumeFile[]): Payload {
  const { pod, facts, defaultMode } = context;
  const files = new Map<string, PayloadFile>();
  for (const { path, mode, fieldRef, resourceFieldRef } of items) {
    let data = Buffer.alloc(0);
    if (fieldRef !== undefined)
      data = context.once(`field ${fieldRef.fieldPath}`, () => Buffer.from(fieldValue(pod, fieldRef.fieldPath, facts)));
    else if (resourceFieldRef !== undefined) {
      const container = findContainer(pod, resourceFieldRef.containerName ?? '')?.container;
      if (container === undefined) throw new Error(`container ${resourceFieldRef.containerName} not found`);
      data = Buffer.from(resourceFieldValue(container, resourceFieldRef, facts));
    }
    files.set(path, { data, mode: mode ?? defaultMode });
  }
  return files;
}

/** The plugin of downwardAPI, `kubernetes.io/downward-api`. */
export const downwardApiPlugin = (deps: PluginDeps): VolumePlugin =>
  filesPlugin(deps, {
    name: 'kubernetes.io/downward-api',
    isInMemory: true,
    source: ({ downwardAPI }) => downwardAPI,
    payload: ({ items = [] }, context) => downwardPayload(context, items),
  });
