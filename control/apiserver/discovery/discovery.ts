/**
 * Discovery: which groups, versions and resources there are, in the legacy and the aggregated form.
 *
 * Source: kubernetes.io, API discovery; KEP-3352 (aggregated discovery v2).
 */
import { createHash } from 'node:crypto';
import { encodeProtobuf } from '#api/codec/protobuf.ts';
import type { JsonObject } from '#api/json.ts';
import { resources, type Subresource } from '#api/resources.ts';
import { reviewResources } from '#api/review-resources.ts';
import type { TransportResponse } from '#client/transport.ts';
import { contentTypeOf, type Format, negotiate, wantsPretty } from '../rest/negotiation.ts';
import type { RequestInfo } from '../rest/request-info.ts';
import { bytesResponse, objectResponse, pageNotFound } from '../rest/responses.ts';

import { encodeAny } from '../rest/wire.ts';

interface Served {
  group: string;
  version: string;
  plural: string;
  singular: string;
  kind: string;
  namespaced: boolean;
  verbs: readonly string[];
  shortNames: readonly string[];
  categories: readonly string[];
  subresources: readonly Subresource[];
  storagePrefix: string;
}

const served: readonly Served[] = [
  ...resources,
  ...reviewResources.map(
    (resource): Served => ({
      ...resource,
      verbs: ['create'],
      shortNames: [],
      categories: [],
      subresources: [],
      storagePrefix: '',
    }),
  ),
  {
    group: '',
    version: 'v1',
    plural: 'bindings',
    singular: 'binding',
    kind: 'Binding',
    namespaced: true,
    verbs: ['create'],
    shortNames: [],
    categories: [],
    subresources: [],
    storagePrefix: '',
  },
];

/** In upstream's order of priority, as `kubectl api-resources` shows them. */
const groupOrder = [
  '',
  'apps',
  'events.k8s.io',
  'authentication.k8s.io',
  'authorization.k8s.io',
  'autoscaling',
  'policy',
  'coordination.k8s.io',
  'discovery.k8s.io',
];

const groups: readonly string[] = [...new Set(served.map(({ group }) => group))].sort(
  (a, b) => groupOrder.indexOf(a) - groupOrder.indexOf(b),
);

const ofGroup = (group: string, version: string): Served[] =>
  served.filter((one) => one.group === group && one.version === version).sort((a, b) => (a.plural < b.plural ? -1 : 1));

const versionsOf = (group: string): string[] => [
  ...new Set(served.filter((one) => one.group === group).map(({ version }) => version)),
];

export function isServedGroupVersion(group: string, version: string): boolean {
  return served.some((one) => one.group === group && one.version === version);
}

/** Answers discovery paths; undefined for others. */
export function handleDiscovery(
  info: RequestInfo,
  headers: Record<string, string>,
  serverAddress: string,
): TransportResponse | undefined {
  const parts = info.path.split('/').filter((part) => part !== '');
  const [prefix, first, second] = parts;
  if (prefix !== 'api' && prefix !== 'apis') return undefined;
  if (parts.length === 1) return rootDocument(prefix, info, headers, serverAddress);
  if (prefix === 'api') {
    if (parts.length !== 2) return undefined;
    return isServedGroupVersion('', first ?? '') ? typed(info, headers, resourceList('', first ?? '')) : pageNotFound();
  }
  if (first === undefined || !groups.includes(first) || first === '') return parts.length <= 3 ? pageNotFound() : undefined;
  if (parts.length === 2) return typed(info, headers, { kind: 'APIGroup', apiVersion: 'v1', ...apiGroup(first) });
  if (parts.length !== 3) return undefined;
  return isServedGroupVersion(first, second ?? '') ? typed(info, headers, resourceList(first, second ?? '')) : pageNotFound();
}

function typed({ query }: RequestInfo, headers: Record<string, string>, document: JsonObject): TransportResponse {
  const { format } = negotiate(headers['accept'], () => false);
  return objectResponse(200, document, format, wantsPretty(query, headers['user-agent']));
}

