/** What an allocation says of the devices that were chosen: which, with what configuration, and from which nodes they can be used. Pure. */
import { sameJson } from '#api/meta.ts';
import { formatQuantity } from '#api/quantity.ts';
import type {
  AllocationResult,
  DeviceAllocationConfiguration,
  DeviceRequestAllocationResult,
  DraResourceClaim,
  NodeSelector,
  NodeSelectorRequirement,
  NodeSelectorTerm,
} from '#api/types.generated.ts';
import { AllocationError } from './allocation-error.ts';
import type { Chosen, Request } from './chosen-device.ts';
import { requestReference } from './constraints.ts';

/** Makes the result of one claim. @param requests with what was chosen among alternatives @param newId makes an ID of a share */
export function allocationResult(
  claim: DraResourceClaim,
  chosen: readonly Chosen[],
  requests: readonly Request[],
  node: string,
  newId: () => string,
): AllocationResult {
  const config = [...classConfiguration(requests), ...claimConfiguration(claim, requests)];
  const selector = selectorOf(chosen, node);
  return {
    devices: {
      results: chosen.map((one) => resultOf(one, newId)),
      ...(config.length === 0 ? {} : { config }),
    },
    ...(selector === undefined ? {} : { nodeSelector: selector }),
  };
}

function resultOf({ request, pool, device, consumed }: Chosen, newId: () => string): DeviceRequestAllocationResult {
  const { adminAccess, tolerations } = request.ask;
  const { bindingConditions, bindingFailureConditions } = device;
  return {
    request: requestReference(request),
    driver: pool.driver,
    pool: pool.name,
    device: device.name,
    ...(adminAccess === true ? { adminAccess } : {}),
    ...(tolerations === undefined || tolerations.length === 0 ? {} : { tolerations }),
    ...(bindingConditions === undefined ? {} : { bindingConditions }),
    ...(bindingFailureConditions === undefined ? {} : { bindingFailureConditions }),
    ...(consumed === undefined ? {} : { shareID: newId() }),
    ...(consumed === undefined || consumed.size === 0
      ? {}
      : { consumedCapacity: Object.fromEntries([...consumed].map(([name, value]) => [name, formatQuantity(value)])) }),
  };
}

/** Each class's once, for all requests of the class. */
function classConfiguration(requests: readonly Request[]): DeviceAllocationConfiguration[] {
  const byClass = new Map<string, Request[]>();
  for (const request of requests) byClass.getOrInsertComputed(request.deviceClass.metadata.name, () => []).push(request);
  return [...byClass.values()].flatMap((ofClass) =>
    (ofClass[0]?.deviceClass.spec.config ?? []).map((config) => ({
      source: 'FromClass',
      requests: ofClass.map(requestReference),
      ...config,
    })),
  );
}

/** Those that are for all requests, for one that there is, or for an alternative that was chosen. */
function claimConfiguration({ spec }: DraResourceClaim, chosen: readonly Request[]): DeviceAllocationConfiguration[] {
  return (spec.devices?.config ?? []).flatMap(({ requests, ...config }): DeviceAllocationConfiguration[] => {
    const made = { source: 'FromClaim', ...(requests === undefined ? {} : { requests }), ...config };
    if (requests === undefined || requests.length === 0) return [made];
    return chosen
      .filter((request) => requests.includes(request.request) || requests.includes(requestReference(request)))
      .map(() => made);
  });
}

/** @returns undefined: they can be used everywhere */
function selectorOf(chosen: readonly Chosen[], node: string): NodeSelector | undefined {
  const term: Required<NodeSelectorTerm> = { matchFields: [], matchExpressions: [] };
  for (const { device, slice } of chosen) {
    const place = slice.spec.perDeviceNodeSelection === true ? device : slice.spec;
    if (place.nodeName !== undefined || device.bindsToNode === true)
      return { nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }] }] };
    const terms = place.nodeSelector?.nodeSelectorTerms ?? [];
    if (terms.length > 1) throw new AllocationError(`unsupported ResourceSlice.NodeSelector with ${terms.length} terms`);
    addMissing(term.matchFields ?? [], terms[0]?.matchFields);
    addMissing(term.matchExpressions ?? [], terms[0]?.matchExpressions);
  }
  const { matchFields = [], matchExpressions = [] } = term;
  if (matchFields.length === 0 && matchExpressions.length === 0) return undefined;
  return {
    nodeSelectorTerms: [
      {
        ...(matchFields.length === 0 ? {} : { matchFields }),
        ...(matchExpressions.length === 0 ? {} : { matchExpressions }),
      },
    ],
  };
}

function addMissing(to: NodeSelectorRequirement[], from: readonly NodeSelectorRequirement[] = []): void {
  const sorted = ({ key, operator, values = [] }: NodeSelectorRequirement) => ({ key, operator, values: values.toSorted() });
  for (const one of from) if (!to.some((other) => sameJson(sorted(other), sorted(one)))) to.push(one);
}
