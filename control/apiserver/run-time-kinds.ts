/**
 * Adds and removes kinds while the server runs, for CustomResourceDefinitions.
 *
 * A kind is added in this order: its types to the schema facts, its watch cache (filled, at the revision of the other caches), then its row
 * to the catalog, from which routes and discovery read. The watches of other kinds continue.
 */
import { addDetails, addTypes } from '#api/schema/facts.ts';
import type { CacheFeed } from './cache/cache-feed.ts';
import type { KindCatalog, ServedKind } from './catalog.ts';
import type { RestKind } from './rest/exchange.ts';

/** What {@link RunTimeKinds} needs. */
export interface RunTimeKindsDeps {
  feed: CacheFeed;
  catalog: KindCatalog<RestKind>;
  /** Kinds whose cache is being filled, by storage prefix. They are not served yet, but their stored values have to be decoded. */
  joining: Map<string, ServedKind>;
  /** Repairs the allocations of the kind's stored objects, before the kind is served. */
  repair(kind: ServedKind): Promise<void>;
}

interface Added {
  ended: AbortController;
  forgetTypes: () => void;
}

/** The kinds of one API server that are added at run time. */
export class RunTimeKinds {
  readonly #deps: RunTimeKindsDeps;
  /** By the id of the row. */
  readonly #added = new Map<string, Added>();

  constructor(deps: RunTimeKindsDeps) {
    this.#deps = deps;
  }

  /** Aborts when the kind is removed; undefined for a built-in kind. */
  endOf(id: string): AbortSignal | undefined {
    return this.#added.get(id)?.ended.signal;
  }

  /** See `ApiServer.addKind`. */
  async add(kind: RestKind): Promise<void> {
    const { resource } = kind;
    const { id, storagePrefix, storedAs } = resource;
    const { catalog, feed, joining, repair } = this.#deps;
    if (catalog.resources.byId(id) !== undefined || joining.has(storagePrefix))
      throw new Error(`"${id}" is served already, or is about to be`);
    const forgetTypes = typesOf(kind);
    try {
      if (storedAs === undefined && kind.computed === undefined) {
        joining.set(storagePrefix, kind);
        await feed.add(storagePrefix);
        await repair(kind);
      }
      this.#join(kind, forgetTypes);
    } catch (error) {
      if (catalog.storedUnder(storagePrefix) === undefined) feed.remove(storagePrefix);
      forgetTypes();
      throw error;
    } finally {
      if (joining.get(storagePrefix) === kind) joining.delete(storagePrefix);
    }
  }

  /**
   * Replaces kinds by others with the same stored objects, atomically: every request finds the old or the new ones. Watches of the old ones
   * end.
   * @param ids of the removed kinds. The first of `kinds` replaces the one in whose form objects are stored
   * @throws Error if a type of the new kinds exists already; then the old ones are still served @throws StoreError
   */
  async replace(ids: readonly string[], kinds: readonly [RestKind, ...RestKind[]]): Promise<void> {
    await this.#deps.feed.renew(kinds[0].resource.storagePrefix, () => this.#swap(ids, kinds));
  }

  #swap(ids: readonly string[], kinds: readonly RestKind[]): void {
    const { catalog } = this.#deps;
    const old = ids.flatMap((id) => {
      const added = this.#added.get(id);
      return added === undefined ? [] : [{ added, kind: catalog.kind({ id }) }];
    });
    // Views are removed before the kind that they are views of, and added after it.
    for (const { kind, added } of old.toReversed()) {
      catalog.remove(kind.resource.id);
      added.forgetTypes();
      this.#added.delete(kind.resource.id);
    }
    const come: { kind: RestKind; forgetTypes: () => void }[] = [];
    try {
      for (const kind of kinds) {
        const forgetTypes = typesOf(kind);
        come.push({ kind, forgetTypes });
        this.#join(kind, forgetTypes);
      }
    } catch (error) {
      for (const { kind, forgetTypes } of come.toReversed()) {
        catalog.remove(kind.resource.id);
        this.#added.delete(kind.resource.id);
        forgetTypes();
      }
      for (const { kind } of old) this.#join(kind, typesOf(kind));
      throw error;
    } finally {
      for (const { added } of old) added.ended.abort();
    }
  }

  #join(kind: RestKind, forgetTypes: () => void): void {
    this.#deps.catalog.add(kind);
    this.#added.set(kind.resource.id, { ended: new AbortController(), forgetTypes });
  }

  /** See `ApiServer.removeKind`. */
  remove(id: string): boolean {
    const { catalog, feed } = this.#deps;
    const kind = catalog.remove(id);
    if (kind === undefined) return false;
    const { resource } = kind;
    const added = this.#added.get(id);
    this.#added.delete(id);
    added?.ended.abort();
    if (resource.storedAs === undefined && kind.computed === undefined) feed.remove(resource.storagePrefix);
    added?.forgetTypes();
    return true;
  }
}

/** Adds the schema facts of the kind's types. @returns a function that removes them @throws Error if a type exists already */
function typesOf({ resource, types, details }: RestKind): () => void {
  const forgetTypes = types === undefined ? undefined : addTypes(types);
  const forgetDetails = details === undefined ? undefined : addDetails(resource.schema, details);
  return () => {
    forgetDetails?.();
    forgetTypes?.();
  };
}
