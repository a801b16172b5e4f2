/** Keys and values of objects in the store, and generated names. */
import { jsonText } from '#api/go-json.ts';
import { jsonBytesSteps } from '#api/json-steps.ts';
import type { KubeObject, ObjectName } from '#api/meta.ts';
import type { Resource } from '#api/resources.ts';
import type { Steps } from '#api/steps.ts';

/** The key under which an object is stored, as upstream does: `/registry/pods/<namespace>/<name>`, `/registry/minions/<name>`. */
export function storageKey(resource: Resource, { namespace, name }: ObjectName): string {
  return resource.namespaced ? `${resource.storagePrefix}/${namespace ?? ''}/${name}` : `${resource.storagePrefix}/${name}`;
}

/** The prefix of the keys of all objects of a list. @param namespace empty: all namespaces */
export function listPrefix(resource: Resource, namespace: string): string {
  return resource.namespaced && namespace !== '' ? `${resource.storagePrefix}/${namespace}/` : `${resource.storagePrefix}/`;
}

/** The bytes that are stored: JSON as upstream writes it, without the resourceVersion, which the store itself keeps. */
export const toStored = (object: KubeObject): Uint8Array => Buffer.from(`${jsonText(storedForm(object))}\n`);

/** Like {@link toStored}, for a large object. */
export const toStoredSteps = (object: KubeObject): Steps<Uint8Array> => jsonBytesSteps(storedForm(object), '\n');

function storedForm({ apiVersion, kind, metadata: all, ...rest }: KubeObject): object {
  const { resourceVersion: _, selfLink: __, ...metadata } = all;
  return { apiVersion, kind, metadata, ...rest };
}

// No vowels and no 0, 1, 3: generated names shall not spell words (apimachinery `pkg/util/rand`).
const suffixAlphabet = 'bcdfghjklmnpqrstvwxz2456789';
const suffixLength = 5;
const maxBaseLength = 63 - suffixLength;

/** `generateName` with five random characters, cut so that the whole fits 63 (apiserver `pkg/storage/names`). */
export function generateName(base: string, random: () => number): string {
  let suffix = '';
  for (let index = 0; index < suffixLength; index++)
    suffix += suffixAlphabet[Math.floor(random() * suffixAlphabet.length)] ?? 'b';
  return base.slice(0, maxBaseLength) + suffix;
}
