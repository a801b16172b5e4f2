/**
 * Garbage collector: deletes objects whose owners all no longer exist, and carries out foreground and orphan deletions.
 *
 * - background: the owner is deleted at once. Its dependents then have no owner and are deleted.
 * - foreground: the owner stays (finalizer `foregroundDeletion`) until all dependents that block it are deleted.
 * - orphan: the owner stays (finalizer `orphan`) until no dependent refers to it any more.
 *
 * Before a deletion, the object and its owners are read from the server, and the deletion has the object's UID and version as
 * preconditions. What a cache shows is only a reason to check.
 *
 * Owns: -.  Watches: every resource of the catalog.  Writes: ownerReferences and finalizers of any object; deletes any object.
 * Source: kubernetes.io, Garbage Collection; kubernetes `pkg/controller/garbagecollector`.
 */
import type { JsonObject } from '#api/json.ts';
import type { KubeObject } from '#api/meta.ts';
import { apiVersionOf } from '#api/meta.ts';
import type { ResourceCatalog } from '#api/resource-catalog.ts';
import type { Resource } from '#api/resources.ts';
import { isConflict, isNotFound, isUnsupportedMediaType } from '#api/status.ts';
import type { OwnerReference } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import type { Controller, ControllerDeps, ReconcileResult } from '#client/controller.ts';
import { done } from '#client/controller.ts';
import type { GraphNode } from './owner-graph.ts';
import { OwnerGraph } from './owner-graph.ts';

const foreground = 'foregroundDeletion';
const orphan = 'orphan';

/** Whether to watch the resource. A further version of a resource shows the same objects, so only one is watched. */
const isCollected = ({ garbageCollected, announced, storedAs }: Resource): boolean =>
  garbageCollected && announced && storedAs === undefined;

/** Makes the garbage collector. */
export const garbageCollector = (deps: ControllerDeps): Controller => {
  const { caches, catalog } = deps;
  const graph = new OwnerGraph();
  return {
    name: 'garbage-collector',
    concurrency: 20,
    watches: [],
    follows: {
      catalog,
      wants: isCollected,
      keys: (resource, object, previous, all) =>
        affectedUids(graph, object, previous, graph.observe(resource, object, previous, all)),
      forget: (resource) => graph.forget(resource),
    },

    // The key is a UID.
    async reconcile(uid) {
      const found = graph.object(uid, caches);
      if (found === undefined) return done;
      if (found.object.metadata.deletionTimestamp !== undefined) {
        if (hasFinalizer(found.object, orphan)) return await orphanDependents(found, graph, deps);
        if (hasFinalizer(found.object, foreground)) return await awaitDependents(found, graph, deps);
        return done;
      }
      return await collectIfOwnerless(found, graph, deps);
    },
  };
};

const hasFinalizer = ({ metadata }: KubeObject, name: string): boolean => (metadata.finalizers ?? []).includes(name);

/**
 * The UIDs to check after a change: the object; its dependents when it is deleted; its owners, which may wait for its deletion or
 * for the removal of an owner reference.
 */
function affectedUids(graph: OwnerGraph, { metadata }: KubeObject, previous: KubeObject | undefined, exists: boolean): string[] {
  const owners = metadata.ownerReferences ?? [];
  const released = (previous?.metadata.ownerReferences ?? []).filter(
    (before) =>
      before.blockOwnerDeletion === true && !owners.some((one) => one.uid === before.uid && one.blockOwnerDeletion === true),
  );
  const isGoing = !exists || metadata.deletionTimestamp !== undefined;
  const waits =
    metadata.deletionTimestamp !== undefined &&
    (metadata.finalizers ?? []).some((name) => name === foreground || name === orphan);
  return [
    ...(exists && (waits || (owners.length > 0 && !isGoing)) ? [metadata.uid] : []),
    ...(isGoing ? graph.dependents(metadata.uid) : []),
    ...(isGoing ? owners.map(({ uid }) => uid) : []),
    ...released.map(({ uid }) => uid),
  ];
}

