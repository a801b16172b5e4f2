/**
 * APIServices: which server answers a group and version. Those of the groups that this server answers itself are there, too, without a
 * service; `aggregation/auto-registration.ts` makes them.
 *
 * Source: kube-aggregator `pkg/registry/apiservice/strategy.go`.
 */
import { validateObjectMetaUpdate } from '#api/object-meta.ts';
import { defineKind } from '../../define-kind.ts';
import { apiServiceColumns } from './columns.ts';
import { localAvailability, withAvailability } from './conditions.ts';
import { validateApiService, validateApiServiceStatus } from './validation.ts';

/** Has `/status`, which says whether the other server is available. */
export const apiServiceKind = defineKind({
  resource: 'apiservices.apiregistration.k8s.io',
  cluster: true,
  allowUnconditionalUpdate: false,
  defaults(object) {
    object.spec ??= { groupPriorityMinimum: 0, versionPriority: 0 };
    if (object.spec.service !== undefined) object.spec.service.port ??= 443;
  },
  prepare(object, old, { clock }) {
    if (old === undefined && object.spec.service === undefined)
      object.status = { conditions: withAvailability(object, localAvailability, clock.now()) };
  },
  status: {
    keeps: ['labels', 'annotations', 'ownerReferences', 'finalizers'],
    validate: validateApiServiceStatus,
  },
  resetFields: { status: { fields: [['f:spec'], ['f:metadata']] } },
  validate: (object, old) => [
    ...(old === undefined ? [] : validateObjectMetaUpdate(object.metadata, old.metadata)),
    ...validateApiService(object),
  ],
  columns: apiServiceColumns,
});
