/** ResourceClaims. Source: upstream `pkg/registry/resource/resourceclaim/strategy.go`. */
import { invalidValue } from '#api/field-error.ts';
import { nameIsDnsSubdomain } from '#api/names.ts';
import type { DraResourceClaim } from '#api/types.generated.ts';
import { goValue } from '../../../validation/go-value.ts';
import { semanticEqual } from '../../../validation/semantic-equal.ts';
import { defineKind } from '../../define-kind.ts';
import { checkAdminAccess, claimSpecChecks, setClaimDefaults } from '../claim-spec.ts';
import { goNames } from '../names.ts';
import { resourceClaimColumns } from './columns.ts';
import { deviceKey, validateClaimStatus } from './status-validation.ts';

/** Has `/status`, where the scheduler writes the allocation. The spec is immutable. */
export const resourceClaimKind = defineKind({
  resource: 'resourceclaims.resource.k8s.io',
  names: nameIsDnsSubdomain,
  defaults(object) {
    object.spec ??= {};
    setClaimDefaults(object.spec);
  },
  async checkWriter({ metadata, spec }, old, context) {
    if (old !== undefined) return;
    const { name, namespace = '' } = metadata;
    await checkAdminAccess(spec, { kind: 'ResourceClaim', name, namespace }, context);
  },
  status: {
    keeps: ['labels', 'annotations', 'ownerReferences', 'finalizers'],
    prepare: dropReportsOfOthers,
    validate: validateClaimStatus,
  },
  checks: ({ spec }, old) => (old === undefined ? claimSpecChecks(spec, 'spec') : []),
  validateUpdate: ({ spec }, old) =>
    semanticEqual(spec, old.spec)
      ? []
      : [invalidValue('spec', goValue('resource/v1.ResourceClaimSpec', spec, goNames), 'field is immutable')],
  columns: resourceClaimColumns,
});

/** Removes the drivers' reports about devices that are not allocated any more. */
function dropReportsOfOthers({ status }: DraResourceClaim, old: DraResourceClaim): void {
  if (status?.devices === undefined) return;
  const kept = new Set((status.allocation?.devices?.results ?? []).map(deviceKey));
  const gone = new Set((old.status?.allocation?.devices?.results ?? []).map(deviceKey).filter((key) => !kept.has(key)));
  const devices = status.devices.filter((device) => !gone.has(deviceKey(device)));
  if (devices.length > 0) status.devices = devices;
  else delete status.devices;
}
