/**
 * Adoption and release: a controller adopts objects without a controller that its selector matches, and releases its own objects
 * that no longer match.
 *
 * Source: kubernetes `pkg/controller/controller_ref_manager.go`.
 */
import type { JsonValue } from '#api/json.ts';
import type { KubeObject } from '#api/meta.ts';
import { controllerOf, controllerReference, keyOf } from '#api/meta.ts';
import type { ResourceId } from '#api/resources.ts';
import type { LabelMatcher } from '#api/selector.ts';
import { matchesLabels, selectsLabels } from '#api/selector.ts';
import { isInvalid, isNotFound } from '#api/status.ts';
import type { LabelSelector } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';

/** The keys of those among `owners` that may adopt the object: it has no controller, and their selector matches. */
export function adopters<T extends KubeObject>(
  object: KubeObject,
  owners: { list(namespace?: string): readonly T[] },
  selectorOf: (owner: T) => LabelSelector | undefined,
): string[] {
  if (controllerOf(object) !== undefined) return [];
  return owners
    .list(object.metadata.namespace)
    .filter((owner) => selectsLabels(selectorOf(owner), object.metadata.labels))
    .map(keyOf);
}

/** What to do with the candidates of an owner. */
export interface Claim<T extends KubeObject> {
  /** The owner's own matching objects. */
  keep: T[];
  adopt: T[];
  release: T[];
}

/**
 * Sorts `candidates`, which are objects of the owner's namespace. An owner that is being deleted adopts nothing. Pure.
 * @param fits what must be true of an object besides the labels that match
 */
export function planClaim<T extends KubeObject>(
  owner: KubeObject,
  matcher: LabelMatcher,
  candidates: readonly T[],
  fits: (candidate: T) => boolean = () => true,
): Claim<T> {
  const claim: Claim<T> = { keep: [], adopt: [], release: [] };
  const ownerGoes = owner.metadata.deletionTimestamp !== undefined;
  for (const candidate of candidates) {
    const controller = controllerOf(candidate);
    const matches = matchesLabels(matcher, candidate.metadata.labels) && fits(candidate);
    if (controller?.uid === owner.metadata.uid) {
      if (matches) claim.keep.push(candidate);
      else if (!ownerGoes) claim.release.push(candidate);
    } else if (controller === undefined && matches && !ownerGoes && candidate.metadata.deletionTimestamp === undefined) {
      claim.adopt.push(candidate);
    }
  }
  return claim;
}

/**
 * Adopts and releases objects.
 * @param finalizer what adopted objects get and released ones lose
 * @returns the owner's objects: the kept ones and the adopted ones, as the server returned them
 */
export async function carryOutClaim<T extends KubeObject>(
  client: Client,
  owner: { object: KubeObject; resource: ResourceId },
  owned: ResourceId,
  { keep, adopt, release }: Claim<T>,
  finalizer?: string,
): Promise<T[]> {
  if (adopt.length > 0) await checkOwnerExists(client, owner);
  const adoption = { ownerReferences: [{ ...controllerReference(owner.object) }], ...finalizers('finalizers', finalizer) };
  const removal = {
    ownerReferences: [{ $patch: 'delete', uid: owner.object.metadata.uid }],
    ...finalizers('$deleteFromPrimitiveList/finalizers', finalizer),
  };
  const adopted = await Promise.all(adopt.map((one) => patchMetadata<T>(client, owned, one, adoption)));
  await Promise.all(release.map((one) => patchMetadata(client, owned, one, removal)));
  return [...keep, ...adopted.flatMap((one) => (one === undefined ? [] : [one]))];
}

/**
 * Checks on the server that the owner still exists. With an old cache, an owner that is deleted might adopt objects, and the
 * garbage collector would delete them.
 */
async function checkOwnerExists(
  client: Client,
  { object, resource }: { object: KubeObject; resource: ResourceId },
): Promise<void> {
  const { namespace, name, uid } = object.metadata;
  const fresh = await client.resource(resource).get({ namespace, name });
  if (fresh.metadata.uid !== uid)
    throw new Error(`original ${object.kind} ${namespace}/${name} is gone: got uid ${fresh.metadata.uid}, wanted ${uid}`);
  if (fresh.metadata.deletionTimestamp !== undefined)
    throw new Error(`${namespace}/${name} has just been deleted at ${fresh.metadata.deletionTimestamp}`);
}

const finalizers = (field: string, finalizer: string | undefined): Record<string, string[]> =>
  finalizer === undefined ? {} : { [field]: [finalizer] };

async function patchMetadata<T extends KubeObject>(
  client: Client,
  resource: ResourceId,
  object: T,
  metadata: Record<string, JsonValue>,
): Promise<T | undefined> {
  const { namespace, name, uid } = object.metadata;
  try {
    // With the UID, the server refuses the patch when another object has the name now.
    const body = { metadata: { ...metadata, uid } };
    return (await client.resource(resource).patch({ namespace, name }, { type: 'strategic', body })) as unknown as T;
  } catch (error) {
    if (isNotFound(error) || isInvalid(error)) return undefined; // The object is deleted, or has another owner by now.
    throw error;
  }
}
