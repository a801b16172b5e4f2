/** StorageClasses. Source: upstream `pkg/registry/storage/storageclass/strategy.go`, `pkg/api/storage/util.go`. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import { deprecatedNodeLabel } from '../../core/pod/warnings.ts';
import { defineKind } from '../../define-kind.ts';
import { storageClassColumns } from './columns.ts';
import { validateStorageClass, validateStorageClassUpdate } from './validation.ts';

/** Provisioner, parameters, reclaim policy and binding mode are immutable. */
export const storageClassKind = defineKind({
  resource: 'storageclasses.storage.k8s.io',
  cluster: true,
  names: nameIsDnsSubdomain,
  checkedAgain: 'first',
  defaults(object) {
    object.reclaimPolicy ??= 'Delete';
    object.volumeBindingMode ??= 'Immediate';
  },
  validate: validateStorageClass,
  validateUpdate: validateStorageClassUpdate,
  warnings: ({ allowedTopologies = [] }) =>
    allowedTopologies.flatMap(({ matchLabelExpressions = [] }, term) =>
      matchLabelExpressions.flatMap(({ key }, index) => {
        const text = deprecatedNodeLabel(key);
        return text === undefined ? [] : [`allowedTopologies[${term}].matchLabelExpressions[${index}].key: ${text}`];
      }),
    ),
  columns: storageClassColumns,
});
