/** secret: the keys of a Secret as files in memory. Source: upstream `pkg/volume/secret/secret.go`. */
import type { Secret } from '#api/types.generated.ts';
import type { Payload } from '../atomic-writer.ts';
import { filesPlugin } from '../files-volume.ts';
import { type Contents, contentsOr, type ObjectSource, type PayloadContext, type PayloadSources, select } from '../payload.ts';
import type { PluginDeps, VolumePlugin } from '../plugin.ts';

const contents = (secret: Secret): Contents =>
  new Map(Object.entries(secret.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64')]));

/** The files of a Secret. @throws Error `secret "x" not found`, `references non-existent secret key: k` */
export async function secretPayload(
  { objects }: PayloadSources,
  { pod, defaultMode, once }: PayloadContext,
  { name = '', items, optional = false }: ObjectSource,
): Promise<Payload> {
  const read = async (): Promise<Contents> => {
    const object = await objects.secret(pod.metadata.namespace ?? '', name);
    return once(`secret ${name}`, () => contents(object));
  };
  const found = await contentsOr(read(), optional);
  return select(found, items, defaultMode, optional, (key) => `references non-existent secret key: ${key}`);
}

/** The plugin of Secrets, `kubernetes.io/secret`. */
export const secretPlugin = (deps: PluginDeps): VolumePlugin =>
  filesPlugin(deps, {
    name: 'kubernetes.io/secret',
    isInMemory: true,
    source: ({ secret }) => secret,
    payload: (source, context) => secretPayload(deps.sources, context, { ...source, name: source.secretName }),
  });
