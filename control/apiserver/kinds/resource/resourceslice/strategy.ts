/** ResourceSlices. Source: upstream `pkg/registry/resource/resourceslice/strategy.go`, `pkg/apis/resource/v1/defaults.go`. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import type { ResourceSlice } from '#api/types.generated.ts';
import { submitted } from '../../../validation/submitted.ts';
import { defineKind } from '../../define-kind.ts';
import { resourceSliceColumns } from './columns.ts';
import { validateSlice } from './validation.ts';

/** A driver's devices on one or several nodes. Driver and pool name are immutable. */
export const resourceSliceKind = defineKind({
  resource: 'resourceslices.resource.k8s.io',
  cluster: true,
  names: nameIsDnsSubdomain,
  defaults(object) {
    object.spec ??= { driver: '', pool: { name: '', generation: 0, resourceSliceCount: 0 } };
    object.spec.pool ??= { name: '', generation: 0, resourceSliceCount: 0 };
  },
  generation: 'spec',
  prepare: dropAlphaFields,
  validate: validateSlice,
  warnings({ spec }) {
    const { driver = '' } = submitted(spec);
    if (driver === driver.toLowerCase()) return [];
    return [`spec.driver: driver names should be lowercase; ${JSON.stringify(driver)} contains uppercase characters`];
  },
  fieldSelectors: {
    'spec.nodeName': ({ spec }) => spec.nodeName ?? '',
    'spec.driver': ({ spec }) => submitted(spec).driver ?? '',
  },
  columns: resourceSliceColumns,
});

/** Drops the fields of DRAListTypeAttributes and DRANodeAllocatableResources, which are alpha and disabled. */
function dropAlphaFields({ spec }: ResourceSlice, old: ResourceSlice | undefined): void {
  const before = old?.spec.devices ?? [];
  const hadMappings = before.some(({ nodeAllocatableResourceMappings: mappings }) => Object.keys(mappings ?? {}).length > 0);
  const hadLists = before.some(({ attributes }) =>
    Object.values(attributes ?? {}).some((one) => lists.some((name) => one[name])),
  );
  for (const device of spec.devices ?? []) {
    if (!hadMappings) delete device.nodeAllocatableResourceMappings;
    if (!hadLists) for (const one of Object.values(device.attributes ?? {})) for (const name of lists) delete one[name];
  }
}

const lists = ['bools', 'ints', 'strings', 'versions'] as const;
