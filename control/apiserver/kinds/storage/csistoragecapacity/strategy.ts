/** CSIStorageCapacities. Source: upstream `pkg/registry/storage/csistoragecapacity/strategy.go`, `pkg/apis/storage/validation/validation.go`. */
import { type FieldError, invalidValue } from '#api/field-error.ts';
import { validateLabelSelector } from '#api/labels.ts';
import { nameIsDnsSubdomain } from '#api/names.ts';
import { canonicalQuantity, compareQuantity } from '#api/quantity.ts';
import type { CSIStorageCapacity } from '#api/types.generated.ts';
import { semanticEqual } from '../../../validation/semantic-equal.ts';
import { submitted } from '../../../validation/submitted.ts';
import { deprecatedNodeLabel } from '../../core/pod/warnings.ts';
import { defineKind } from '../../define-kind.ts';
import { csiStorageCapacityColumns } from './columns.ts';

/** The capacity that a driver can still provision in one topology. PUT must name the resourceVersion that it replaces. */
export const csiStorageCapacityKind = defineKind({
  resource: 'csistoragecapacities.storage.k8s.io',
  names: nameIsDnsSubdomain,
  allowUnconditionalUpdate: false,
  checkedAgain: 'first',
  validate: validateCapacity,
  validateUpdate: validateCapacityUpdate,
  warnings({ nodeTopology: { matchExpressions = [], matchLabels = {} } = {} }) {
    return [
      ...matchExpressions.flatMap(({ key }, index) => {
        const text = deprecatedNodeLabel(key);
        return text === undefined ? [] : [`nodeTopology.matchExpressions[${index}].key: ${key} is ${text}`];
      }),
      ...Object.keys(matchLabels).flatMap((key) => {
        const text = deprecatedNodeLabel(key);
        return text === undefined ? [] : [`nodeTopology.matchLabels.${key}: ${text}`];
      }),
    ];
  },
  columns: csiStorageCapacityColumns,
});

/** Validates the object. A stored topology may have invalid label values, because older versions accepted them. */
function validateCapacity(object: CSIStorageCapacity, old: CSIStorageCapacity | undefined): FieldError[] {
  const { nodeTopology, storageClassName, capacity } = submitted(object);
  const isLenient = old !== undefined && validateLabelSelector(old.nodeTopology, '').length > 0;
  const negative = 'must be greater than or equal to 0';
  return [
    ...(isLenient ? [] : validateLabelSelector(nodeTopology, 'nodeTopology')),
    ...nameIsDnsSubdomain(storageClassName ?? '', false).map((text) =>
      invalidValue('storageClassName', storageClassName ?? '', text),
    ),
    ...(capacity !== undefined && compareQuantity(capacity, 0) < 0
      ? [invalidValue('capacity', canonicalQuantity(capacity), negative)]
      : []),
  ];
}

/** Validates an update: topology and StorageClass are immutable. */
function validateCapacityUpdate(object: CSIStorageCapacity, old: CSIStorageCapacity): FieldError[] {
  const text = 'field is immutable';
  return [
    ...(semanticEqual(object.nodeTopology, old.nodeTopology) ? [] : [invalidValue('nodeTopology', object.nodeTopology, text)]),
    ...(object.storageClassName === old.storageClassName
      ? []
      : [invalidValue('storageClassName', object.storageClassName, text)]),
  ];
}
