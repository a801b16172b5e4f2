/**
 * Computes the expected number of a budget's pods: the sum of the scales of their controllers.
 *
 * Source: kubernetes `pkg/controller/disruption/disruption.go` (finders, getExpectedScale).
 */

import type { KubeObject, ObjectName } from '#api/meta.ts';
import { controllerOf } from '#api/meta.ts';
import type { ResourceCatalog } from '#api/resource-catalog.ts';
import { isNotFound } from '#api/status.ts';
import type { OwnerReference, Pod } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import type { Caches } from '#client/controller.ts';
import { letOthersIn } from '#client/turns.ts';

/** The dependencies for reading scales. */
export interface ScaleDeps {
  client: Pick<Client, 'getScale'>;
  catalog: ResourceCatalog;
  caches: Caches;
}

/** The expected number of pods. */
export interface ExpectedScale {
  /** A 32-bit number: a sum beyond that wraps, as upstream's. */
  expected: number;
  /** Whether some pods have no controller, so that their expected number is unknown. */
  unmanaged: boolean;
}

/** A controller's UID and how many pods it wants. */
interface Scaled {
  uid: string;
  replicas: number;
}

const podsPerTurn = 2000;

/** @throws Error when a pod's controller is gone or has no scale @throws ApiError when its scale cannot be read */
export async function expectedScale(deps: ScaleDeps, pods: readonly Pod[]): Promise<ExpectedScale> {
  const asked = new Set<string>();
  const scales = new Map<string, number>();
  let unmanaged = false;
  for (const [index, pod] of pods.entries()) {
    if (index > 0 && index % podsPerTurn === 0) await letOthersIn();
    const owner = controllerOf(pod);
    if (owner === undefined) unmanaged = true;
    if (owner === undefined || asked.has(owner.uid)) continue;
    asked.add(owner.uid);
    const scaled = await scaleOf(deps, owner, pod.metadata.namespace);
    if (scaled === undefined) throw new Error(`found no controllers for pod ${JSON.stringify(pod.metadata.name)}`);
    scales.set(scaled.uid, scaled.replicas);
  }
  let expected = 0;
  for (const replicas of scales.values()) expected = (expected + replicas) | 0;
  return { expected, unmanaged };
}

/** Reads the scale of known kinds from the caches, and of other kinds from the subresource `scale`. */
async function scaleOf(deps: ScaleDeps, owner: OwnerReference, namespace: string | undefined): Promise<Scaled | undefined> {
  return cachedScale(deps.caches, owner, namespace) ?? (await servedScale(deps, owner, { namespace, name: owner.name }));
}

function cachedScale(caches: Caches, owner: OwnerReference, namespace: string | undefined): Scaled | undefined {
  const { apiVersion, kind } = owner;
  const group = groupOf(apiVersion);
  const key = `${namespace ?? ''}/${owner.name}`;
  if (kind === 'ReplicationController' && group === '')
    return scaledBy(caches.cache('replicationcontrollers').get(key), owner.uid);
  if (kind === 'StatefulSet' && group === 'apps') return scaledBy(caches.cache('statefulsets.apps').get(key), owner.uid);
  if (kind !== 'ReplicaSet' || !isWorkloadGroup(group)) return undefined;
  const set = caches.cache('replicasets.apps').get(key);
  const scaled = scaledBy(set, owner.uid);
  const above = set === undefined || scaled === undefined ? undefined : controllerOf(set);
  if (above?.kind !== 'Deployment') return scaled;
  if (!isWorkloadGroup(groupOf(above.apiVersion))) return undefined;
  return scaledBy(caches.cache('deployments.apps').get(`${namespace ?? ''}/${above.name}`), above.uid);
}

const groupOf = (apiVersion: string): string => (apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '');
const isWorkloadGroup = (group: string): boolean => group === 'apps' || group === 'extensions';

function scaledBy(
  found: (KubeObject & { spec: { replicas?: number | undefined } }) | undefined,
  uid: string,
): Scaled | undefined {
  if (found === undefined || found.metadata.uid !== uid) return undefined;
  return { uid, replicas: found.spec.replicas ?? 1 };
}

async function servedScale({ client, catalog }: ScaleDeps, owner: OwnerReference, name: ObjectName): Promise<Scaled | undefined> {
  const { apiVersion, kind, uid } = owner;
  const group = groupOf(apiVersion);
  const version = apiVersion.slice(apiVersion.indexOf('/') + 1);
  const row = catalog.all().find((one) => one.kind === kind && one.group === group && one.version === version);
  if (row === undefined) throw new Error(`no matches for kind ${JSON.stringify(kind)} in version ${JSON.stringify(apiVersion)}`);
  const scales = row.subresources.some((one) => one.name === 'scale' && one.kind === 'Scale' && one.group === 'autoscaling');
  if (!scales)
    throw new Error(`${row.group === '' ? row.plural : `${row.plural}.${row.group}`} does not implement the scale subresource`);
  try {
    const { metadata, spec } = await client.getScale(row, name);
    return metadata.uid === uid ? { uid, replicas: spec?.replicas ?? 0 } : undefined;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