type Found = GraphNode & { object: KubeObject };

async function orphanDependents(owner: Found, graph: OwnerGraph, { client, caches }: ControllerDeps): Promise<ReconcileResult> {
  const { uid } = owner.object.metadata;
  const dependents = graph.dependents(uid).flatMap((one) => graph.object(one, caches) ?? []);
  await Promise.all(dependents.map((one) => dropOwners(client, one, [uid])));
  await removeFinalizer(client, owner, orphan);
  return done;
}

async function dropOwners(client: Client, found: Found, owners: readonly string[]): Promise<void> {
  const dropped = owners.map((owner) => ({ $patch: 'delete', uid: owner }));
  const left = (references: readonly OwnerReference[]): OwnerReference[] => references.filter(({ uid }) => !owners.includes(uid));
  try {
    await patchOwners(client, found, dropped, left);
  } catch (error) {
    // The object does not exist any more, or another object has its name, which does not have this owner.
    if (!isNotFound(error) && !isConflict(error)) throw error;
  }
}

/** Removes a finalizer. @throws ApiError Conflict when the object has changed; the key is then retried */
async function removeFinalizer(client: Client, { resource, object }: Found, finalizer: string): Promise<void> {
  const { namespace, name, uid } = object.metadata;
  try {
    const fresh: KubeObject = await client.of(resource).get({ namespace, name });
    if (fresh.metadata.uid !== uid || !hasFinalizer(fresh, finalizer)) return;
    const finalizers = (fresh.metadata.finalizers ?? []).filter((one) => one !== finalizer);
    const body = { metadata: { resourceVersion: fresh.metadata.resourceVersion, finalizers } };
    await client.of(resource).patch({ namespace, name }, { type: 'merge', body });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/**
 * Deletes the dependents that block the owner. Each change of a dependent brings the owner's key again, so this does not wait.
 */
async function awaitDependents(owner: Found, graph: OwnerGraph, deps: ControllerDeps): Promise<ReconcileResult> {
  const { uid } = owner.object.metadata;
  const dependents = graph.dependents(uid).flatMap((one) => graph.object(one, deps.caches) ?? []);
  const waiting = dependents.filter(({ object }) => object.metadata.deletionTimestamp === undefined);
  const results = await Promise.allSettled(waiting.map((dependent) => collectIfOwnerless(dependent, graph, deps)));
  // When one dependent cannot be deleted, the others still are. The failure retries the owner's key.
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  if (!dependents.some(({ object }) => blocks(object, uid))) await removeFinalizer(deps.client, owner, foreground);
  else if (waitsForItself(uid, graph, deps.caches)) await unblockOwners(deps.client, owner);
  return done;
}

const blocks = ({ metadata }: KubeObject, owner: string): boolean =>
  (metadata.ownerReferences ?? []).some((one) => one.uid === owner && one.blockOwnerDeletion === true);

/**
 * Whether an object waits for its own deletion, through dependents that block and wait in turn. No object of such a cycle would
 * ever be deleted.
 */
function waitsForItself(uid: string, graph: OwnerGraph, caches: ControllerDeps['caches']): boolean {
  const seen = new Set<string>();
  const open = [uid];
  for (let owner = open.pop(); owner !== undefined; owner = open.pop()) {
    for (const one of graph.dependents(owner)) {
      const object = graph.object(one, caches)?.object;
      if (object === undefined || !isWaiting(object) || !blocks(object, owner)) continue;
      if (one === uid) return true;
      if (seen.has(one)) continue;
      seen.add(one);
      open.push(one);
    }
  }
  return false;
}

type OwnerState = 'solid' | 'absent' | 'waiting';

async function collectIfOwnerless(found: Found, graph: OwnerGraph, deps: ControllerDeps): Promise<ReconcileResult> {
  const { client, caches } = deps;
  const references = found.object.metadata.ownerReferences ?? [];
  // In the usual case no request is needed: the cache has all owners, and no owner waits for this object's deletion.
  const owners = references.map((one) => ({ one, owner: graph.object(one.uid, caches) }));
  for (const { one, owner } of owners) if (owner !== undefined) reportInvalidNamespace(one, owner.object, found.object, deps);
  if (owners.every(({ one, owner }) => owner !== undefined && isAlive(one, owner, found, deps.catalog))) return done;
  const fresh = await readLive(client, found);
  if (fresh === undefined) return done;
  const live = { ...found, object: fresh };
  const states = await Promise.all(
    (fresh.metadata.ownerReferences ?? []).map(async (one) => ({ one, state: await ownerState(one, live, deps) })),
  );
  const unresolved = states.some(({ state }) => state === undefined);
  const of = (wanted: OwnerState): OwnerReference[] => states.filter(({ state }) => state === wanted).map(({ one }) => one);
  const [solid, absent, waiting] = [of('solid'), of('absent'), of('waiting')];
  if (states.length === 0 || unresolved) return done;
  if (solid.length > 0) {
    const gone = [...absent, ...waiting].map(({ uid }) => uid);
    if (gone.length > 0) await dropOwners(client, live, gone);
    return done;
  }
  const dependents = graph.dependents(fresh.metadata.uid).flatMap((uid) => graph.object(uid, caches) ?? []);
  if (waiting.length === 0 || graph.dependents(fresh.metadata.uid).length === 0) {
    await remove(client, live, propagation(fresh));
    return done;
  }
  // Owners may own each other in a cycle. If each waited for the other's deletion, they would wait for ever.
  const isCircle = dependents.some(({ object }) => isWaiting(object));
  await remove(client, isCircle ? await unblockOwners(client, live) : live, 'Foreground');
  return done;
}

/** How often a patch of an object that changes meanwhile is tried. */
const maxPatchTries = 5;

/**
 * Patches owner references. Custom resources do not support strategic merge patch, so their list is replaced as a whole.
 * @param strategic the change of each reference @param change the same for all of them @returns the object after that
 * @throws ApiError 404 when there is none, 409 when another object has its name, or it changes all the time
 */
async function patchOwners(
  client: Client,
  { resource, object }: Found,
  strategic: readonly JsonObject[],
  change: (references: readonly OwnerReference[]) => OwnerReference[],
): Promise<KubeObject> {
  const { namespace, name, uid } = object.metadata;
  const objects = client.of(resource);
  try {
    const body = { metadata: { uid, ownerReferences: [...strategic] } };
    return await objects.patch({ namespace, name }, { type: 'strategic', body });
  } catch (error) {
    if (!isUnsupportedMediaType(error)) throw error;
  }
  for (let tries = 1; ; tries++) {
    const { metadata } = await objects.get({ namespace, name });
    const ownerReferences = change(metadata.ownerReferences ?? []) as unknown as JsonObject[];
    const { resourceVersion } = metadata;
    try {
      return await objects.patch(
        { namespace, name },
        { type: 'merge', body: { metadata: { uid, resourceVersion, ownerReferences } } },
      );
    } catch (error) {
      if (!isConflict(error) || metadata.uid !== uid || tries >= maxPatchTries) throw error;
    }
  }
}

/** Makes the object's owner references non-blocking. @returns the object after that */
async function unblockOwners(client: Client, { resource, key, object }: Found): Promise<Found> {
  const { ownerReferences = [] } = object.metadata;
  const blocking = ownerReferences.filter(({ blockOwnerDeletion }) => blockOwnerDeletion === true);
  if (blocking.length === 0) return { resource, key, object };
  const strategic = blocking.map(({ uid }) => ({ uid, blockOwnerDeletion: false }));
  const unblocked = (references: readonly OwnerReference[]): OwnerReference[] =>
    references.map((one) => (one.blockOwnerDeletion === true ? { ...one, blockOwnerDeletion: false } : one));
  try {
    const patched = await patchOwners(client, { resource, key, object }, strategic, unblocked);
    return { resource, key, object: patched };
  } catch (error) {
    if (isNotFound(error)) return { resource, key, object };
    throw error;
  }
}

/**
 * Whether the owner exists in the cache with the name, kind and namespace of the reference. If not, the UID alone does not count
 * and the server is asked.
 */
function isAlive(reference: OwnerReference, { resource, object }: Found, dependent: Found, catalog: ResourceCatalog): boolean {
  const { name, namespace } = object.metadata;
  return (
    !isWaiting(object) &&
    name === reference.name &&
    resourceOf(catalog, reference)?.kind === resource.kind &&
    (namespace === undefined || namespace === dependent.object.metadata.namespace)
  );
}

function reportInvalidNamespace(
  { apiVersion, kind, name, uid }: OwnerReference,
  owner: KubeObject,
  dependent: KubeObject,
  { events }: ControllerDeps,
): void {
  const { namespace = '' } = dependent.metadata;
  if (owner.metadata.namespace === undefined || owner.metadata.namespace === namespace) return;
  events.event(
    dependent,
    'Warning',
    'OwnerRefInvalidNamespace',
    `ownerRef [${apiVersion}/${kind}, namespace: ${namespace}, name: ${name}, uid: ${uid}] does not exist in namespace "${namespace}"`,
  );
}

const isWaiting = (owner: KubeObject): boolean =>
  owner.metadata.deletionTimestamp !== undefined && hasFinalizer(owner, foreground);

/** The propagation policy that the object's finalizers demand for its dependents. */
function propagation(object: KubeObject): 'Orphan' | 'Foreground' | 'Background' {
  if (hasFinalizer(object, orphan)) return 'Orphan';
  return hasFinalizer(object, foreground) ? 'Foreground' : 'Background';
}

async function readLive(client: Client, { resource, object }: Found): Promise<KubeObject | undefined> {
  const { namespace, name, uid } = object.metadata;
  try {
    const fresh: KubeObject = await client.of(resource).get({ namespace, name });
    return fresh.metadata.uid === uid && fresh.metadata.deletionTimestamp === undefined ? fresh : undefined;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** The state of an owner on the server. Undefined when the server cannot be asked: then nothing may be deleted. */
async function ownerState(
  reference: OwnerReference,
  dependent: Found,
  { client, catalog, log }: ControllerDeps,
): Promise<OwnerState | undefined> {
  const resource = resourceOf(catalog, reference);
  if (resource === undefined) {
    log.debug(
      { owner: reference, dependent: dependent.key },
      'an owner is of a kind that is not served; its dependent is left alone',
    );
    return undefined;
  }
  // A cluster-scoped object cannot refer to a namespaced owner, because the reference has no namespace. Its owner's state is
  // unknown.
  if (resource.namespaced && !dependent.resource.namespaced) return undefined;
  try {
    const name = { namespace: resource.namespaced ? dependent.object.metadata.namespace : undefined, name: reference.name };
    const owner: KubeObject = await client.of(resource).get(name);
    if (owner.metadata.uid !== reference.uid) return 'absent';
    return isWaiting(owner) ? 'waiting' : 'solid';
  } catch (error) {
    if (isNotFound(error)) return 'absent';
    throw error;
  }
}

/** The resource of an owner's kind, in any of its versions. */
function resourceOf(catalog: ResourceCatalog, { apiVersion, kind }: OwnerReference): Resource | undefined {
  const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
  const rows = catalog.all();
  return (
    rows.find((one) => one.kind === kind && apiVersionOf(one.group, one.version) === apiVersion) ??
    rows.find((one) => one.kind === kind && one.group === group)
  );
}

async function remove(client: Client, { resource, object }: Found, propagationPolicy: string): Promise<void> {
  const { namespace, name, uid, resourceVersion } = object.metadata;
  try {
    await client.of(resource).delete({ namespace, name }, { propagationPolicy, preconditions: { uid, resourceVersion } });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
