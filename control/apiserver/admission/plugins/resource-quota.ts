/**
 * ResourceQuota: creates and updates must stay within the quotas of the namespace. The usage is added to the quotas' status in the store
 * before the object is written, so that concurrent requests, on any server, cannot exceed a quota together.
 *
 * The quota controller, which recomputes the usage, could remove reservations whose objects are not written yet. Therefore its write waits
 * until all reserved writes of the namespace are done, and is refused as a conflict if it has not seen all of them.
 *
 * Source: apiserver `pkg/admission/plugin/resourcequota`.
 */
import { ownValue } from '#api/own-value.ts';
import { compareQuantity } from '#api/quantity.ts';
import { evaluatorOf, type ObjectsOf, usageOf } from '#api/quota/usage.ts';
import { conflict } from '#api/status.ts';
import type { ResourceQuota } from '#api/types.generated.ts';
import { letOthersIn } from '#client/turns.ts';
import { optimisticLockMessage } from '../../registry/system-fields.ts';
import { type AdmissionAttributes, type AdmissionPlugin, concerns } from '../plugin.ts';
import { type Charge, chargeOf } from './resource-quotas/charge.ts';
import type { LimitedResource } from './resource-quotas/limited.ts';
import { Reservations } from './resource-quotas/reservations.ts';

/** The user of the quota controller. */
const controllers = new Set(['system:kube-controller-manager', 'system:serviceaccount:kube-system:resourcequota-controller']);

/**
 * The plugin.
 * @param limited resources that need a quota (its configuration) @throws (when asked) ApiError 403 if a quota is exceeded
 */
export const resourceQuota = (limited: readonly LimitedResource[] = []): AdmissionPlugin => {
  const reservations = new Reservations();
  return {
    name: 'ResourceQuota',
    handles: (operation) => operation === 'create' || operation === 'update',

    async reserve(attributes, context, quotas) {
      const { operation, resource, subresource, namespace, object, oldObject } = attributes;
      if (namespace === '' || object === undefined || (operation !== 'create' && operation !== 'update')) return undefined;
      if (isCount(attributes)) {
        if (attributes.dryRun) return undefined;
        return await reservations.count(namespace, async () => {
          const isLow = await isBehind(attributes, await quotas.objectsOf(namespace), context.clock.now());
          if (isLow) throw conflict({ group: '', name: 'resourcequotas' }, attributes.name, optimisticLockMessage);
        });
      }
      const evaluator = evaluatorOf(resource);
      const write = { operation, subresource, object, oldObject };
      if (evaluator?.handles(write) !== true) return undefined;
      const nowMs = context.clock.now();
      // Without a quota nothing is reserved, but resources that need one are refused.
      if (limited.length > 0 && quotas.list(namespace).length === 0) chargeOf([], evaluator, write, attributes, nowMs, limited);
      const charge = (known: readonly ResourceQuota[]): Charge => chargeOf(known, evaluator, write, attributes, nowMs, limited);
      return await reservations.reserve(namespace, { charge, dryRun: attributes.dryRun }, quotas);
    },
  };
};

/** The quota controller's write of the usage. */
const isCount = (attributes: AdmissionAttributes): boolean =>
  concerns(attributes, '', 'resourcequotas', 'status') && controllers.has(attributes.user.name);

/** Whether the usage that the controller writes is lower than the current one. */
async function isBehind({ object }: AdmissionAttributes, objectsOf: ObjectsOf, nowMs: number): Promise<boolean> {
  const quota = object as ResourceQuota;
  const used = await usageOf(quota, objectsOf, nowMs, letOthersIn);
  return Object.entries(used).some(([name, quantity]) => {
    const told = ownValue(quota.status?.used, name);
    return told !== undefined && compareQuantity(told, quantity) < 0;
  });
}
