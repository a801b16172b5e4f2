/** CSIDrivers. Source: upstream `pkg/apis/storage/validation/validation.go`. */
import { duplicate, type FieldError, invalidValue, notSupported, required } from '#api/field-error.ts';
import type { CSIDriver, CSIDriverSpec, StorageTokenRequest } from '#api/types.generated.ts';
import { semanticEqual } from '../../../validation/semantic-equal.ts';
import type { Submitted } from '../../../validation/submitted.ts';

const fsGroupPolicies = ['File', 'None', 'ReadWriteOnceWithFSType'];
const lifecycleModes = ['Persistent', 'Ephemeral'];
const minUpdatePeriodSeconds = 10;
const minTokenSeconds = 600;
const maxTokenSeconds = 2 ** 32;

/** Validates the spec: lifecycle modes, token requests, policies. Source: upstream `pkg/apis/storage/validation` (ValidateCSIDriver). */
export function validateDriver({ spec }: CSIDriver): FieldError[] {
  const { fsGroupPolicy, tokenRequests = [], volumeLifecycleModes = [] } = spec;
  const period = spec.nodeAllocatableUpdatePeriodSeconds;
  const inSecrets = spec.serviceAccountTokenInSecrets;
  const lonely = 'serviceAccountTokenInSecrets is set but no tokenRequests are specified';
  return [
    ...needed(spec, 'attachRequired', 'attachedRequired'),
    ...needed(spec, 'podInfoOnMount'),
    ...needed(spec, 'storageCapacity'),
    ...(fsGroupPolicy === undefined || fsGroupPolicies.includes(fsGroupPolicy)
      ? []
      : [notSupported('spec.fsGroupPolicy', fsGroupPolicy, fsGroupPolicies)]),
    ...validateTokenRequests(tokenRequests, 'spec.tokenRequests'),
    ...volumeLifecycleModes
      .filter((mode) => !lifecycleModes.includes(mode))
      .map((mode) => notSupported('spec.volumeLifecycleModes', mode, lifecycleModes)),
    ...needed(spec, 'seLinuxMount'),
    ...(period !== undefined && period < minUpdatePeriodSeconds
      ? [invalidValue('spec.nodeAllocatableUpdatePeriodSeconds', period, 'must be greater than or equal to 10 seconds')]
      : []),
    ...(inSecrets !== undefined && tokenRequests.length === 0
      ? [invalidValue('spec.serviceAccountTokenInSecrets', inSecrets, lonely)]
      : []),
  ];
}

const needed = (spec: CSIDriverSpec, field: keyof CSIDriverSpec, shown: string = field): FieldError[] =>
  spec[field] === undefined ? [required(`spec.${shown}`)] : [];

/** Validates token requests. Audiences must be unique. */
function validateTokenRequests(requests: readonly Submitted<StorageTokenRequest>[], path: string): FieldError[] {
  const audiences = new Set<string>();
  return requests.flatMap(({ audience = '', expirationSeconds: seconds }, index) => {
    if (audiences.has(audience)) return [duplicate(`${path}[${index}].audience`, audience)];
    audiences.add(audience);
    const at = `${path}[${index}].expirationSeconds`;
    if (seconds === undefined) return [];
    if (seconds < minTokenSeconds) return [invalidValue(at, seconds, 'may not specify a duration less than 10 minutes')];
    if (seconds > maxTokenSeconds) return [invalidValue(at, seconds, 'may not specify a duration larger than 2^32 seconds')];
    return [];
  });
}

/** Validates an update: fields that mounted volumes depend on are immutable. */
export function validateDriverUpdate({ spec }: CSIDriver, { spec: old }: CSIDriver): FieldError[] {
  const text = 'field is immutable';
  return [
    ...(spec.attachRequired === old.attachRequired ? [] : [invalidValue('spec.attachedRequired', spec.attachRequired, text)]),
    ...(semanticEqual(spec.volumeLifecycleModes, old.volumeLifecycleModes)
      ? []
      : [invalidValue('spec.volumeLifecycleModes', spec.volumeLifecycleModes, text)]),
  ];
}
