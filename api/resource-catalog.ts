/**
 * The resources that are served, as a value. It is passed to every part that needs the table: request routing, discovery,
 * OpenAPI, metrics, the garbage collector, the namespace controller, clients. It begins with the built-in rows. Rows of
 * CustomResourceDefinitions and aggregated groups are added and removed at run time.
 */
import { builtInResources, type Resource, type ResourceId } from './resources.ts';

/** A row that was added or removed. A row that changes is removed and added again. */
export interface CatalogChange {
  kind: 'added' | 'removed';
  resource: Resource;
}

/** The catalog for its readers. Rows are immutable, so a reader may keep one. */
export interface ResourceCatalog {
  /** The row that a path `/apis/<group>/<version>/…/<plural>` names; undefined when there is none. The core group is ''. */
  find(group: string, version: string, plural: string): Resource | undefined;
  /** The row with this {@link Resource.id}; undefined when there is none. */
  byId(id: string): Resource | undefined;
  /** A built-in row. @throws Error when the catalog was made without that row: a bug of the caller */
  builtIn(id: ResourceId): Resource;
  /**
   * All rows, in the order in which they were added. Each change makes a new array; an array that was returned does not change.
   */
  all(): readonly Resource[];
  /** The row in whose version and form the objects of this resource are stored. Often it is the resource itself. */
  storedForm(resource: Resource): Resource;
  /**
   * Registers a listener. It is called after every change, in order, when the catalog already has the change. @returns a function
   * that removes the listener
   */
  changed(listener: (change: CatalogChange) => void): () => void;
}

/** The catalog for its owner, who may change it. All others get it as a {@link ResourceCatalog}. */
export interface EditableCatalog extends ResourceCatalog {
  /** Adds a row. @throws Error when another row has its id, or its group, version and plural; or when `storedAs` names no row */
  add(resource: Resource): void;
  /** Removes a row. @returns false when there is no such row @throws Error while another row is stored in its form */
  remove(id: string): boolean;
}

/** Makes a catalog. @param rows default: the built-in rows */
export function createResourceCatalog(rows: readonly Resource[] = builtInResources): EditableCatalog {
  const catalog = new Catalog();
  for (const row of rows) catalog.add(row);
  return catalog;
}

const pathOf = (group: string, version: string, plural: string): string => `${group}/${version}/${plural}`;

class Catalog implements EditableCatalog {
  readonly #byId = new Map<string, Resource>();
  readonly #byPath = new Map<string, Resource>();
  readonly #listeners = new Set<(change: CatalogChange) => void>();
  #all: readonly Resource[] = [];

  find(group: string, version: string, plural: string): Resource | undefined {
    return this.#byPath.get(pathOf(group, version, plural));
  }

  byId(id: string): Resource | undefined {
    return this.#byId.get(id);
  }

  builtIn(id: ResourceId): Resource {
    const found = this.#byId.get(id);
    if (found === undefined) throw new Error(`the catalog has no resource "${id}"`);
    return found;
  }

  all(): readonly Resource[] {
    return this.#all;
  }

  storedForm(resource: Resource): Resource {
    return (resource.storedAs === undefined ? undefined : this.#byId.get(resource.storedAs)) ?? resource;
  }

  changed(listener: (change: CatalogChange) => void): () => void {
    // Wraps the listener, so that one that was registered twice is called twice, and each registration can be removed alone.
    const own = (change: CatalogChange): void => listener(change);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  add(resource: Resource): void {
    const { id, group, version, plural, storedAs } = resource;
    const path = pathOf(group, version, plural);
    if (this.#byId.has(id)) throw new Error(`the catalog already has a resource "${id}"`);
    if (this.#byPath.has(path)) throw new Error(`the catalog already has a resource at ${path}`);
    const stored = storedAs === undefined ? undefined : this.#byId.get(storedAs);
    if (storedAs !== undefined && stored?.storagePrefix !== resource.storagePrefix)
      throw new Error(`resource "${id}" is stored as "${storedAs}", which is not there under ${resource.storagePrefix}`);
    this.#byId.set(id, resource);
    this.#byPath.set(path, resource);
    this.#tell({ kind: 'added', resource });
  }

  remove(id: string): boolean {
    const resource = this.#byId.get(id);
    if (resource === undefined) return false;
    const view = this.#all.find(({ storedAs }) => storedAs === id);
    if (view !== undefined) throw new Error(`resource "${view.id}" is stored as "${id}"`);
    this.#byId.delete(id);
    this.#byPath.delete(pathOf(resource.group, resource.version, resource.plural));
    this.#tell({ kind: 'removed', resource });
    return true;
  }

  #tell(change: CatalogChange): void {
    this.#all = [...this.#byId.values()];
    // Copies the list: a listener that is added during this loop sees the change in the catalog already.
    const listeners = [...this.#listeners];
    for (const listener of listeners) listener(change);
  }
}
