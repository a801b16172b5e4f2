/**
 * Device taint eviction controller: deletes pods whose devices have a NoExecute taint that their claims do not tolerate, or no longer
 * tolerate.
 *
 * Watches: Pod, ResourceClaim, ResourceSlice.  Writes: Pod/status, deletes Pods.
 * Source: KEP-5055; kubernetes `pkg/controller/devicetainteviction`. (DeviceTaintRules are not served: their gate is off by default.)
 */

import { toleratesDeviceTaint } from '#api/dra/device-taints.ts';
import { claimNameOf, claimOwnerProblem, isReservedFor } from '#api/dra/pod-claims.ts';
import { keyOf } from '#api/meta.ts';
import { isPodTerminal } from '#api/pod/conditions.ts';
import { isNotFound } from '#api/status.ts';
import type { DeviceRequestAllocationResult, DeviceTaint, DraResourceClaim, Pod, ResourceSlice } from '#api/types.generated.ts';
import type { Controller, ControllerDeps } from '#client/controller.ts';
import { done, requeueAfter } from '#client/controller.ts';
import type { EvictionMonitor } from './monitors/node-monitor.ts';
import { markDisrupted } from './pod-disruption.ts';

const claimsId = 'resourceclaims.resource.k8s.io';
const slicesId = 'resourceslices.resource.k8s.io';

