/** The owner references of all objects of all resources. The garbage collector keeps it current with the informers' events. */
import type { KubeObject } from '#api/meta.ts';
import { keyOf } from '#api/meta.ts';
import type { Resource } from '#api/resources.ts';
import type { Caches } from '#client/controller.ts';

/** An object of the graph. */
export interface GraphNode {
  resource: Resource;
  key: string;
}

/** The graph of owners and dependents. */
export class OwnerGraph {
  /** Objects by UID. */
  #nodes = new Map<string, GraphNode>();
  /** UIDs of dependents by the UID of their owner, also of owners that are not known. */
  #dependents = new Map<string, Set<string>>();

  /** Records a change. @returns whether the object exists (and was not just deleted) */
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

  /** The object as the cache has it; undefined when it is not there. */
  object(uid: string, caches: Caches): (GraphNode & { object: KubeObject }) | undefined {
    const node = this.#nodes.get(uid);
    const object: KubeObject | undefined = node === undefined ? undefined : caches.cacheOf(node.resource).get(node.key);
    return node === undefined || object?.metadata.uid !== uid ? undefined : { ...node, object };
  }

  /** Removes a resource that is not served any more. Its objects cannot be looked up, neither as owners nor as dependents. */
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
