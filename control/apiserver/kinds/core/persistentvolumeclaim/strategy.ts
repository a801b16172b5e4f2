/** PersistentVolumeClaims. Source: upstream `pkg/registry/core/persistentvolumeclaim/strategy.go`, `pkg/apis/core/v1/defaults.go`. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import { defineKind } from '../../define-kind.ts';
import { roundUpQuantities } from '../pod/resources.ts';
import { persistentVolumeClaimColumns } from './columns.ts';
import { completeDataSources } from './data-sources.ts';
import { validateClaim, validateClaimStatus, validateClaimUpdate } from './validation.ts';
import { claimWarnings } from './warnings.ts';

/** Has `/status`. `dataSource` and `dataSourceRef` are made to say the same. */
export const persistentVolumeClaimKind = defineKind({
  resource: 'persistentvolumeclaims',
  names: nameIsDnsSubdomain,
  defaults(object) {
    object.spec ??= {};
    object.spec.volumeMode ??= 'Filesystem';
    object.spec.resources ??= {};
    object.status ??= {};
    object.status.phase ||= 'Pending';
    const { resources } = object.spec;
    roundUpQuantities(resources.limits, resources.requests, object.status.capacity, object.status.allocatedResources);
  },
  status: { validate: validateClaimStatus },
  prepare: ({ spec }, old) => completeDataSources(spec, old?.spec),
  validate: validateClaim,
  validateUpdate: validateClaimUpdate,
  warnings: claimWarnings,
  columns: persistentVolumeClaimColumns,
});
