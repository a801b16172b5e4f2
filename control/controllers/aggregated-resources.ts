/**
 * Finds the resources of aggregated API servers by discovery, because our catalog does not contain them.
 *
 * Source: client-go `discovery/aggregated_discovery.go`, `discovery/discovery_client.go` (ErrGroupDiscoveryFailed).
 */
import { json } from 'node:stream/consumers';
import { isJsonObject } from '#api/json.ts';
import { apiVersionOf } from '#api/meta.ts';
import type { Resource } from '#api/resources.ts';
import type { APIService } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';

/** The resources of aggregated servers. */
export interface AggregatedResources {
  resources: Resource[];
  /** Group versions whose discovery fails. */
  failing: string[];
}

/** The body of `GET /apis` as far as it is read here; every field may be missing. */
interface DiscoveryList {
  items?: { metadata?: { name?: string }; versions?: VersionDiscovery[] }[];
}

interface VersionDiscovery {
  version?: string;
  freshness?: string;
  resources?: {
    resource?: string;
    responseKind?: { kind?: string };
    scope?: string;
    verbs?: string[];
  }[];
}

/**
 * Asks the API server. @param services all APIServices: when none has another server, no request is made @throws Error for an invalid
 * answer
 */
export async function aggregatedResources(client: Client, services: readonly APIService[]): Promise<AggregatedResources> {
  const remote = services.filter(({ spec }) => spec.service !== undefined);
  if (remote.length === 0) return { resources: [], failing: [] };
  const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
  const { status, body } = await client.raw({ method: 'GET', path: '/apis', headers: { accept } });
  if (status !== 200) throw new Error(`GET /apis: status ${status}`);
  const document: unknown = await json(body);
  if (!isJsonObject(document)) throw new Error('GET /apis: not a document');
  return resourcesOf(document as DiscoveryList, new Set(remote.map(({ metadata }) => metadata.name)));
}

/** Reads the resources from a discovery document. Pure. @param names names of the APIServices to look for */
export function resourcesOf({ items = [] }: DiscoveryList, names: ReadonlySet<string>): AggregatedResources {
  const found: AggregatedResources = { resources: [], failing: [] };
  for (const { metadata, versions = [] } of items) {
    const group = metadata?.name ?? '';
    for (const { version = '', freshness, resources = [] } of versions) {
      if (!names.has(`${version}.${group}`)) continue;
      if (freshness === 'Stale') found.failing.push(apiVersionOf(group, version));
      for (const { resource: plural = '', responseKind, scope, verbs = [] } of resources)
        found.resources.push(row(group, version, plural, responseKind?.kind ?? '', scope === 'Namespaced', verbs));
    }
  }
  found.failing.sort();
  return found;
}

/** client-go's text for what could not be discovered. */
export const discoveryFailure = (failing: readonly string[]): string =>
  `unable to retrieve the complete list of server APIs: ${failing
    .map((name) => `${name}: stale GroupVersion discovery: ${name}`)
    .join(', ')}`;

const row = (
  group: string,
  version: string,
  plural: string,
  kind: string,
  namespaced: boolean,
  verbs: readonly string[],
): Resource => ({
  id: `${plural}.${version}.${group}`,
  group,
  version,
  kind,
  plural,
  singular: '',
  namespaced,
  verbs,
  shortNames: [],
  categories: [],
  subresources: [],
  storagePrefix: '',
  storedAs: undefined,
  schema: '',
  deprecation: undefined,
  announced: true,
  returnsDeleted: 'no',
  garbageCollected: false,
  priority: undefined,
});
