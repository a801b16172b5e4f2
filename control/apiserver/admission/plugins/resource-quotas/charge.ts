/**
 * Computes what one write adds to the quotas of its namespace. Source: apiserver `pkg/admission/plugin/resourcequota/controller.go`
 * (CheckRequest). Pure.
 */
import { ownValue } from '#api/own-value.ts';
import type { ResourceList } from '#api/pod/requests.ts';
import { type Evaluator, isInScopes, type MeasuredWrite } from '#api/quota/evaluator.ts';
import {
  addLists,
  exceededNames,
  listText,
  maskList,
  negativeNames,
  subtractLists,
  withoutZeros,
} from '#api/quota/resource-list.ts';
import type { ResourceQuota } from '#api/types.generated.ts';
import { type AdmissionAttributes, admissionForbidden } from '../../plugin.ts';
import { checkCovered, type LimitedResource } from './limited.ts';

/** What is added to the quota of this name. */
export type Charge = ReadonlyMap<string, ResourceList>;

/**
 * @param quotas with their current usage @param limited resources that need a quota
 * @throws ApiError 403 if a quota is exceeded, its usage is not known yet, or the object does not set a resource that a quota limits
 */
export function chargeOf(
  quotas: readonly ResourceQuota[],
  evaluator: Evaluator,
  write: MeasuredWrite,
  attributes: AdmissionAttributes,
  nowMs: number,
  limited: readonly LimitedResource[] = [],
): Charge {
  const matching = quotas.filter((quota) => {
    if (!measuredNames(quota, evaluator).length || !isInScopes(evaluator, quota, write.object)) return false;
    checkKnown(quota, evaluator, write, attributes);
    return true;
  });
  const charge = new Map<string, ResourceList>();
  if (matching.length === 0 && limited.length === 0) return charge;
  const used = evaluator.usage(write.object, nowMs);
  const negative = negativeNames(used);
  if (negative.length > 0)
    throw admissionForbidden(attributes, `quota usage is negative for resource(s): ${negative.sort().join(',')}`);
  if (limited.length > 0 && isMore(evaluator, write, used, nowMs))
    checkCovered({ limited, evaluator, object: write.object, used, quotas, matching }, attributes);
  for (const quota of matching) {
    const added = maskList(withoutZeros(addedUse(quota, evaluator, write, used, nowMs)), Object.keys(quota.status?.hard ?? {}));
    if (Object.keys(added).length === 0) continue;
    if (write.subresource !== 'status') checkFits(quota, added, attributes);
    charge.set(quota.metadata.name, added);
  }
  return charge;
}

/** Whether the object uses more than before. */
const isMore = (evaluator: Evaluator, { oldObject }: MeasuredWrite, used: ResourceList, nowMs: number): boolean => {
  const added = oldObject === undefined ? used : subtractLists(used, evaluator.usage(oldObject, nowMs));
  return Object.keys(withoutZeros(added)).length > 0;
};

const measuredNames = ({ status }: ResourceQuota, evaluator: Evaluator): string[] =>
  Object.keys(status?.hard ?? {}).filter((name) => evaluator.measures(name));

function checkKnown(
  quota: ResourceQuota,
  evaluator: Evaluator,
  { object }: MeasuredWrite,
  attributes: AdmissionAttributes,
): void {
  const names = measuredNames(quota, evaluator);
  const missing = evaluator.missing(names, object);
  const { name } = quota.metadata;
  if (missing !== undefined) throw admissionForbidden(attributes, `failed quota: ${name}: ${missing}`);
  if (names.every((one) => ownValue(quota.status?.used, one) !== undefined)) return;
  throw admissionForbidden(attributes, `status unknown for quota: ${name}, resources: ${names.sort().join(',')}`);
}

/** An update adds the difference, if the quota matched the object before. */
function addedUse(
  quota: ResourceQuota,
  evaluator: Evaluator,
  { oldObject }: MeasuredWrite,
  used: ResourceList,
  nowMs: number,
): ResourceList {
  if (oldObject === undefined || !isInScopes(evaluator, quota, oldObject)) return used;
  return subtractLists(used, evaluator.usage(oldObject, nowMs));
}

function checkFits({ metadata, status }: ResourceQuota, added: ResourceList, attributes: AdmissionAttributes): void {
  const names = Object.keys(added);
  const [used, hard] = [status?.used ?? {}, status?.hard ?? {}];
  const exceeded = exceededNames(maskList(addLists(used, added), names), hard);
  if (exceeded.length === 0) return;
  const text = (list: ResourceList): string => listText(maskList(list, exceeded));
  const why = `requested: ${text(added)}, used: ${text(used)}, limited: ${text(hard)}`;
  throw admissionForbidden(attributes, `exceeded quota: ${metadata.name}, ${why}`);
}
