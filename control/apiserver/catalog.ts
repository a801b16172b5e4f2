/**
 * The kinds that the API server serves: each row of the resource catalog, with its strategy and how its objects are stored.
 * `ApiServer.addKind` and `removeKind` change it at run time.
 */
import type { KubeObject } from '#api/meta.ts';
import { createResourceCatalog, type EditableCatalog, type ResourceCatalog } from '#api/resource-catalog.ts';
import type { Resource, ResourceId } from '#api/resources.ts';
import type { DetailedType } from '#api/schema/facts.ts';
import { failure } from '#api/status.ts';
import type { CachedObject } from './cache/cached-object.ts';
import type { Strategy } from './registry/strategy.ts';

/**
 * Converts between the form in which objects are stored and the form in which one row serves them. Both directions are lossless: an object
 * converted there and back is the same. The argument is not changed; the result may share parts with it.
 *
 * Source: apimachinery `pkg/runtime` (conversion through one stored version).
 */
export interface Conversion {
  fromStored(stored: KubeObject): KubeObject;
  toStored(served: KubeObject): KubeObject;
}

/** Additional functions of custom resources, whose fields are known only from their schema. */
export interface Unstructured {
  /**
   * Drops fields that are not in the schema of the object's version, in place.
   * @returns their paths, as in error messages @throws ApiError 400 for invalid parts
   */
  prune(object: KubeObject): string[];
  /** The same for a stored object: invalid parts are dropped. */
  pruneStored(object: KubeObject): void;
  /** Whether the object is in the current storage version. If not, an update without changes is written, too. */
  isStorageVersion(stored: KubeObject): boolean;
}

/** An asynchronous conversion, by a webhook. */
export interface RemoteConversion {
  /** Converts stored objects of other versions to the row's version, in their order. @throws ApiError 500 if they cannot be converted */
  fromStored(stored: readonly KubeObject[]): Promise<KubeObject[]>;
  /** @throws ApiError 500 likewise */
  toStored(served: KubeObject): Promise<KubeObject>;
  /** Whether the stored object is served as it is. */
  isServed(stored: KubeObject): boolean;
}

/** One row with everything that the server needs to serve it. */
export interface ServedKind {
  resource: Resource;
  strategy: Strategy;
  /**
   * For a row that is `storedAs` another one, or whose objects are stored in several versions; absent: objects are stored as they are
   * served.
   */
  conversion?: Conversion;
  /** For asynchronous conversion. {@link conversion} is then only used for objects that need none. */
  remote?: RemoteConversion;
  /** Of custom resources. */
  unstructured?: Unstructured;
  /** Schema facts of its types that are not built in, in the grammar of `api/schema/facts.ts`. */
  types?: string;
  /** More facts about its type, for managedFields. */
  details?: DetailedType;
}

/**
 * All kinds that one API server serves. Changed only by that server (`ApiServer.addKind`, `removeKind`); {@link resources} tells listeners.
 * @typeParam Kind may have more fields than the registry needs
 */
export class KindCatalog<Kind extends ServedKind = ServedKind> {
  readonly #kinds = new Map<string, Kind>();
  /** The kinds whose objects are stored in their own form. */
  readonly #byPrefix = new Map<string, Kind>();
  readonly #rows: EditableCatalog = createResourceCatalog([]);

  constructor(kinds: Iterable<Kind> = []) {
    for (const kind of kinds) this.add(kind);
  }

  /** Only the rows, for parts that need to know only which resources exist. */
  get resources(): ResourceCatalog {
    return this.#rows;
  }

  /**
   * The kind of a row. A request may have the row from before its kind was replaced; it then gets the current kind at the same path,
   * because the ids of a custom resource's versions change with its storage version.
   * @throws ApiError 404 if it was removed while a request for it was served
   */
  kind(row: Pick<Resource, 'id'> & Partial<Resource>): Kind {
    const found = this.#current(row);
    if (found === undefined) throw failure(404, 'NotFound', 'the server could not find the requested resource', {});
    return found;
  }

