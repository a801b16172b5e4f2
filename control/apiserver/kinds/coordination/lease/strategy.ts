/** What is special to Leases. Source: upstream `pkg/registry/coordination/lease/strategy.go`, `pkg/apis/coordination/validation`. */
import type { FieldError } from '#api/field-error.ts';
import { forbiddenField, invalidValue, notSupported } from '#api/field-error.ts';
import { isQualifiedName, nameIsDnsSubdomain } from '#api/names.ts';
import type { Lease } from '#api/types.generated.ts';
import type { Strategy } from '../../../registry/strategy.ts';
import { validateObjectMeta, validateObjectMetaUpdate } from '../../../validation/object-meta.ts';
import { leaseTable } from '../../table/plain.ts';

/** Coordinated leader election is off in 1.36: its fields stay only where they already are. */
function dropCoordination(lease: Lease, old: Lease | undefined): void {
  if (lease.spec === undefined) return;
  if (old?.spec?.strategy === undefined) delete lease.spec.strategy;
  if (old?.spec?.preferredHolder === undefined) delete lease.spec.preferredHolder;
}

function validateSpec({ spec }: Lease): FieldError[] {
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

/** A name of Kubernetes' own, or a qualified one. Upstream, too, writes the field's name twice. */
function validateStrategy(strategy: string, path: string): FieldError[] {
  if (strategy.includes('/')) return isQualifiedName(strategy).map((text) => invalidValue(path, strategy, text));
  return strategy === 'OldestEmulationVersion' ? [] : [notSupported(path, strategy, ['OldestEmulationVersion'])];
}

export const leaseStrategy: Strategy<Lease> = {
  allowCreateOnUpdate: true,
  allowUnconditionalUpdate: false,
  setDefaults(lease) {
    lease.spec ??= {};
  },
  prepareForCreate: (lease) => dropCoordination(lease, undefined),
  prepareForUpdate: dropCoordination,
  validate: (lease) => [
    ...validateObjectMeta(lease.metadata, { namespaced: true, name: nameIsDnsSubdomain }),
    ...validateSpec(lease),
  ],
  validateUpdate: (lease, old) => [...validateObjectMetaUpdate(lease.metadata, old.metadata), ...validateSpec(lease)],
  table: leaseTable,
};
