/** ServiceCIDRs: the ranges of cluster IPs. Source: upstream `pkg/registry/networking/servicecidr/strategy.go`. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import { defineKind } from '../../define-kind.ts';
import { serviceCidrColumns } from './columns.ts';
import { validateServiceCidr, validateServiceCidrUpdate } from './validation.ts';

/** Has `/status`, which changes nothing of metadata. The ranges are immutable, except that a range of the second family may be added. */
export const serviceCidrKind = defineKind({
  resource: 'servicecidrs.networking.k8s.io',
  cluster: true,
  names: nameIsDnsSubdomain,
  defaults(object) {
    object.spec ??= {};
  },
  status: { keeps: ['labels', 'annotations', 'ownerReferences', 'finalizers'] },
  resetFields: { status: { fields: [['f:spec'], ['f:metadata']] } },
  validate: validateServiceCidr,
  validateUpdate: validateServiceCidrUpdate,
  columns: serviceCidrColumns,
});
