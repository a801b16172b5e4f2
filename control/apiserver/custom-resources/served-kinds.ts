/**
 * A definition as the kinds that it makes: one row for each served version, all over the same stored objects.
 *
 * The first kind owns the storage. That is the storage version if it is served, else any: stored objects say themselves which version they are of.
 */
import { copyJson } from '#api/copy-json.ts';
import { apiVersionOf, type KubeObject } from '#api/meta.ts';
import type { Resource } from '#api/resources.ts';
import type { DetailedType } from '#api/schema/facts.ts';
import { forbidden } from '#api/status.ts';
import { detailedType } from '#api/structural-schema/schema-types.ts';
import type { CustomResourceDefinition, CustomResourceDefinitionVersion } from '#api/types.generated.ts';
import { partSubresource } from '../kinds/part-subresource.ts';
import { type RestKind, type ServedSubresource, subresourceRows } from '../rest/exchange.ts';
import { customScale } from './scale.ts';
import { customResourceStrategy } from './strategy.ts';
import { VersionSchema } from './version-schema.ts';
import { type ConversionDeps, convertByWebhook } from './webhook-conversion.ts';

const verbs = ['delete', 'deletecollection', 'get', 'list', 'patch', 'create', 'update', 'watch'];

/** What the kinds have to know of their definition later. */
export interface DefinitionState {
  /** Whether it is being deleted: nothing more can be created. */
  isTerminating(): boolean;
  /** For conversion by a webhook. */
  conversion: ConversionDeps;
}

/** @returns the kinds, the one that owns the storage first; empty: no version is served */
export function kindsOf(definition: CustomResourceDefinition, state: DefinitionState): RestKind[] {
  const family = new Family(definition, state);
  const served = definition.spec.versions.filter((version) => version.served);
  const owner = served.find(({ storage }) => storage) ?? served[0];
  if (owner === undefined) return [];
  const rows = [owner, ...served.filter((version) => version !== owner)];
  return rows.map((version) => family.kind(version, owner));
}

/** All versions of one definition. */
class Family {
  readonly #definition: CustomResourceDefinition;
  readonly #state: DefinitionState;
  /** By `apiVersion`. */
  readonly #schemas: ReadonlyMap<string, VersionSchema>;
  readonly #storageVersion: string;
  readonly #preservesAll: boolean;

