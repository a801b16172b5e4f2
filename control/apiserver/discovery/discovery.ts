/**
 * Discovery of groups, versions and resources, in the legacy and the aggregated form.
 *
 * Source: kubernetes.io, API discovery; KEP-3352 (aggregated discovery v2).
 */
import { createHash } from 'node:crypto';
import { encodeProtobuf } from '#api/codec/protobuf.ts';
import type { JsonObject } from '#api/json.ts';
import type { Subresource } from '#api/resources.ts';
import type { TransportResponse } from '#client/transport.ts';
import { contentTypeOf, type Format, negotiate, wantsPretty } from '../rest/negotiation.ts';
import type { RequestInfo } from '../rest/request-info.ts';
import { bytesResponse, objectResponse, pageNotFound } from '../rest/responses.ts';
import { encodeAny } from '../rest/wire.ts';
import type { Announced, ServedGroups } from './served-groups.ts';

/**
 * Answers discovery paths; undefined for others.
 * @param serverAddress the address for clients in the legacy `/api` document
 */
export function handleDiscovery(
  served: ServedGroups,
  info: RequestInfo,
  headers: Record<string, string>,
  serverAddress: string,
): TransportResponse | undefined {
  const parts = info.path.split('/').filter((part) => part !== '');
  const [prefix, first, second] = parts;
  if (prefix !== 'api' && prefix !== 'apis') return undefined;
  if (parts.length === 1) return rootDocument(served, prefix, info, headers, serverAddress);
  if (prefix === 'api') {
    if (parts.length !== 2) return undefined;
    return served.has('', first ?? '') ? typed(info, headers, resourceList(served, '', first ?? '')) : pageNotFound();
  }
  if (first === undefined || !served.groups.includes(first) || first === '')
    return parts.length <= 3 ? pageNotFound() : undefined;
  if (parts.length === 2) return typed(info, headers, { kind: 'APIGroup', apiVersion: 'v1', ...apiGroup(served, first) });
  if (parts.length !== 3) return undefined;
  return served.has(first, second ?? '') ? typed(info, headers, resourceList(served, first, second ?? '')) : pageNotFound();
}

function typed({ query }: RequestInfo, headers: Record<string, string>, document: JsonObject): TransportResponse {
  const { format } = negotiate(headers['accept'], () => false);
  return objectResponse(200, document, format, wantsPretty(query, headers['user-agent']));
}

/** As upstream since 1.1, the JSON has no apiVersion, and the protobuf envelope an empty one. */
function legacyVersions({ query }: RequestInfo, headers: Record<string, string>, document: JsonObject): TransportResponse {
  const { format } = negotiate(headers['accept'], () => false);
  if (format !== 'protobuf') return objectResponse(200, document, format, wantsPretty(query, headers['user-agent']));
  const bytes = encodeProtobuf(document, 'meta/v1.APIVersions', { apiVersion: '', kind: 'APIVersions' });
  return bytesResponse(200, contentTypeOf(format), bytes);
}

function rootDocument(
  served: ServedGroups,
  prefix: 'api' | 'apis',
  info: RequestInfo,
  headers: Record<string, string>,
  serverAddress: string,
): TransportResponse {
  // Upstream has removed v2beta1 (AggregatedDiscoveryRemoveBetaType, locked since 1.35): a client that asks for it gets the next form that it accepts.
  const { convert, format } = negotiate(
    headers['accept'],
    ({ kind, group, version }) => kind === 'APIGroupDiscoveryList' && group === 'apidiscovery.k8s.io' && version === 'v2',
  );
  if (convert !== undefined) return aggregated(served, prefix, info, headers, format);
  if (prefix === 'apis') {
    return typed(info, headers, {
      kind: 'APIGroupList',
      apiVersion: 'v1',
      groups: served.groups.filter((group) => group !== '').map((group) => apiGroup(served, group)),
    });
  }
  return legacyVersions(info, headers, {
    kind: 'APIVersions',
    versions: [...served.versionsOf('')],
    serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }],
  });
}

