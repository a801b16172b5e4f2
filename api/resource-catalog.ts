/**
 * Which resources there are, as a value: it is passed to whoever needs to know (request routing, discovery, OpenAPI, metrics, the
 * garbage collector, the namespace controller, clients). It begins with the built-in rows; rows of CustomResourceDefinitions and
 * aggregated groups are added and removed at run time.
 */
import { builtInResources, type Resource, type ResourceId } from './resources.ts';

/** One row that came or went. A row that changes goes and comes again. */
export interface CatalogChange {
  kind: 'added' | 'removed';
  resource: Resource;
}

/** What readers see. Rows are immutable: a reader may keep one. */
export interface ResourceCatalog {
  /** The row that a path names: `/apis/<group>/<version>/…/<plural>`; the core group is ''. */
  find(group: string, version: string, plural: string): Resource | undefined;
  byId(id: string): Resource | undefined;
  /** A built-in row. @throws Error when this catalog was made without it: a mistake in our own code */
  builtIn(id: ResourceId): Resource;
  /** Every row, in the order in which they were added. The array is replaced when something changes, never written to. */
  all(): readonly Resource[];
  /** The row in whose version and form objects of this resource are stored; often itself. */
  storedForm(resource: Resource): Resource;
  /**
   * Called after every change, in order, with the catalog as it is after it. @returns ends it
   */
  changed(listener: (change: CatalogChange) => void): () => void;
}

/** What its owner does with it; others get it as a {@link ResourceCatalog}. */
export interface EditableCatalog extends ResourceCatalog {
  /** @throws Error when the id, or its group, version and plural, are taken; or when `storedAs` names no row */
  add(resource: Resource): void;
  /** @returns false when there is no such row. @throws Error while another row is stored as this one */
  remove(id: string): boolean;
}

/** @param rows default: the built-in ones */
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
    // A function of its own, so that one that subscribes twice is called twice and ends each by itself.
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
    // Who subscribes meanwhile has seen this change already.
    const listeners = [...this.#listeners];
    for (const listener of listeners) listener(change);
  }
}
