/**
 * Shared code for the content of configMap, secret, downwardAPI and projected volumes.
 *
 * Source: upstream `pkg/volume/{configmap,secret,downwardapi,projected}` (MakePayload, CollectData).
 */
import type { KeyToPath, Pod } from '#api/types.generated.ts';
import type { ReferencedObjects } from '../container/env.ts';
import { ReferenceNotFound } from '../container/env.ts';
import type { PodFacts } from '../container/field-ref.ts';
import type { Payload, PayloadFile } from './atomic-writer.ts';
import type { ServiceAccountTokens } from './token-cache.ts';

/** The sources of the content. */
export interface PayloadSources {
  objects: ReferencedObjects;
  tokens: ServiceAccountTokens;
}

/** The pod, and the permission bits of files that do not set their own. */
export interface PayloadContext {
  pod: Pod;
  facts: PodFacts;
  defaultMode: number;
  /** Returns the result of `make` for this key, computed once: thousands of files of a volume may contain the same large value. */
  once<Value extends object>(key: string, make: () => Value): Value;
}

/** The context of one volume at one moment. */
export function payloadContext(given: Omit<PayloadContext, 'once'>): PayloadContext {
  const made = new Map<string, object>();
  return {
    ...given,
    once: <Value extends object>(key: string, make: () => Value): Value => made.getOrInsertComputed(key, make) as Value,
  };
}

/** The contents of a ConfigMap or Secret: bytes by key. */
export type Contents = ReadonlyMap<string, Uint8Array>;

/** A reference to a ConfigMap or a Secret. With `optional`, the object or a key may be missing. */
export interface ObjectSource {
  name?: string | undefined;
  items?: readonly KeyToPath[] | undefined;
  optional?: boolean | undefined;
}

/** All keys as files, or those that `items` name. Pure. @throws Error with the text that `missing` gives for a key */
export function select(
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

/**
 * The contents; empty when the object is missing and the reference `optional`.
 * @throws ReferenceNotFound, and what reading throws
 */
export async function contentsOr(read: Promise<Contents>, optional: boolean): Promise<Contents> {
  try {
    return await read;
  } catch (error) {
    if (optional && error instanceof ReferenceNotFound) return new Map();
    throw error;
  }
}