/** Makes the device taint eviction controller. */
export function deviceTaintEvictionController(
  { client, caches, clock, events }: ControllerDeps,
  monitor?: EvictionMonitor,
): Controller {
  const pools = new TaintsByPool();
  /** Pods for which the deletion event was sent. */
  const announced = new Set<string>();
  /** The UIDs of deleted pods until the cache shows the deletion. */
  const deleted = new Map<string, string>();
  const podsOf = ({ metadata, status }: DraResourceClaim): string[] =>
    (status?.reservedFor ?? []).flatMap(({ apiGroup = '', resource, name }) =>
      apiGroup === '' && resource === 'pods' ? [`${metadata.namespace ?? ''}/${name}`] : [],
    );
  return {
    name: 'device-taint-eviction',
    concurrency: 8,
    watches: [
      { resource: 'pods', keys: (pod) => ((pod.spec.resourceClaims ?? []).length === 0 ? [] : [keyOf(pod)]) },
      { resource: claimsId, keys: (claim) => podsOf(claim) },
      {
        resource: slicesId,
        keys(slice) {
          const exists = caches.cache(slicesId).get(keyOf(slice)) !== undefined;
          if (!pools.changed(slice, exists)) return [];
          return caches
            .cache(claimsId)
            .list()
            .filter(({ status }) =>
              (status?.allocation?.devices?.results ?? []).some(
                ({ driver, pool }) => driver === slice.spec.driver && pool === slice.spec.pool.name,
              ),
            )
            .flatMap(podsOf);
        },
      },
    ],

    async reconcile(key) {
      const pod = caches.cache('pods').get(key);
      const isLeaving = pod === undefined || pod.metadata.deletionTimestamp !== undefined || isPodTerminal(pod);
      const atMs = isLeaving ? undefined : evictionMs(claimsOf(pod), pools, clock.now());
      if (pod === undefined || atMs === undefined) {
        deleted.delete(key);
        if (announced.delete(key) && pod !== undefined && !isLeaving)
          events.event(pod, 'Normal', 'DeviceTaintManagerEviction', 'Cancelling deletion');
        return done;
      }
      if (deleted.get(key) === pod.metadata.uid) return done;
      announced.add(key);
      if (atMs > clock.now()) return requeueAfter(atMs - clock.now());
      events.event(pod, 'Normal', 'DeviceTaintManagerEviction', 'Marking for deletion');
      try {
        const message = 'Device Taint manager: deleting due to NoExecute taint';
        await markDisrupted(client, pod, 'DeletionByDeviceTaintManager', message, clock.now());
        const { namespace, name, uid } = pod.metadata;
        await client.resource('pods').delete({ namespace, name }, { preconditions: { uid } });
        deleted.set(key, uid);
        monitor?.evicted((clock.now() - atMs) / 1000);
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
      return done;
    },
  };

  /** The claims that a pod with a node uses. */
  function claimsOf(pod: Pod): DraResourceClaim[] {
    if ((pod.spec.nodeName ?? '') === '') return [];
    return (pod.spec.resourceClaims ?? []).flatMap((entry) => {
      const named = claimNameOf(pod, entry);
      const claim =
        named.kind === 'named' ? caches.cache(claimsId).get(`${pod.metadata.namespace ?? ''}/${named.name}`) : undefined;
      if (claim === undefined || !isReservedFor(pod, claim)) return [];
      return named.kind === 'named' && named.isOwned && claimOwnerProblem(pod, claim) !== undefined ? [] : [claim];
    });
  }
}

/** When a pod with these claims must be evicted, in milliseconds since the epoch; undefined when it may stay. Pure. */
export function evictionMs(
  claims: readonly DraResourceClaim[],
  taints: Pick<TaintsByPool, 'of'>,
  nowMs: number,
): number | undefined {
  let atMs: number | undefined;
  for (const { status } of claims)
    for (const result of status?.allocation?.devices?.results ?? [])
      for (const taint of taints.of(result)) {
        const tolerating = (result.tolerations ?? []).filter(
          (toleration) => toleration.effect === 'NoExecute' && toleratesDeviceTaint(toleration, taint),
        );
        if (tolerating.some(({ tolerationSeconds }) => tolerationSeconds === undefined)) continue;
        const addedMs = Date.parse(taint.timeAdded ?? '');
        const seconds = tolerating.map(({ tolerationSeconds = 0 }) => Math.max(0, Number(tolerationSeconds)));
        const endMs = (Number.isNaN(addedMs) ? nowMs : addedMs) + (seconds.length === 0 ? 0 : Math.min(...seconds)) * 1000;
        atMs = Math.min(atMs ?? endMs, endMs);
      }
  return atMs;
}

/** The NoExecute taints of devices, by pool. Only the newest generation of a pool counts. */
export class TaintsByPool {
  readonly #slices = new Map<string, Map<string, ResourceSlice>>();

  /** @param exists false: the slice has been deleted @returns whether taints of the pool may have changed */
  changed(slice: ResourceSlice, exists: boolean): boolean {
    const key = poolKey(slice.spec.driver, slice.spec.pool.name);
    const pool = this.#slices.get(key) ?? new Map<string, ResourceSlice>();
    const before = pool.get(slice.metadata.name);
    if (exists) this.#slices.set(key, pool.set(slice.metadata.name, slice));
    else pool.delete(slice.metadata.name);
    if (pool.size === 0) this.#slices.delete(key);
    return hasTaints(slice) || (before !== undefined && hasTaints(before));
  }

  of({ driver, pool, device }: Pick<DeviceRequestAllocationResult, 'driver' | 'pool' | 'device'>): DeviceTaint[] {
    const slices = [...(this.#slices.get(poolKey(driver, pool))?.values() ?? [])];
    const newest = Math.max(...slices.map(({ spec }) => spec.pool.generation));
    return slices
      .filter(({ spec }) => spec.pool.generation === newest)
      .flatMap(({ spec }) => (spec.devices ?? []).filter(({ name }) => name === device))
      .flatMap(({ taints }) => (taints ?? []).filter(({ effect }) => effect === 'NoExecute'));
  }
}

const poolKey = (driver: string, pool: string): string => `${driver}/${pool}`;
const hasTaints = ({ spec }: ResourceSlice): boolean =>
  (spec.devices ?? []).some(({ taints }) => (taints ?? []).some(({ effect }) => effect === 'NoExecute'));
