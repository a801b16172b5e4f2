/** Endpoints. Source: upstream `pkg/registry/core/endpoint/strategy.go`. */
import { nameIsDnsSubdomain } from '#api/names.ts';
import { ipWarnings } from '../../../validation/ip.ts';
import { defineKind } from '../../define-kind.ts';
import { endpointsColumns } from './columns.ts';
import { validateEndpoints } from './validation.ts';

const MANAGED_BY = 'endpoints.kubernetes.io/managed-by';

/** PUT may create it. Its writers are warned that EndpointSlices have taken its place. */
export const endpointsKind = defineKind({
  resource: 'endpoints',
  names: nameIsDnsSubdomain,
  checkedAgain: 'last',
  allowCreateOnUpdate: true,
  defaults(object) {
    for (const { ports = [] } of object.subsets ?? []) for (const port of ports) port.protocol ||= 'TCP';
  },
  validate: validateEndpoints,
  warnings({ metadata, subsets = [] }) {
    if (metadata.labels?.[MANAGED_BY] === 'endpoint-controller') return [];
    return subsets.flatMap((subset, index) =>
      (['addresses', 'notReadyAddresses'] as const).flatMap((list) =>
        (subset[list] ?? []).flatMap(({ ip }, address) => ipWarnings(ip, `subsets[${index}].${list}[${address}].ip`)),
      ),
    );
  },
  columns: endpointsColumns,
});
