/** Leases. Source: upstream `pkg/registry/coordination/lease/strategy.go`. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import type { Lease } from '#api/types.generated.ts';
import { defineKind } from '../../define-kind.ts';
import { leaseColumns } from './columns.ts';
import { validateLease } from './validation.ts';

/** PUT may create a Lease, and must name the resourceVersion that it replaces: leader election relies on both. */
export const leaseKind = defineKind({
  resource: 'leases.coordination.k8s.io',
  names: nameIsDnsSubdomain,
  allowCreateOnUpdate: true,
  allowUnconditionalUpdate: false,
  defaults(object) {
    object.spec ??= {};
  },
  prepare: dropCoordination,
  validate: validateLease,
  columns: leaseColumns,
});

/** Coordinated leader election is off by default in 1.36: its fields are kept only in objects that have them already. */
function dropCoordination(lease: Lease, old: Lease | undefined): void {
  if (lease.spec === undefined) return;
  if (old?.spec?.strategy === undefined) delete lease.spec.strategy;
  if (old?.spec?.preferredHolder === undefined) delete lease.spec.preferredHolder;
}