function apiGroup(served: ServedGroups, group: string) {
  const versions = served.versionsOf(group).map((version) => ({ groupVersion: `${group}/${version}`, version }));
  return { name: group, versions, preferredVersion: versions[0] };
}

function resourceList(served: ServedGroups, group: string, version: string) {
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: group === '' ? version : `${group}/${version}`,
    resources: served
      .resourcesOf(group, version)
      .flatMap((one) => [mainResource(one), ...one.subresources.map((sub) => subresource(one, sub))]),
  };
}

function mainResource(one: Announced) {
  return {
    name: one.plural,
    singularName: one.singular,
    namespaced: one.namespaced,
    kind: one.kind,
    verbs: [...one.verbs],
    ...(one.shortNames.length > 0 ? { shortNames: [...one.shortNames] } : {}),
    ...(one.categories.length > 0 ? { categories: [...one.categories] } : {}),
    ...(one.storedForm === undefined ? {} : { storageVersionHash: storageVersionHash(one.storedForm) }),
  };
}

/** Upstream's own: eight bytes of SHA-256 over the group/version/kind that is stored. */
function storageVersionHash({ group, version, kind }: NonNullable<Announced['storedForm']>): string {
  return createHash('sha256').update(`${group}/${version}/${kind}`).digest().subarray(0, 8).toString('base64');
}

function subresource(one: Announced, sub: Subresource) {
  const foreign = sub.group !== one.group || sub.version !== one.version;
  return {
    name: `${one.plural}/${sub.name}`,
    singularName: '',
    namespaced: one.namespaced,
    ...(foreign ? { group: sub.group, version: sub.version } : {}),
    kind: sub.kind,
    verbs: [...sub.verbs],
  };
}

function aggregated(
  served: ServedGroups,
  prefix: 'api' | 'apis',
  { query }: RequestInfo,
  headers: Record<string, string>,
  format: Format,
): TransportResponse {
  const items = served.groups
    .filter((group) => (prefix === 'api') === (group === ''))
    .map((group) => ({
      metadata: group === '' ? {} : { name: group },
      versions: served.versionsOf(group).map((version) => versionDiscovery(served, group, version)),
    }));
  const document = { kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2', metadata: {}, items };
  // The hash is of the JSON for every format: `Vary` keeps caches from mixing them.
  const etag = `"${createHash('sha512').update(JSON.stringify(document)).digest('hex').toUpperCase()}"`;
  const type = `${contentTypeOf(format)};g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList`;
  const caching = { etag, vary: 'Accept', 'cache-control': 'public' };
  if (headers['if-none-match'] === etag) return bytesResponse(304, type, new Uint8Array(), caching);
  const pretty = wantsPretty(query, headers['user-agent']);
  return bytesResponse(200, type, encodeAny(document, { format, pretty }), caching);
}

function versionDiscovery(served: ServedGroups, group: string, version: string): JsonObject {
  const remote = served.remoteOf(group, version);
  const { resources, freshness } = remote ?? {
    resources: served.resourcesOf(group, version).map(aggregatedResource),
    freshness: 'Current',
  };
  return { version, ...(resources.length === 0 ? {} : { resources: [...resources] }), freshness };
}

function aggregatedResource(one: Announced) {
  return {
    resource: one.plural,
    responseKind: { group: one.group, version: one.version, kind: one.kind },
    scope: one.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: one.singular,
    verbs: [...one.verbs],
    ...(one.shortNames.length > 0 ? { shortNames: [...one.shortNames] } : {}),
    ...(one.categories.length > 0 ? { categories: [...one.categories] } : {}),
    ...(one.subresources.length > 0 ? { subresources: one.subresources.map(aggregatedSubresource) } : {}),
  };
}

function aggregatedSubresource({ name, group, version, kind, verbs }: Subresource) {
  return { subresource: name, responseKind: { group, version, kind }, verbs: [...verbs] };
}
