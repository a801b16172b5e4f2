/**
 * Whether two objects mean the same to the API: what is absent equals what is empty.
 *
 * Source: apimachinery `pkg/api/equality/semantic.go`; Go's zero values stand for absence in fields that are no pointers.
 */
import { isJsonObject } from '#api/json.ts';
import { ownValue } from '#api/own-value.ts';

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

export function semanticEqual(a: unknown, b: unknown, key = ''): boolean {
  if (a === b || (isAbsent(a, key) && isAbsent(b, key))) return true;
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, index) => semanticEqual(item, b[index]));
  if (!isJsonObject(a) || !isJsonObject(b)) return false;
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
