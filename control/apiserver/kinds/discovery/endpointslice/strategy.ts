/** What is special to EndpointSlices. Source: upstream `pkg/registry/discovery/endpointslice/strategy.go`. */
import { nextInt64 } from '#api/int64.ts';
import type { EndpointSlice } from '#api/types.generated.ts';
import type { Strategy } from '../../../registry/strategy.ts';
import { validateEndpointSlice, validateEndpointSliceUpdate } from '../../../validation/endpoints.ts';
import { ipWarnings } from '../../../validation/ip.ts';
import { semanticEqual } from '../../../validation/semantic-equal.ts';
import { endpointSliceTable } from '../../table/network.ts';

const MANAGED_BY = 'endpointslice.kubernetes.io/managed-by';
const controllers = ['endpointslice-controller.k8s.io', 'endpointslicemirroring-controller.k8s.io'];

export const endpointSliceStrategy: Strategy<EndpointSlice> = {
  setDefaults(slice) {
    for (const port of slice.ports ?? []) {
      port.name ??= '';
      port.protocol ??= 'TCP';
    }
  },
  prepareForCreate(slice) {
    slice.metadata.generation = 1;
  },
  prepareForUpdate(slice, old) {
    const same = semanticEqual({ ...slice, metadata: slice.metadata.labels }, { ...old, metadata: old.metadata.labels });
    slice.metadata.generation = same ? (old.metadata.generation ?? 0) : nextInt64(old.metadata.generation ?? 0);
  },
  validate: (slice) => validateEndpointSlice(slice),
  validateUpdate: validateEndpointSliceUpdate,
  warnings(slice, old) {
    const warnings = old === undefined && slice.addressType === 'FQDN' ? ['spec.addressType: FQDN endpoints are deprecated'] : [];
    if (controllers.includes(slice.metadata.labels?.[MANAGED_BY] ?? '')) return warnings;
    const ips = (slice.endpoints ?? []).flatMap(({ addresses }, index) =>
      (addresses ?? []).flatMap((address, one) => ipWarnings(address, `endpoints[${index}].addresses[${one}]`)),
    );
    return [...warnings, ...ips];
  },
  table: endpointSliceTable,
};
