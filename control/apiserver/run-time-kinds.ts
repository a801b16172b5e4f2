/**
 * Kinds that come and go while the server runs: what a CustomResourceDefinition, or a group of another server, needs.
 *
 * A kind comes in this order: its types join the schema facts, its watch cache is filled and joins the others at their revision, then its
 * row joins the catalog, from which routes and discovery read. No watch of another kind notices.
 */
import { addTypes } from '#api/schema/facts.ts';
import type { CacheFeed } from './cache/cache-feed.ts';
import type { KindCatalog, ServedKind } from './catalog.ts';
import type { RestKind } from './rest/exchange.ts';

export interface RunTimeKindsDeps {
  feed: CacheFeed;
  catalog: KindCatalog<RestKind>;
  /** Kinds whose cache is being filled, by storage prefix: not served yet, but whoever decodes stored values has to know them. */
  joining: Map<string, ServedKind>;
  /** Brings what the kind's stored objects hold in order, before it is served. */
  repair(kind: ServedKind): Promise<void>;
}

interface Added {
  ended: AbortController;
  forgetTypes: () => void;
}

export class RunTimeKinds {
  readonly #deps: RunTimeKindsDeps;
  /** By id. */
  readonly #added = new Map<string, Added>();

  constructor(deps: RunTimeKindsDeps) {
    this.#deps = deps;
  }

  /** Aborts when the kind is removed; undefined for a kind that did not come at run time. */
  endOf(id: string): AbortSignal | undefined {
    return this.#added.get(id)?.ended.signal;
  }

  /** See `ApiServer.addKind`. */
  async add(kind: RestKind): Promise<void> {
    const { resource, types } = kind;
    const { id, storagePrefix, storedAs } = resource;
    const { catalog, feed, joining, repair } = this.#deps;
    if (catalog.resources.byId(id) !== undefined || joining.has(storagePrefix))
      throw new Error(`"${id}" is served already, or is about to be`);
    const forgetTypes = types === undefined ? () => {} : addTypes(types);
    try {
      if (storedAs === undefined) {
        joining.set(storagePrefix, kind);
        await feed.add(storagePrefix);
        await repair(kind);
      }
      catalog.add(kind);
      this.#added.set(id, { ended: new AbortController(), forgetTypes });
    } catch (error) {
      if (catalog.storedUnder(storagePrefix) === undefined) feed.remove(storagePrefix);
      forgetTypes();
      throw error;
    } finally {
      if (joining.get(storagePrefix) === kind) joining.delete(storagePrefix);
    }
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
    if (resource.storedAs === undefined) feed.remove(resource.storagePrefix);
    added?.forgetTypes();
    return true;
  }
}
