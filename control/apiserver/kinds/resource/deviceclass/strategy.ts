/** DeviceClasses. Source: upstream `pkg/registry/resource/deviceclass/strategy.go`, `pkg/apis/resource/validation/validation.go`. */
import { type Check, invalidValue } from '#api/field-error.ts';
import { nameIsDnsSubdomain } from '#api/names.ts';
import type { DeviceClass } from '#api/types.generated.ts';
import { validateList } from '../../../validation/lists.ts';
import { isExtendedResource } from '../../../validation/pod-spec/resources.ts';
import { semanticEqual } from '../../../validation/semantic-equal.ts';
import { nameAndAgeColumns } from '../../columns.ts';
import { defineKind } from '../../define-kind.ts';
import { selectorChecks, validateConfiguration } from '../parts.ts';

const maxConfigs = 32;

/** A class of devices for dynamic resource allocation (KEP-4381). */
export const deviceClassKind = defineKind({
  resource: 'deviceclasses.resource.k8s.io',
  cluster: true,
  names: nameIsDnsSubdomain,
  defaults(object) {
    object.spec ??= {};
  },
  generation: 'spec',
  checks: classChecks,
  columns: nameAndAgeColumns,
});

function classChecks({ spec }: DeviceClass, old: DeviceClass | undefined): Check[] {
  const { selectors, config = [], extendedResourceName: name } = spec;
  const stored = old !== undefined && semanticEqual(config, old.spec.config);
  return [
    ...selectorChecks(selectors, 'spec.selectors'),
    () => validateList(config, maxConfigs, 'spec.config', (one, at) => validateConfiguration(one, at, stored)),
    () =>
      name === undefined || isExtendedResource(name)
        ? []
        : [invalidValue('spec.extendedResourceName', name, 'must be a valid extended resource name')],
  ];
}