  #current({ id, group, version, plural }: Pick<Resource, 'id'> & Partial<Resource>): Kind | undefined {
    const found = this.#kinds.get(id);
    if (version === undefined || group === undefined || plural === undefined || found?.resource.version === version) return found;
    const row = this.#rows.find(group, version, plural);
    return row === undefined ? undefined : this.#kinds.get(row.id);
  }

  /** The row of a built-in kind. @throws Error when this server does not serve it */
  builtIn(id: ResourceId): Resource {
    return this.#rows.builtIn(id);
  }

  /** A copy, in the order in which they were added. */
  all(): Kind[] {
    return [...this.#kinds.values()];
  }

  /** The kind in whose form the objects under this prefix are stored. */
  storedUnder(storagePrefix: string): Kind | undefined {
    return this.#byPrefix.get(storagePrefix);
  }

  /** Whether {@link prepare} may have to convert objects. */
  isRemote(row: Resource): boolean {
    return this.#current(row)?.remote !== undefined;
  }

  /**
   * Converts objects with asynchronous conversion in advance, for {@link fromStored}. Undefined: there is nothing to convert. If objects
   * may be added meanwhile, it must be called until it returns undefined.
   * @returns a promise that rejects with ApiError 500 if they cannot be converted @throws ApiError 404 as {@link kind}
   */
  prepare(resource: Resource, stored: Iterable<CachedObject | undefined>): Promise<void> | undefined {
    const { remote } = this.kind(resource);
    if (remote === undefined) return undefined;
    const name = viewName(resource);
    const waiting = new Set<CachedObject>();
    for (const one of stored) if (one !== undefined && !one.isDerived(name) && !remote.isServed(one.object)) waiting.add(one);
    if (waiting.size === 0) return undefined;
    const objects = [...waiting];
    return remote.fromStored(objects.map(({ object }) => object)).then((served) => {
      for (const [index, one] of objects.entries()) one.derived(name, () => one.with(one.revision, served[index] as KubeObject));
    });
  }

  /** The stored object in the form of `resource`; converted once per version and view. @throws ApiError 404 as {@link kind} */
  fromStored(resource: Resource, stored: CachedObject): CachedObject {
    const { conversion } = this.kind(resource);
    if (conversion === undefined) return stored;
    return stored.derived(viewName(resource), () => {
      const served = conversion.fromStored(stored.object);
      return served === stored.object ? stored : stored.with(stored.revision, served);
    });
  }

  /** The object as it is stored. @throws ApiError 404 as {@link kind}; 500 when it cannot be converted */
  toStored(resource: Resource, object: KubeObject): KubeObject | Promise<KubeObject> {
    const { remote, conversion } = this.kind(resource);
    return remote?.toStored(object) ?? conversion?.toStored(object) ?? object;
  }

  /** Whether the object under this key is stored in an older version, which the next update replaces. */
  isOutdated(resource: Resource, stored: CachedObject | undefined): boolean {
    const { unstructured } = this.kind(resource);
    return stored !== undefined && unstructured?.isStorageVersion(stored.object) === false;
  }

  /** Converts an object from the form of one row to that of another row of the same objects. @throws ApiError 404 as {@link kind} */
  convert(object: KubeObject, from: Resource, to: Resource): KubeObject {
    const stored = this.kind(from).conversion?.toStored(object) ?? object;
    return this.kind(to).conversion?.fromStored(stored) ?? stored;
  }

  /** Adds a kind. @throws Error if its row, id or storage prefix exists already, or a view of another row has no conversion */
  add(kind: Kind): void {
    const { resource, conversion } = kind;
    if (conversion === undefined && resource.storedAs !== undefined)
      throw new Error(`resource "${resource.id}": a view of another row has a conversion`);
    if (this.#kinds.has(resource.id)) throw new Error(`the catalog already has a resource "${resource.id}"`);
    const isStored = resource.storedAs === undefined;
    if (isStored && this.#byPrefix.has(resource.storagePrefix))
      throw new Error(`resource "${resource.id}": objects of another one are stored under ${resource.storagePrefix}`);
    // Listeners of the rows may look up the kind, so it is added before its row.
    this.#kinds.set(resource.id, kind);
    if (isStored) this.#byPrefix.set(resource.storagePrefix, kind);
    try {
      this.#rows.add(resource);
    } catch (error) {
      this.#forget(kind);
      throw error;
    }
  }

  /** Removes a kind. Undefined if it does not exist. @throws Error while another row is stored as this one */
  remove(id: string): Kind | undefined {
    const kind = this.#kinds.get(id);
    if (kind === undefined) return undefined;
    this.#rows.remove(id);
    this.#forget(kind);
    return kind;
  }

  #forget(kind: Kind): void {
    this.#kinds.delete(kind.resource.id);
    if (this.#byPrefix.get(kind.resource.storagePrefix) === kind) this.#byPrefix.delete(kind.resource.storagePrefix);
  }
}

/** The key under which an object caches its form for a row. */
const viewName = ({ id, version }: Resource): string => `as ${id} ${version}`;
