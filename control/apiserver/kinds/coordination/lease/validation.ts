/** Leases. Source: upstream `pkg/apis/coordination/validation`. */
import type { FieldError } from '#api/field-error.ts';
import { forbiddenField, invalidValue, notSupported } from '#api/field-error.ts';
import { isQualifiedName } from '#api/names.ts';
import type { Lease } from '#api/types.generated.ts';

/**
 * Problems of the spec: durations (seconds) that are not positive, negative transitions. Source: upstream
 * `pkg/apis/coordination/validation` (ValidateLeaseSpec).
 */
export function validateLease({ spec }: Lease): FieldError[] {
  const { leaseDurationSeconds: duration, leaseTransitions: transitions, strategy, preferredHolder } = spec;
  return [
    ...(duration !== undefined && duration <= 0
      ? [invalidValue('spec.leaseDurationSeconds', duration, 'must be greater than 0')]
      : []),
    ...(transitions !== undefined && transitions < 0
      ? [invalidValue('spec.leaseTransitions', transitions, 'must be greater than or equal to 0')]
      : []),
    ...(strategy === undefined ? [] : validateStrategy(strategy, 'spec.strategy.strategy')),
    ...(preferredHolder && !strategy
      ? [forbiddenField('spec.preferredHolder', 'may only be specified if `strategy` is defined')]
      : []),
  ];
}

/**
 * Problems of `spec.strategy`: a name that Kubernetes knows, or a qualified one. As upstream, the path contains the field's name
 * twice.
 */
function validateStrategy(strategy: string, path: string): FieldError[] {
  if (strategy.includes('/')) return isQualifiedName(strategy).map((text) => invalidValue(path, strategy, text));
  return strategy === 'OldestEmulationVersion' ? [] : [notSupported(path, strategy, ['OldestEmulationVersion'])];
}
