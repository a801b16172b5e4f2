/**
 * The resources of an aggregated server, in the form of aggregated discovery. A server without aggregated discovery is asked for the legacy
 * form.
 *
 * Source: kube-aggregator `pkg/apiserver/handler_discovery.go`; apiserver `pkg/endpoints/installer.go` (ConvertGroupVersionIntoToDiscovery).
 */
import { isJsonObject, type JsonObject } from '#api/json.ts';
import { ownValue } from '#api/own-value.ts';
import { parsed, RemoteAnswerError, type RemoteReader } from './remote-answer.ts';
import type { RemoteService } from './remote-services.ts';

const timeoutMs = 5000;
const accept = ['v2', 'v2beta1']
  .map((version) => `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`)
  .join(',');

/**
 * Its resources (`APIResourceDiscovery`); empty if the server does not serve the group and version.
 * @throws RemoteAnswerError
 */
export async function remoteResources(service: RemoteService, reader: RemoteReader): Promise<readonly JsonObject[]> {
  const { group, version } = service.spec;
  const { status, headers, body } = await reader.get(service, '/apis', { accept }, timeoutMs);
  if (status === 503) throw new RemoteAnswerError(`${service.metadata.name}: ${body.toString('utf8', 0, 200).trim()}`);
  if (status === 200 && /as=APIGroupDiscoveryList/.test(headers['content-type'] ?? ''))
    return aggregatedResources(parsed(body), group, version);
  return listedResources(await reader.json(service, `/apis/${group}/${version}`, timeoutMs), group, version);
}

function aggregatedResources(document: unknown, group: string, version: string): readonly JsonObject[] {
  const named = (list: unknown, matches: (one: JsonObject) => boolean): JsonObject | undefined => objects(list).find(matches);
  const found = named(field(document, 'items'), (one) => field(one['metadata'], 'name') === group);
  const resources = objects(
    field(
      named(found?.['versions'], (one) => one['version'] === version),
      'resources',
    ),
  );
  return resources.filter(({ resource }) => typeof resource === 'string').map(withKinds);
}

/** Clients rely on `responseKind`. */
function withKinds({ subresources, ...resource }: JsonObject): JsonObject {
  const inner = objects(subresources);
  return {
    ...resource,
    responseKind: resource['responseKind'] ?? noKind,
    ...(inner.length === 0
      ? {}
      : { subresources: inner.map((one) => ({ ...one, responseKind: one['responseKind'] ?? noKind })) }),
  };
}

const noKind: JsonObject = { group: '', version: '', kind: '' };

function listedResources(document: unknown, group: string, version: string): readonly JsonObject[] {
  const byName = new Map<string, JsonObject & { subresources?: JsonObject[] }>();
  const listed = objects(field(document, 'resources')).filter(({ name }) => typeof name === 'string');
  const kindOf = (one: JsonObject): JsonObject => ({
    group: one['group'] || group,
    version: one['version'] || version,
    kind: one['kind'] ?? '',
  });
  for (const one of listed) {
    const name = one['name'] as string;
    if (name.includes('/')) continue;
    byName.set(name, {
      resource: name,
      responseKind: kindOf(one),
      scope: one['namespaced'] === true ? 'Namespaced' : 'Cluster',
      singularResource: one['singularName'] ?? '',
      verbs: one['verbs'] ?? [],
      ...(one['shortNames'] === undefined ? {} : { shortNames: one['shortNames'] }),
      ...(one['categories'] === undefined ? {} : { categories: one['categories'] }),
    });
  }
  for (const one of listed) {
    const [name = '', subresource] = (one['name'] as string).split('/', 2);
    const parent = subresource === undefined ? undefined : byName.get(name);
    if (parent === undefined) continue;
    const entry: JsonObject = { subresource: subresource as string, responseKind: kindOf(one), verbs: one['verbs'] ?? [] };
    parent.subresources = [...(parent.subresources ?? []), entry];
  }
  return [...byName.values()];
}

const field = (value: unknown, name: string): unknown => (isJsonObject(value) ? ownValue(value, name) : undefined);
const objects = (value: unknown): JsonObject[] => (Array.isArray(value) ? value.filter(isJsonObject) : []);
