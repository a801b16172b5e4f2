/**
 * PersistentVolumeClaims: their number and storage, in all and of each storage class.
 *
 * Source: upstream `pkg/quota/v1/evaluator/core/persistent_volume_claims.go`.
 */
import type { Quantity } from '../json.ts';
import { ownValue, setOwn } from '../own-value.ts';
import { compareQuantity, formatQuantity, isWhole, parseQuantity, wholeQuantity, wholeUnits } from '../quantity.ts';
import { attributesClassNames, storageClassName } from '../storage/claim-classes.ts';
import type { PersistentVolumeClaim } from '../types.generated.ts';
import { type Evaluator, fulfils } from './evaluator.ts';

const countOfClaims = 'persistentvolumeclaims';
const storage = 'requests.storage';
const classSuffix = '.storageclass.storage.k8s.io/';

/**
 * Quota usage of PersistentVolumeClaims: their number and storage, also by class. Source: upstream
 * `pkg/quota/v1/evaluator/core/persistent_volume_claims.go`.
 */
export const claimEvaluator: Evaluator = {
  measures: (name) =>
    name === `count/${countOfClaims}` ||
    [countOfClaims, storage].some((one) => name === one || name.endsWith(`${classSuffix}${one}`)),

  handles({ subresource, object, oldObject }) {
    if (subresource === '') return true;
    return (
      subresource === 'status' &&
      oldObject !== undefined &&
      needsCount(object as PersistentVolumeClaim, oldObject as PersistentVolumeClaim)
    );
  },

  isInScope: (scope, object) =>
    scope.scopeName === 'VolumeAttributesClass' && fulfils(scope, attributesClassNames(object as PersistentVolumeClaim)),
  missing: () => undefined,

  usage(object) {
    const claim = object as PersistentVolumeClaim;
    const used: Record<string, Quantity> = { [countOfClaims]: '1', [`count/${countOfClaims}`]: '1' };
    const storageClass = storageClassName(claim) ?? '';
    if (storageClass !== '') setOwn(used, `${storageClass}${classSuffix}${countOfClaims}`, '1');
    const requested = storageOf(claim);
    if (requested === undefined) return used;
    used[storage] = requested;
    if (storageClass !== '') setOwn(used, `${storageClass}${classSuffix}${storage}`, requested);
    return used;
  },

  isReplenished: (object, previous) => needsCount(object as PersistentVolumeClaim, previous as PersistentVolumeClaim),
};

/** In whole bytes: what is asked for, or what is allocated, if that is more. */
function storageOf({ spec, status }: PersistentVolumeClaim): Quantity | undefined {
  const requested = ownValue(spec?.resources?.requests, 'storage');
  if (requested === undefined) return undefined;
  const allocated = ownValue(status?.allocatedResources, 'storage');
  return roundedUp(allocated !== undefined && compareQuantity(allocated, requested) > 0 ? allocated : requested);
}

const roundedUp = (quantity: Quantity): Quantity =>
  isWhole(quantity) ? quantity : formatQuantity(wholeQuantity(wholeUnits(quantity), parseQuantity(quantity).format));

function needsCount(claim: PersistentVolumeClaim, previous: PersistentVolumeClaim): boolean {
  const allocated = ({ status }: PersistentVolumeClaim): Quantity => ownValue(status?.allocatedResources, 'storage') ?? 0;
  if (compareQuantity(allocated(claim), allocated(previous)) !== 0) return true;
  const [now, before] = [attributesClassNames(claim), attributesClassNames(previous)];
  return now.length !== before.length || now.some((name) => !before.includes(name));
}
