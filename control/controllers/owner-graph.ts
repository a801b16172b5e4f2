/** Who owns whom, over all resources: the garbage collector's view, kept up to date from the informers' changes. */
import type { KubeObject } from '#api/meta.ts';
import { keyOf } from '#api/meta.ts';
import type { Resource } from '#api/resources.ts';
import type { Caches } from '#client/controller.ts';

export interface GraphNode {
  resource: Resource;
  key: string;
}

export class OwnerGraph {
  /** By UID. */
  #nodes = new Map<string, GraphNode>();
  /** UIDs of dependents by the UID of their owner, also of owners that are not (yet, or any more) known. */
  #dependents = new Map<string, Set<string>>();

  /** Takes note of a change. @returns whether the object exists (and was not just deleted) */
  observe(resource: Resource, object: KubeObject, previous: KubeObject | undefined, caches: Caches): boolean {
    const { uid } = object.metadata;
    for (const owner of previous?.metadata.ownerReferences ?? []) this.#unlink(owner.uid, uid);
    const exists = caches.cacheOf(resource).get(keyOf(object))?.metadata.uid === uid;
    if (exists) this.#nodes.set(uid, { resource, key: keyOf(object) });
    else this.#nodes.delete(uid);
    for (const owner of object.metadata.ownerReferences ?? []) {
      if (exists) this.#link(owner.uid, uid);
      else this.#unlink(owner.uid, uid);
    }
    return exists;
  }

  /** The object as the cache has it. */
  object(uid: string, caches: Caches): (GraphNode & { object: KubeObject }) | undefined {
    const node = this.#nodes.get(uid);
    const object: KubeObject | undefined = node === undefined ? undefined : caches.cacheOf(node.resource).get(node.key);
    return node === undefined || object?.metadata.uid !== uid ? undefined : { ...node, object };
  }

  /** The resource is not served any more: none of its objects can be looked up, as owner or as dependent. */
  forget({ id }: Pick<Resource, 'id'>): void {
    const gone = new Set([...this.#nodes].filter(([, node]) => node.resource.id === id).map(([uid]) => uid));
    for (const uid of gone) this.#nodes.delete(uid);
    for (const [owner, dependents] of this.#dependents) for (const uid of dependents) if (gone.has(uid)) this.#unlink(owner, uid);
  }

  dependents(uid: string): string[] {
    return [...(this.#dependents.get(uid) ?? [])];
  }

  #link(owner: string, dependent: string): void {
    const known = this.#dependents.get(owner);
    if (known === undefined) this.#dependents.set(owner, new Set([dependent]));
    else known.add(dependent);
  }

  #unlink(owner: string, dependent: string): void {
    const known = this.#dependents.get(owner);
    known?.delete(dependent);
    if (known?.size === 0) this.#dependents.delete(owner);
  }
}
