/**
 * Packs endpoints into EndpointSlices so that as few slices as possible change: every node watches all of them.
 *
 * Source: kubernetes `staging/src/k8s.io/endpointslice/reconciler.go` (reconcileByPortMapping); KEP-752.
 */
import type { New } from '#api/meta.ts';
import { sameJson } from '#api/meta.ts';
import type { DiscoveryEndpointPort, Endpoint, EndpointSlice } from '#api/types.generated.ts';

/** Endpoints that share address type and ports, and so can share slices. */
export interface EndpointGroup {
  addressType: string;
  ports: DiscoveryEndpointPort[];
  endpoints: Endpoint[];
}

export interface SlicePlan {
  create: New<EndpointSlice>[];
  update: EndpointSlice[];
  remove: EndpointSlice[];
}

export interface PackingOptions {
  maxPerSlice: number;
  /** A slice without endpoints, ports and address type yet: name, labels, owner. */
  template: New<EndpointSlice>;
  /** Address types that get an empty slice where they would have none; none: a source without endpoints has no slice. */
  placeholders: readonly string[];
}

/** Pure. @param existing the slices that are managed for this source */
export function packSlices(
  existing: readonly EndpointSlice[],
  groups: readonly EndpointGroup[],
  options: PackingOptions,
): SlicePlan {
  const plan: SlicePlan = { create: [], update: [], remove: [] };
  const taken = new Set<EndpointSlice>();
  for (const group of groups.filter(({ endpoints }) => endpoints.length > 0)) {
    const slices = existing.filter((slice) => groupKey(slice) === groupKey(group));
    for (const slice of slices) taken.add(slice);
    packGroup(slices, group, options, plan);
  }
  const orphans = existing.filter((slice) => !taken.has(slice));
  plan.remove.push(...orphans);
  for (const addressType of options.placeholders) keepPlaceholder(addressType, existing, options, plan);
  return plan;
}

function groupKey({ addressType, ports }: { addressType: string; ports?: DiscoveryEndpointPort[] | undefined }): string {
  const texts = (ports ?? []).map(({ name = '', port, protocol, appProtocol }) =>
    JSON.stringify([name, port, protocol, appProtocol]),
  );
  return `${addressType} ${texts.sort().join()}`;
}

function packGroup(
  slices: readonly EndpointSlice[],
  group: EndpointGroup,
  { maxPerSlice, template }: PackingOptions,
  plan: SlicePlan,
): void {
  const waiting = new Map(group.endpoints.map((endpoint) => [identity(endpoint), endpoint]));
  const kept = slices.map((slice) => {
    const endpoints = (slice.endpoints ?? []).flatMap((endpoint): Endpoint[] => {
      const wanted = waiting.get(identity(endpoint));
      waiting.delete(identity(endpoint));
      if (wanted === undefined) return [];
      return [sameJson(wanted, endpoint) ? endpoint : wanted];
    });
    return { slice, endpoints, changed: !sameJson(endpoints, slice.endpoints ?? []) || !sameMeta(slice, template) };
  });
  const rest = [...waiting.values()];
  // Slices that are written anyway take new endpoints first, the fullest ones before the others.
  for (const one of kept.filter(({ changed }) => changed).sort((a, b) => b.endpoints.length - a.endpoints.length)) {
    if (one.endpoints.length > 0) one.endpoints.push(...rest.splice(0, maxPerSlice - one.endpoints.length));
  }
  while (rest.length >= maxPerSlice) plan.create.push(filled(template, group, rest.splice(0, maxPerSlice)));
  if (rest.length > 0) {
    // One further slice may take what is left, if all of it fits; else a new one is made.
    const fits = kept
      .filter(({ endpoints }) => endpoints.length + rest.length <= maxPerSlice)
      .sort((a, b) => b.endpoints.length - a.endpoints.length)[0];
    if (fits === undefined) plan.create.push(filled(template, group, rest));
    else {
      fits.endpoints.push(...rest);
      fits.changed = true;
    }
  }
  for (const { slice, endpoints, changed } of kept) {
    if (endpoints.length === 0) plan.remove.push(slice);
    else if (changed) plan.update.push(withMeta({ ...slice, endpoints }, template));
  }
}

const identity = ({ addresses, targetRef, hostname }: Endpoint): string =>
  JSON.stringify([addresses, targetRef?.namespace, targetRef?.name, targetRef?.uid, hostname]);

function filled(template: New<EndpointSlice>, { addressType, ports }: EndpointGroup, endpoints: Endpoint[]): New<EndpointSlice> {
  return { ...template, addressType, ports, endpoints };
}

function sameMeta(slice: EndpointSlice, template: New<EndpointSlice>): boolean {
  return sameJson(slice.metadata.labels, template.metadata.labels);
}

function withMeta(slice: EndpointSlice, { metadata }: New<EndpointSlice>): EndpointSlice {
  return {
    ...slice,
    metadata: {
      ...slice.metadata,
      labels: metadata.labels,
      annotations: { ...slice.metadata.annotations, ...metadata.annotations },
    },
  };
}

/** A source without endpoints still has one empty slice, which tells proxies that it is known. */
function keepPlaceholder(
  addressType: string,
  existing: readonly EndpointSlice[],
  { template }: PackingOptions,
  plan: SlicePlan,
): void {
  const removed = new Set(plan.remove);
  const isType = (slice: { addressType: string }): boolean => slice.addressType === addressType;
  if (plan.create.some(isType) || existing.some((slice) => isType(slice) && !removed.has(slice))) return;
  const placeholder = plan.remove.find(
    (slice) => isType(slice) && (slice.endpoints ?? []).length === 0 && (slice.ports ?? []).length === 0,
  );
  if (placeholder === undefined) {
    plan.create.push({ ...template, addressType, ports: [], endpoints: [] });
    return;
  }
  plan.remove = plan.remove.filter((slice) => slice !== placeholder);
  if (!sameMeta(placeholder, template)) plan.update.push(withMeta(placeholder, template));
}
