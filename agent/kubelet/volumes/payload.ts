/**
 * The files of configMap, secret, downwardAPI and projected volumes.
 *
 * Source: upstream `pkg/volume/{configmap,secret,downwardapi,projected}` (modes, messages).
 */
import { findContainer } from '#api/pod/containers.ts';
import type { ConfigMap, DownwardAPIVolumeFile, KeyToPath, Pod, Secret, VolumeProjection } from '#api/types.generated.ts';
import type { ReferencedObjects } from '../env.ts';
import { ReferenceNotFound } from '../env.ts';
import type { PodFacts } from '../field-ref.ts';
import { fieldValue, resourceFieldValue } from '../field-ref.ts';
import type { Payload, PayloadFile } from './atomic-writer.ts';
import type { ServiceAccountTokens } from './token-cache.ts';

export interface PayloadSources {
  objects: ReferencedObjects;
  tokens: ServiceAccountTokens;
}

export interface PayloadContext {
  pod: Pod;
  facts: PodFacts;
  defaultMode: number;
}

/** What ConfigMaps and Secrets have in common once read. */
type Contents = ReadonlyMap<string, Uint8Array>;

const configMapContents = (configMap: ConfigMap): Contents =>
  new Map([
    ...Object.entries(configMap.data ?? {}).map(([key, value]): [string, Uint8Array] => [key, Buffer.from(value)]),
    ...Object.entries(configMap.binaryData ?? {}).map(([key, value]): [string, Uint8Array] => [
      key,
      Buffer.from(value, 'base64'),
    ]),
  ]);
const secretContents = (secret: Secret): Contents =>
  new Map(Object.entries(secret.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64')]));

function select(
  contents: Contents,
  items: readonly KeyToPath[] | undefined,
  mode: number,
  optional: boolean,
  missing: (key: string) => string,
): Payload {
  if (items === undefined || items.length === 0) return new Map([...contents].map(([key, data]) => [key, { data, mode }]));
  const files = new Map<string, PayloadFile>();
  for (const item of items) {
    const data = contents.get(item.key);
    if (data !== undefined) files.set(item.path, { data, mode: item.mode ?? mode });
    else if (!optional) throw new Error(missing(item.key));
  }
  return files;
}

interface ObjectSource {
  name: string;
  items?: readonly KeyToPath[] | undefined;
  optional?: boolean | undefined;
}

async function contentsOr(read: Promise<Contents>, optional: boolean): Promise<Contents> {
  try {
    return await read;
  } catch (error) {
    if (optional && error instanceof ReferenceNotFound) return new Map();
    throw error;
  }
}

/** @throws Error `configmap "x" not found`, `configmap references non-existent config key: k` */
export async function configMapPayload(
  { objects }: PayloadSources,
  { pod, defaultMode }: PayloadContext,
  { name, items, optional = false }: ObjectSource,
): Promise<Payload> {
  const contents = await contentsOr(objects.configMap(pod.metadata.namespace ?? '', name).then(configMapContents), optional);
  return select(contents, items, defaultMode, optional, (key) => `configmap references non-existent config key: ${key}`);
}

/** @throws Error `secret "x" not found`, `references non-existent secret key: k` */
export async function secretPayload(
  { objects }: PayloadSources,
  { pod, defaultMode }: PayloadContext,
  { name, items, optional = false }: ObjectSource,
): Promise<Payload> {
  const contents = await contentsOr(objects.secret(pod.metadata.namespace ?? '', name).then(secretContents), optional);
  return select(contents, items, defaultMode, optional, (key) => `references non-existent secret key: ${key}`);
}

export function downwardPayload({ pod, facts, defaultMode }: PayloadContext, items: readonly DownwardAPIVolumeFile[]): Payload {
  const files = new Map<string, PayloadFile>();
  for (const { path, mode, fieldRef, resourceFieldRef } of items) {
    let text = '';
    if (fieldRef !== undefined) text = fieldValue(pod, fieldRef.fieldPath, facts);
    else if (resourceFieldRef !== undefined) {
      const container = findContainer(pod, resourceFieldRef.containerName ?? '')?.container;
      if (container === undefined) throw new Error(`container ${resourceFieldRef.containerName} not found`);
      text = resourceFieldValue(container, resourceFieldRef, facts);
    }
    files.set(path, { data: Buffer.from(text), mode: mode ?? defaultMode });
  }
  return files;
}

/** The user all containers of the pod run as, when it is one: it may then own the token alone. */
function commonUser(pod: Pod): number | undefined {
  const containers = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
  const users = new Set(
    containers.map(({ securityContext }) => securityContext?.runAsUser ?? pod.spec.securityContext?.runAsUser),
  );
  return users.size === 1 ? [...users][0] : undefined;
}

export async function projectedPayload(
  sources: PayloadSources,
  context: PayloadContext,
  projections: readonly VolumeProjection[],
): Promise<Payload> {
  const files = new Map<string, PayloadFile>();
  for (const { configMap, secret, downwardAPI, serviceAccountToken } of projections) {
    let part: Payload = new Map();
    if (configMap !== undefined) part = await configMapPayload(sources, context, { ...configMap, name: configMap.name ?? '' });
    else if (secret !== undefined) part = await secretPayload(sources, context, { ...secret, name: secret.name ?? '' });
    else if (downwardAPI !== undefined) part = downwardPayload(context, downwardAPI.items ?? []);
    else if (serviceAccountToken !== undefined) {
      const { pod, defaultMode } = context;
      const token = await sources.tokens.token(pod, serviceAccountToken.audience, serviceAccountToken.expirationSeconds ?? 3600);
      const uid = commonUser(pod);
      const restricted = uid !== undefined || pod.spec.securityContext?.fsGroup !== undefined;
      part = new Map([[serviceAccountToken.path, { data: Buffer.from(token), mode: restricted ? 0o600 : defaultMode, uid }]]);
    }
    for (const [path, file] of part) files.set(path, file);
  }
  return files;
}
