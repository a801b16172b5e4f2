/**
 * Whether two objects mean the same to the API: what is absent equals what is empty.
 *
 * Source: apimachinery `pkg/api/equality/semantic.go`; Go's zero values stand for absence in fields that are no pointers.
 */
import { isJsonObject, type JsonObject, type Quantity } from '#api/json.ts';
import { ownValue } from '#api/own-value.ts';
import { compareQuantity, QuantityError } from '#api/quantity.ts';

/** Fields of pods and their kin that are pointers in Go: there `0` and `false` are something else than absence. */
const pointerFields = new Set([
  'activeDeadlineSeconds',
  'allowPrivilegeEscalation',
  'automountServiceAccountToken',
  'backoffLimit',
  'backoffLimitPerIndex',
  'completions',
  'defaultMode',
  'enableServiceLinks',
  'expirationSeconds',
  'failedJobsHistoryLimit',
  'fsGroup',
  'hostUsers',
  'manualSelector',
  'maxFailedIndexes',
  'maxSurge',
  'maxUnavailable',
  'mode',
  'optional',
  'parallelism',
  'priority',
  'privileged',
  'progressDeadlineSeconds',
  'readOnlyRootFilesystem',
  'replicas',
  'revisionHistoryLimit',
  'runAsGroup',
  'runAsNonRoot',
  'runAsUser',
  'setHostnameAsFQDN',
  'shareProcessNamespace',
  'startingDeadlineSeconds',
  'succeededCount',
  'successfulJobsHistoryLimit',
  'suspend',
  'terminationGracePeriodSeconds',
  'timeoutSeconds',
  'tolerationSeconds',
  'ttlSecondsAfterFinished',
]);

/** Fields that hold quantities by name: there `1Gi` equals `1073741824`. */
const quantityLists = new Set(['limits', 'overhead', 'requests']);

/**
 * Whether two values mean the same: absent and empty are equal, and so are quantities written differently. @param key the field
 * that holds them. Source: apimachinery `pkg/api/equality` (Semantic.DeepEqual).
 */
export function semanticEqual(a: unknown, b: unknown, key = ''): boolean {
  if (a === b || (isAbsent(a, key) && isAbsent(b, key))) return true;
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, index) => semanticEqual(item, b[index]));
  if (!isJsonObject(a) || !isJsonObject(b)) return false;
  if (quantityLists.has(key)) return sameQuantities(a, b);
  return (
    Object.keys(a).every((name) => semanticEqual(a[name], ownValue(b, name), name)) &&
    Object.keys(b).every((name) => Object.hasOwn(a, name) || isAbsent(b[name], name))
  );
}

/** An empty object is as good as absent, except a volume source: `emptyDir: {}` names the volume's type. */
function isAbsent(value: unknown, key: string): boolean {
  if (value === undefined || value === null || value === '') return true;
  if (value === false || value === 0) return !pointerFields.has(key);
  return typeof value === 'object' && key !== 'emptyDir' && Object.keys(value).length === 0;
}

function sameQuantities(a: JsonObject, b: JsonObject): boolean {
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => {
      const [one, other] = [a[name], ownValue(b, name)];
      return one === other || (isQuantity(one) && isQuantity(other) && isSameQuantity(one, other));
    })
  );
}

const isQuantity = (value: unknown): value is Quantity => typeof value === 'string' || typeof value === 'number';

/** Old objects may hold text that is no quantity. Such a text equals only itself. */
function isSameQuantity(a: Quantity, b: Quantity): boolean {
  try {
    return compareQuantity(a, b) === 0;
  } catch (error) {
    if (error instanceof QuantityError) return false;
    throw error;
  }
}
