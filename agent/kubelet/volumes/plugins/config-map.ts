/** configMap: the keys of a ConfigMap as files. Source: upstream `pkg/volume/configmap/configmap.go`. */
import type { ConfigMap } from '#api/types.generated.ts';
import type { Payload } from '../atomic-writer.ts';
import { filesPlugin } from '../files-volume.ts';
import { type Contents, contentsOr, type ObjectSource, type PayloadContext, type PayloadSources, select } from '../payload.ts';
import type { PluginDeps, VolumePlugin } from '../plugin.ts';

const contents = (configMap: ConfigMap): Contents =>
  new Map([
    ...Object.entries(configMap.data ?? {}).map(([key, value]): [string, Uint8Array] => [key, Buffer.from(value)]),
    ...Object.entries(configMap.binaryData ?? {}).map(([key, value]): [string, Uint8Array] => [
      key,
      Buffer.from(value, 'base64'),
    ]),
  ]);

/** The files of a ConfigMap. @throws Error `configmap "x" not found`, `configmap references non-existent config key: k` */
export async function configMapPayload(
  { objects }: PayloadSources,
  { pod, defaultMode, once }: PayloadContext,
  { name = '', items, optional = false }: ObjectSource,
): Promise<Payload> {
  const read = async (): Promise<Contents> => {
    const object = await objects.configMap(pod.metadata.namespace ?? '', name);
    return once(`configMap ${name}`, () => contents(object));
  };
  const found = await contentsOr(read(), optional);
  return select(found, items, defaultMode, optional, (key) => `configmap references non-existent config key: ${key}`);
}

/** The plugin of ConfigMaps, `kubernetes.io/configmap`. */
export const configMapPlugin = (deps: PluginDeps): VolumePlugin =>
  filesPlugin(deps, {
    name: 'kubernetes.io/configmap',
    isInMemory: false,
    source: ({ configMap }) => configMap,
    payload: (source, context) => configMapPayload(deps.sources, context, source),
  });