/** As upstream since 1.1: its JSON has no apiVersion, and the envelope of its protobuf an empty one. */
function legacyVersions({ query }: RequestInfo, headers: Record<string, string>, document: JsonObject): TransportResponse {
  const { format } = negotiate(headers['accept'], () => false);
  if (format !== 'protobuf') return objectResponse(200, document, format, wantsPretty(query, headers['user-agent']));
  const bytes = encodeProtobuf(document, 'meta/v1.APIVersions', { apiVersion: '', kind: 'APIVersions' });
  return bytesResponse(200, contentTypeOf(format), bytes);
}

function rootDocument(
  prefix: 'api' | 'apis',
  info: RequestInfo,
  headers: Record<string, string>,
  serverAddress: string,
): TransportResponse {
  // v2beta1 is gone from upstream (AggregatedDiscoveryRemoveBetaType, locked since 1.35): who asks for it gets the next he accepts.
  const { convert, format } = negotiate(
    headers['accept'],
    ({ kind, group, version }) => kind === 'APIGroupDiscoveryList' && group === 'apidiscovery.k8s.io' && version === 'v2',
  );
  if (convert !== undefined) return aggregated(prefix, info, headers, format);
  if (prefix === 'apis') {
    return typed(info, headers, {
      kind: 'APIGroupList',
      apiVersion: 'v1',
      groups: groups.filter((group) => group !== '').map(apiGroup),
    });
  }
  return legacyVersions(info, headers, {
    kind: 'APIVersions',
    versions: versionsOf(''),
    serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }],
  });
}

function apiGroup(group: string) {
  const versions = versionsOf(group).map((version) => ({ groupVersion: `${group}/${version}`, version }));
  return { name: group, versions, preferredVersion: versions[0] };
}

function resourceList(group: string, version: string) {
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: group === '' ? version : `${group}/${version}`,
    resources: ofGroup(group, version).flatMap((one) => [
      mainResource(one),
      ...one.subresources.map((sub) => subresource(one, sub)),
    ]),
  };
}

function mainResource(one: Served) {
  return {
    name: one.plural,
    singularName: one.singular,
    namespaced: one.namespaced,
    kind: one.kind,
    verbs: [...one.verbs],
    ...(one.shortNames.length > 0 ? { shortNames: [...one.shortNames] } : {}),
    ...(one.categories.length > 0 ? { categories: [...one.categories] } : {}),
    ...(one.storagePrefix === '' ? {} : { storageVersionHash: storageVersionHash(one) }),
  };
}

/** Upstream's own: eight bytes of SHA-256 over group/version/kind. */
function storageVersionHash({ group, version, kind }: Served): string {
  const stored = group === 'events.k8s.io' ? '/v1/Event' : `${group}/${version}/${kind}`;
  return createHash('sha256').update(stored).digest().subarray(0, 8).toString('base64');
}

function subresource(one: Served, sub: Subresource) {
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
  prefix: 'api' | 'apis',
  { query }: RequestInfo,
  headers: Record<string, string>,
  format: Format,
): TransportResponse {
  const items = groups
    .filter((group) => (prefix === 'api') === (group === ''))
    .map((group) => ({
      metadata: group === '' ? {} : { name: group },
      versions: versionsOf(group).map((one) => ({
        version: one,
        resources: ofGroup(group, one).map(aggregatedResource),
        freshness: 'Current',
      })),
    }));
  const document = { kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2', metadata: {}, items };
  // Of the JSON, whatever the format: `Vary` keeps caches from mixing them.
  const etag = `"${createHash('sha512').update(JSON.stringify(document)).digest('hex').toUpperCase()}"`;
  const type = `${contentTypeOf(format)};g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList`;
  const caching = { etag, vary: 'Accept', 'cache-control': 'public' };
  if (headers['if-none-match'] === etag) return bytesResponse(304, type, new Uint8Array(), caching);
  const pretty = wantsPretty(query, headers['user-agent']);
  return bytesResponse(200, type, encodeAny(document, { format, pretty }), caching);
}

function aggregatedResource(one: Served) {
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
