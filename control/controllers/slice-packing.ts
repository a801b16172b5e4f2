/**
 * Packs endpoints into EndpointSlices so that few slices change, because every node watches all slices.
 *
 * Source: kubernetes `staging/src/k8s.io/endpointslice/reconciler.go` (reconcileByPortMapping); KEP-752.
 */

import type { New } from '#api/meta.ts';
import { sameJson } from '#api/meta.ts';
import { triggerTimeAnnotation } from '#api/service-labels.ts';
import type { DiscoveryEndpointPort, Endpoint, EndpointSlice } from '#api/types.generated.ts';

/** Endpoints with the same address type and ports. They may be in the same slice. */
export interface EndpointGroup {
  addressType: string;
  ports: DiscoveryEndpointPort[];
  endpoints: Endpoint[];
}

/** The slices to create, update and delete. */
export interface SlicePlan {
  create: New<EndpointSlice>[];
  update: EndpointSlice[];
  remove: EndpointSlice[];
}

/** Options of {@link packSlices}. */
export interface PackingOptions {
  maxPerSlice: number;
  /** The name, labels and owner of new slices. Endpoints, ports and address type are set later. */
  template: New<EndpointSlice>;
  /** Address types that keep one empty slice when there are no endpoints. Empty: a source without endpoints has no slice. */
  placeholders: readonly string[];
  /** Whether slices must have exactly the owners and annotations of the template. Otherwise only its labels matter. */
  exactMeta?: boolean;
}

/** Plans the changes of slices. Pure. @param existing the slices that are managed for this source */
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
  return reuseRemovedSlices(plan, options);
}

/**
 * Reuses slices that would be deleted for endpoints of slices that would be created. Then readers never see an endpoint missing
 * or twice.
 */
function reuseRemovedSlices(plan: SlicePlan, options: PackingOptions): SlicePlan {
  const create = [...plan.create];
  const remove: EndpointSlice[] = [];
  const update = [...plan.update];
  for (const slice of plan.remove) {
    // The address type of a slice is immutable.
    const index = create.findLastIndex(({ addressType }) => addressType === slice.addressType);
    const [content] = index < 0 ? [] : create.splice(index, 1);
    if (content === undefined) remove.push(slice);
    else update.push(withMeta({ ...slice, ports: content.ports, endpoints: content.endpoints }, options));
  }
  return { create, update, remove };
}

function groupKey({ addressType, ports }: { addressType: string; ports?: DiscoveryEndpointPort[] | undefined }): string {
  const texts = (ports ?? []).map(({ name = '', port, protocol, appProtocol }) =>
    JSON.stringify([name, port, protocol, appProtocol]),
  );
  return `${addressType} ${texts.sort().join()}`;
}

function packGroup(slices: readonly EndpointSlice[], group: EndpointGroup, options: PackingOptions, plan: SlicePlan): void {
  const { maxPerSlice, template } = options;
  const waiting = new Map(group.endpoints.map((endpoint) => [identity(endpoint), endpoint]));
  const kept = slices.map((slice) => {
    const endpoints = (slice.endpoints ?? []).flatMap((endpoint): Endpoint[] => {
      const wanted = waiting.get(identity(endpoint));
      waiting.delete(identity(endpoint));
      if (wanted === undefined) return [];
      return [sameJson(wanted, endpoint) ? endpoint : wanted];
    });
    return { slice, endpoints, changed: !sameJson(endpoints, slice.endpoints ?? []) || !sameMeta(slice, options) };
  });
  const rest = [...waiting.values()];
  // Slices that must be written anyway get new endpoints first, the fullest ones before the others.
  for (const one of kept.filter(({ changed }) => changed).sort((a, b) => b.endpoints.length - a.endpoints.length)) {
    if (one.endpoints.length > 0) one.endpoints.push(...rest.splice(0, maxPerSlice - one.endpoints.length));
  }
  while (rest.length >= maxPerSlice) plan.create.push(filled(template, group, rest.splice(0, maxPerSlice)));
  if (rest.length > 0) {
    // One more slice may get the remaining endpoints if all of them fit. Otherwise a new slice is created.
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
    else if (changed) plan.update.push(withMeta({ ...slice, endpoints }, options));
  }
}

const identity = ({ addresses, targetRef, hostname }: Endpoint): string =>
  JSON.stringify([addresses, targetRef?.namespace, targetRef?.name, targetRef?.uid, hostname]);

function filled(template: New<EndpointSlice>, { addressType, ports }: EndpointGroup, endpoints: Endpoint[]): New<EndpointSlice> {
  return { ...template, addressType, ports, endpoints };
}

function sameMeta({ metadata }: EndpointSlice, { template, exactMeta }: PackingOptions): boolean {
  const wanted = template.metadata;
  if (!sameJson(metadata.labels, wanted.labels)) return false;
  return (
    exactMeta !== true ||
    (sameJson(metadata.annotations ?? {}, wanted.annotations ?? {}) && sameJson(metadata.ownerReferences, wanted.ownerReferences))
  );
}

function withMeta(slice: EndpointSlice, { template, exactMeta }: PackingOptions): EndpointSlice {
  const { labels, annotations, ownerReferences } = template.metadata;
  if (exactMeta === true) return { ...slice, metadata: { ...slice.metadata, labels, annotations, ownerReferences } };
  // The trigger time of an earlier change does not apply to this one.
  const { [triggerTimeAnnotation]: _earlier, ...kept } = slice.metadata.annotations ?? {};
  return { ...slice, metadata: { ...slice.metadata, labels, annotations: { ...kept, ...annotations } } };
}

/** Keeps one empty slice for a source without endpoints: it shows proxies that the source is known. */
function keepPlaceholder(
  addressType: string,
  existing: readonly EndpointSlice[],
  options: PackingOptions,
  plan: SlicePlan,
): void {
  const removed = new Set(plan.remove);
  const isType = (slice: { addressType: string }): boolean => slice.addressType === addressType;
  if (plan.create.some(isType) || existing.some((slice) => isType(slice) && !removed.has(slice))) return;
  const placeholder = plan.remove.find(
    (slice) => isType(slice) && (slice.endpoints ?? []).length === 0 && (slice.ports ?? []).length === 0,
  );
  if (placeholder === undefined) {
    plan.create.push({ ...options.template, addressType, ports: [], endpoints: [] });
    return;
  }
  plan.remove = plan.remove.filter((slice) => slice !== placeholder);
  if (!sameMeta(placeholder, options)) plan.update.push(withMeta(placeholder, options));
}
