/**
 * Resource quota controller: computes the usage of quotas in a namespace. The admission plugin ResourceQuota adds created objects to the
 * usage; this controller computes it when a quota is new or changed, and after an object is deleted or has ended.
 *
 * Owns: -.  Watches: ResourceQuota, and every namespaced resource of the catalog.  Writes: ResourceQuota/status.
 * Source: kubernetes.io, Resource Quotas; upstream `pkg/controller/resourcequota`.
 */
import type { KubeObject } from '#api/meta.ts';
import { keyOf } from '#api/meta.ts';
import type { ResourceList } from '#api/pod/requests.ts';
import { maskList, sameList } from '#api/quota/resource-list.ts';
import { evaluatorOf, type GroupResource, usageOf } from '#api/quota/usage.ts';
import type { Resource } from '#api/resources.ts';
import { isConflict, isNotFound } from '#api/status.ts';
import type { ResourceQuota, ResourceQuotaStatus } from '#api/types.generated.ts';
import type { Caches, Controller, ControllerDeps } from '#client/controller.ts';
import { done, requeueAfter } from '#client/controller.ts';
import { letOthersIn } from '#client/turns.ts';

/** Upstream's `--resource-quota-sync-period`. */
const RESYNC_MS = 5 * 60_000;
/** Creations change the quota's status all the time. After a conflict, retry after this constant time, without back-off. */
const CONFLICT_RETRY_MS = 200;

/** Whether quotas can count the resource. A further version of a resource shows the same objects, so only one is watched. */
const isCounted = (resource: Resource): boolean =>
  resource.namespaced &&
  resource.announced &&
  resource.storedAs === undefined &&
  ['create', 'list', 'watch', 'delete'].every((verb) => resource.verbs.includes(verb)) &&
  evaluatorOf(resource) !== undefined;

/** Makes the controller. */
export const resourceQuotaController = ({ client, caches, catalog, clock }: ControllerDeps): Controller => ({
  name: 'resourcequota',
  resyncMs: RESYNC_MS,
  watches: [
    {
      resource: 'resourcequotas',
      keys: (quota, previous) =>
        previous === undefined || !sameList(quota.spec?.hard ?? {}, previous.spec?.hard ?? {}) ? [keyOf(quota)] : [],
    },
  ],
  follows: {
    catalog,
    wants: isCounted,
    keys: (resource, object, previous, all) =>
      isReleased(resource, object, previous, all, clock.now()) ? quotasOf(resource, object, all) : [],
    forget: () => undefined,
  },

  async reconcile(key) {
    const quota = caches.cache('resourcequotas').get(key);
    if (quota === undefined) return done;
    const { namespace } = quota.metadata;
    const objectsOf = (wanted: GroupResource): KubeObject[] | undefined => {
      const resource = catalog.all().find((one) => one.group === wanted.group && one.plural === wanted.plural && isCounted(one));
      return resource === undefined ? undefined : caches.cacheOf(resource).list(namespace);
    };
    const status = nextStatus(quota, await usageOf(quota, objectsOf, clock.now(), letOthersIn));
    try {
      // Write the status even if the cached quota has the same one already. The stored quota may have a higher usage: a creation counts
      // itself first, and the deletion of its object can be in the cache before that count. In this case the write is a conflict and is
      // retried; otherwise it changes nothing.
      await client.resource('resourcequotas').updateStatus({ ...quota, status });
    } catch (error) {
      if (isConflict(error)) return requeueAfter(CONFLICT_RETRY_MS);
      if (!isNotFound(error)) throw error;
    }
    return done;
  },
});

/** Whether a change releases quota: the object was deleted or has ended. */
function isReleased(
  resource: Resource,
  object: KubeObject,
  previous: KubeObject | undefined,
  all: Caches,
  nowMs: number,
): boolean {
  if (all.cacheOf(resource).get(keyOf(object)) === undefined) return true;
  return previous !== undefined && evaluatorOf(resource)?.isReplenished(object, previous, nowMs) === true;
}

/** The quotas of the object's namespace that measure the resource. */
function* quotasOf(resource: Resource, { metadata }: KubeObject, all: Caches): Iterable<string> {
  const evaluator = evaluatorOf(resource);
  if (evaluator === undefined) return;
  for (const quota of all.cache('resourcequotas').list(metadata.namespace))
    if (Object.keys(quota.status?.hard ?? {}).some((name) => evaluator.measures(name))) yield keyOf(quota);
}

/** The status to report, or the present one if it is equal. Resources that cannot be measured keep their number. */
function nextStatus({ spec, status }: ResourceQuota, measured: ResourceList): ResourceQuotaStatus {
  const hard = spec?.hard ?? {};
  const used = maskList({ ...status?.used, ...measured }, Object.keys(hard));
  const isSame =
    status?.hard !== undefined && status.used !== undefined && sameList(hard, status.hard) && sameList(used, status.used);
  return isSame ? status : { hard: { ...hard }, used: { ...used } };
}