  constructor(definition: CustomResourceDefinition, state: DefinitionState) {
    const { group, versions, preserveUnknownFields = false } = definition.spec;
    this.#definition = definition;
    this.#state = state;
    this.#schemas = new Map(
      versions.map((version) => [apiVersionOf(group, version.name), new VersionSchema(version, preserveUnknownFields)]),
    );
    this.#preservesAll = preserveUnknownFields;
    this.#storageVersion = apiVersionOf(group, versions.find(({ storage }) => storage)?.name ?? '');
  }

  kind(version: CustomResourceDefinitionVersion, owner: CustomResourceDefinitionVersion): RestKind {
    const subresources = subresourcesOf(version);
    const row = rowOf(this.#definition, version, owner);
    const schemaOf = (object: KubeObject): VersionSchema => this.#schemaOf(object.apiVersion);
    const apiVersion = apiVersionOf(row.group, version.name);
    return {
      resource: { ...row, subresources: subresourceRows(row, subresources) },
      strategy: {
        ...customResourceStrategy(version, row.namespaced, this.#schemaOf(apiVersion), schemaOf),
        checkWriter: async (object, old) => this.#checkCreate(row, object, old),
      },
      subresources,
      ...this.#converting(apiVersion),
      unstructured: {
        prune: (object) => schemaOf(object).prune(object),
        pruneStored: (object) => void schemaOf(object).prune(object, true),
        isStorageVersion: (stored) => stored.apiVersion === this.#storageVersion,
      },
      types: typesOf(row),
      details: this.#details(row, version),
    };
  }

  #details(row: Resource, { schema, selectableFields = [] }: CustomResourceDefinitionVersion): DetailedType {
    const { uid, generation = 0 } = this.#definition.metadata;
    const published = {
      group: row.group,
      version: row.version,
      kind: row.kind,
      selectableFields: selectableFields.map(({ jsonPath }) => jsonPath.replace(/^\./, '')),
      revision: `${uid}/${generation}`,
    };
    return detailedType(row.schema, this.#preservesAll ? undefined : schema?.openAPIV3Schema, published);
  }

  #checkCreate({ group, plural }: Resource, object: KubeObject, old: KubeObject | undefined): void {
    if (old !== undefined || !this.#state.isTerminating()) return;
    const why = 'create not allowed while custom resource definition is terminating';
    throw forbidden({ group, name: plural }, object.metadata.name ?? '', why);
  }

  /** @throws Error for a version that the definition has no more: its objects cannot be read */
  #schemaOf(apiVersion: string): VersionSchema {
    const found = this.#schemas.get(apiVersion);
    if (found === undefined) throw new Error(`request to convert CR from an invalid group/version: ${apiVersion}`);
    return found;
  }

  /** How objects become those of one version, and how they are stored. */
  #converting(apiVersion: string): Pick<RestKind, 'conversion' | 'remote'> {
    const { conversion: { strategy, webhook } = {} } = this.#definition.spec;
    const conversion = {
      fromStored: (stored: KubeObject) => this.#renamed(stored, apiVersion),
      toStored: (served: KubeObject) => this.#renamed(served, this.#storageVersion),
    };
    if (strategy !== 'Webhook' || webhook === undefined) return { conversion };
    const into = async (objects: readonly KubeObject[], target: string): Promise<KubeObject[]> => {
      if (objects.every((object) => object.apiVersion === target)) return [...objects];
      const converted = await convertByWebhook(this.#state.conversion, webhook, objects, target);
      for (const object of converted) this.#schemaOf(target).prune(object);
      return converted;
    };
    const remote = {
      fromStored: (stored: readonly KubeObject[]) => into(stored, apiVersion),
      toStored: async (served: KubeObject) => (await into([served], this.#storageVersion))[0] as KubeObject,
      isServed: (stored: KubeObject) => stored.apiVersion === apiVersion,
    };
    return { conversion, remote };
  }

  /** Strategy `None`: only the version's name changes, and what the other schema does not know is dropped. */
  #renamed(object: KubeObject, target: string): KubeObject {
    if (object.apiVersion === target) return object;
    const converted = { ...copyJson(object), apiVersion: target };
    this.#schemaOf(target).prune(converted);
    return converted;
  }
}

function subresourcesOf({ subresources }: CustomResourceDefinitionVersion): Record<string, ServedSubresource> {
  return {
    ...(subresources?.scale === undefined ? {} : { scale: customScale(subresources.scale) }),
    ...(subresources?.status === undefined ? {} : { status: partSubresource('status') }),
  };
}

function rowOf(
  { spec, status }: CustomResourceDefinition,
  { name: version, deprecated = false, deprecationWarning }: CustomResourceDefinitionVersion,
  owner: CustomResourceDefinitionVersion,
): Resource {
  const { group, scope } = spec;
  const { plural, kind, listKind, singular = '', shortNames = [], categories = [] } = status?.acceptedNames ?? spec.names;
  const ownerId = `${plural}.${group}`;
  const isOwner = version === owner.name;
  return {
    id: isOwner ? ownerId : `${plural}.${version}.${group}`,
    group,
    version,
    kind,
    ...(listKind === undefined ? {} : { listKind }),
    plural,
    singular,
    namespaced: scope === 'Namespaced',
    verbs,
    shortNames,
    categories,
    subresources: [],
    storagePrefix: `/registry/${group}/${plural}`,
    storedAs: isOwner ? undefined : ownerId,
    schema: `${group}/${version}.${kind}`,
    deprecation: deprecated ? (deprecationWarning ?? `${group}/${version} ${kind} is deprecated`) : undefined,
    announced: true,
    returnsDeleted: 'no',
    garbageCollected: true,
    priority: undefined,
  };
}

/** What the codec needs: everything but metadata is kept as it is, and the schema looks at it afterwards. */
function typesOf({ group, version, kind, listKind = `${kind}List`, schema }: Resource): string {
  return `${schema} kind=${group}/${version}/${kind} open
 apiVersion 0 s
 kind 0 s
 metadata 1 meta/v1.ObjectMeta
${schema}List kind=${group}/${version}/${listKind}
 apiVersion 0 s
 items 2 []${schema} !
 kind 0 s
 metadata 1 meta/v1.ListMeta`;
}
