/**
 * Reads of single objects from the watch caches, never older than any write that was acknowledged before the call.
 *
 * Lists and watches do not come here: see `rest/listing.ts` and `rest/watching.ts`.
 */
import type { KubeObject, ObjectName } from '#api/meta.ts';
import type { Resource, ResourceId } from '#api/resources.ts';
import { internalError, notFound } from '#api/status.ts';
import type { CacheFeed } from '../cache/cache-feed.ts';
import type { CachedObject } from '../cache/cached-object.ts';
import type { KindCatalog } from '../catalog.ts';
import { listPrefix, storageKey } from './object-keys.ts';

/** Reads objects of any kind from the watch caches; a part of the Registry. */
export class ObjectReader {
  readonly #feed: CacheFeed;
  readonly #catalog: KindCatalog;

  constructor(feed: CacheFeed, catalog: KindCatalog) {
    this.#feed = feed;
    this.#catalog = catalog;
  }

  /** @throws ApiError 404 when there is none, 500 when the stored value cannot be read */
  async get(resource: Resource, name: ObjectName): Promise<CachedObject> {
    const found = await this.find(resource, name);
    if (found === undefined) throw notFound({ group: resource.group, name: resource.plural }, name.name);
    return found;
  }

  /** Undefined: there is none. @throws ApiError 500 when the stored value cannot be read */
  async find(resource: Resource, name: ObjectName): Promise<CachedObject | undefined> {
    await this.#feed.fresh();
    const key = storageKey(resource, name);
    const why = this.#feed.undecodable(key);
    // The answer is not 404: clients would then try to create the object, which cannot succeed.
    if (why !== undefined) throw internalError(`data from the storage is not transformable or decodable: ${key}: ${why}`);
    const cached = this.#feed.cache(resource.storagePrefix).get(key);
    if (cached === undefined) return undefined;
    await this.#catalog.prepare(resource, [cached]);
    return this.#catalog.fromStored(resource, cached);
  }

  /** `RequestContext.read`: another object that an admission check asks for. @throws ApiError 500 as {@link find} */
  async read(id: ResourceId | Resource, namespace: string | undefined, name: string): Promise<KubeObject | undefined> {
    const found = await this.find(this.#row(id), { namespace, name });
    return found?.object;
  }

  /**
   * `RequestContext.list`: the objects of a kind, in one namespace or in all (undefined), sorted by namespace and name. An object
   * whose stored value cannot be read is left out.
   */
  async list(id: ResourceId | Resource, namespace: string | undefined): Promise<readonly KubeObject[]> {
    await this.#feed.fresh();
    const resource = this.#row(id);
    // The same array each time, for plugins that ask with every request.
    if (namespace === undefined && resource.storedAs === undefined) return this.#feed.cache(resource.storagePrefix).all();
    const cached = [...this.#feed.cache(resource.storagePrefix).range(listPrefix(resource, namespace ?? ''))];
    return cached.map((one) => this.#catalog.fromStored(resource, one).object);
  }

  #row(id: ResourceId | Resource): Resource {
    return typeof id === 'string' ? this.#catalog.builtIn(id) : id;
  }
}
