/** ResourceQuotas. Source: upstream `pkg/registry/core/resourcequota/strategy.go`. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import { defineKind } from '../../define-kind.ts';
import { resourceQuotaColumns } from './columns.ts';
import { validateResourceQuota, validateResourceQuotaStatus, validateResourceQuotaUpdate } from './validation.ts';
import { resourceQuotaWarnings } from './warnings.ts';

/** Has `/status`, which the quota controller and the admission plugin ResourceQuota write. Scopes are immutable. */
export const resourceQuotaKind = defineKind({
  resource: 'resourcequotas',
  names: nameIsDnsSubdomain,
  defaults(object) {
    object.spec ??= {};
  },
  status: { validate: validateResourceQuotaStatus },
  validate: validateResourceQuota,
  validateUpdate: validateResourceQuotaUpdate,
  warnings: (object, old) => (old === undefined ? resourceQuotaWarnings(object) : []),
  columns: resourceQuotaColumns,
});
