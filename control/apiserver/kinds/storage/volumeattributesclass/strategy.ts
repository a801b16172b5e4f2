/** VolumeAttributesClasses. Source: upstream `pkg/registry/storage/volumeattributesclass/strategy.go`, `pkg/apis/storage/validation/validation.go`. */
import { forbiddenField } from '#api/field-error.ts';
import { sameJson } from '#api/meta.ts';
import { nameIsDnsSubdomain } from '#api/names.ts';
import { defineKind } from '../../define-kind.ts';
import { validateParameters, validateProvisioner } from '../class-parameters.ts';
import { volumeAttributesClassColumns } from './columns.ts';

/** Driver and parameters are immutable. To change them, a claim refers to another class. */
export const volumeAttributesClassKind = defineKind({
  resource: 'volumeattributesclasses.storage.k8s.io',
  cluster: true,
  names: nameIsDnsSubdomain,
  checkedAgain: 'last',
  validate: ({ driverName, parameters }) => [
    ...validateProvisioner(driverName, 'driverName'),
    ...validateParameters(parameters, true, 'parameters'),
  ],
  validateUpdate: (object, old) => [
    ...(object.driverName === old.driverName ? [] : [forbiddenField('driverName', 'updates to driverName are forbidden.')]),
    ...(sameJson(object.parameters, old.parameters)
      ? []
      : [forbiddenField('parameters', 'updates to parameters are forbidden.')]),
  ],
  columns: volumeAttributesClassColumns,
});
