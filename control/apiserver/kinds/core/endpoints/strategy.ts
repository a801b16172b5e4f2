/** What is special to Endpoints. Source: upstream `pkg/registry/core/endpoint/strategy.go`. */
import type { Endpoints } from '#api/types.generated.ts';
import type { Strategy } from '../../../registry/strategy.ts';
import { validateEndpoints, validateEndpointsUpdate } from '../../../validation/endpoints.ts';
import { ipWarnings } from '../../../validation/ip.ts';
import { endpointsTable } from '../../table/network.ts';

const MANAGED_BY = 'endpoints.kubernetes.io/managed-by';

export const endpointsStrategy: Strategy<Endpoints> = {
  allowCreateOnUpdate: true,
  setDefaults(endpoints) {
    for (const { ports = [] } of endpoints.subsets ?? []) for (const port of ports) port.protocol ||= 'TCP';
  },
  validate: validateEndpoints,
  validateUpdate: validateEndpointsUpdate,
  warnings({ metadata, subsets = [] }) {
    if (metadata.labels?.[MANAGED_BY] === 'endpoint-controller') return [];
    return subsets.flatMap((subset, index) =>
      (['addresses', 'notReadyAddresses'] as const).flatMap((list) =>
        (subset[list] ?? []).flatMap(({ ip }, address) => ipWarnings(ip, `subsets[${index}].${list}[${address}].ip`)),
      ),
    );
  },
  table: endpointsTable,
};
