/** EndpointSlices. Source: upstream `pkg/registry/discovery/endpointslice/strategy.go`. */

import { nameIsDnsSubdomain } from '#api/names.ts';
import { managedByLabel } from '#api/service-labels.ts';
import { ipWarnings } from '../../../validation/ip.ts';
import { defineKind } from '../../define-kind.ts';
import { endpointSliceColumns } from './columns.ts';
import { validateEndpointSlice } from './validation.ts';

const controllers = ['endpointslice-controller.k8s.io', 'endpointslicemirroring-controller.k8s.io'];

/** The generation counts changes of everything except metadata, and of the labels. `addressType` is immutable. */
export const endpointSliceKind = defineKind({
  resource: 'endpointslices.discovery.k8s.io',
  names: nameIsDnsSubdomain,
  checkedAgain: 'last',
  defaults(slice) {
    for (const port of slice.ports ?? []) {
      port.name ??= '';
      port.protocol ??= 'TCP';
    }
  },
  generation: (slice) => ({ ...slice, metadata: slice.metadata.labels }),
  validate: validateEndpointSlice,
  warnings(slice, old) {
    const warnings = old === undefined && slice.addressType === 'FQDN' ? ['spec.addressType: FQDN endpoints are deprecated'] : [];
    if (controllers.includes(slice.metadata.labels?.[managedByLabel] ?? '')) return warnings;
    const ips = (slice.endpoints ?? []).flatMap(({ addresses }, index) =>
      (addresses ?? []).flatMap((address, one) => ipWarnings(address, `endpoints[${index}].addresses[${one}]`)),
    );
    return [...warnings, ...ips];
  },
  columns: endpointSliceColumns,
});
