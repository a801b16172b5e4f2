/** For tests only: definitions of custom resources. */
import type { JsonObject } from '#api/json.ts';
import type { CustomResourceDefinition, JSONSchemaProps } from '#api/types.generated.ts';
import type { TestServer } from '../api-server.testing.ts';

/** A version of a definition, as a test writes it. */
export type VersionParts = Partial<CustomResourceDefinition['spec']['versions'][number]>;

/** What a test says of a definition. */
export interface DefinitionParts {
  group?: string;
  kind?: string;
  plural?: string;
  scope?: 'Cluster' | 'Namespaced';
  names?: JsonObject;
  versions?: readonly VersionParts[];
  schema?: JSONSchemaProps;
  spec?: JsonObject;
}

/** A schema that keeps everything. */
export const anything: JSONSchemaProps = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };

/** A definition of Widgets in example.com/v1, unless the parts say something else. */
export function definition(parts: DefinitionParts = {}): CustomResourceDefinition {
  const { group = 'example.com', kind = 'Widget', plural = `${kind.toLowerCase()}s`, scope = 'Namespaced' } = parts;
  const { names = {}, versions = [{}], schema = anything, spec = {} } = parts;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` } as CustomResourceDefinition['metadata'],
    spec: {
      group,
      scope,
      names: { plural, kind, ...names },
      versions: versions.map((version, index) => ({
        name: 'v1',
        served: true,
        storage: index === 0,
        schema: { openAPIV3Schema: schema },
        ...version,
      })),
      ...spec,
    },
  };
}

const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

/** Makes a definition and waits until it is established. @throws when it is refused */
export async function define(api: TestServer, one: CustomResourceDefinition): Promise<CustomResourceDefinition> {
  const made = await api.request('POST', path, one);
  if (made.status !== 201) throw new Error(`${made.status} ${made.text}`);
  return await untilCondition(api, one.metadata.name, 'Established', 'True');
}

/** Waits until the definition has the condition. */
export async function untilCondition(
  api: TestServer,
  name: string,
  type: string,
  status: string,
): Promise<CustomResourceDefinition> {
  return (await untilDefinition(
    api,
    name,
    (one) => one?.status?.conditions?.some((is) => is.type === type && is.status === status) === true,
  )) as CustomResourceDefinition;
}

/** Waits until the definition is so; undefined: it has gone. */
export async function untilDefinition(
  api: TestServer,
  name: string,
  isSo: (one: CustomResourceDefinition | undefined) => boolean,
): Promise<CustomResourceDefinition | undefined> {
  const ended = new AbortController();
  const client = api.client.resource('customresourcedefinitions.apiextensions.k8s.io');
  try {
    const { items, metadata } = await client.list({ fieldSelector: `metadata.name=${name}` });
    let found = items[0] as CustomResourceDefinition | undefined;
    if (isSo(found)) return found;
    const options = { fieldSelector: `metadata.name=${name}`, resourceVersion: metadata.resourceVersion ?? '' };
    for await (const event of client.watch(options, ended.signal)) {
      if (event.type === 'BOOKMARK') continue;
      found = event.type === 'DELETED' ? undefined : (event.object as CustomResourceDefinition);
      if (isSo(found)) return found;
    }
    throw new Error(`the watch of ${name} ended`);
  } finally {
    ended.abort();
  }
}
