/** An informer that a test fills instead of a watch. It calls handlers in the same way as the real one. */
import type { KubeObject } from '#api/meta.ts';
import type { Informer, InformerHandler } from '#client/informer.ts';
import { type CacheChange, InformerCache } from '#client/informer-cache.ts';

export class MemoryInformer<T extends KubeObject> implements Informer<T> {
  readonly cache = new InformerCache<T>();
  readonly synced = true;
  readonly #handlers = new Set<InformerHandler<T>>();
  #version = 1;

  constructor(objects: readonly T[] = []) {
    for (const object of objects) this.put(object);
  }

  async untilSynced(): Promise<void> {
    // There is no list to wait for.
  }

  subscribe(handler: InformerHandler<T>): () => void {
    this.#handlers.add(handler);
    for (const object of this.cache.list()) handler.added?.(object);
    return () => this.#handlers.delete(handler);
  }

  put(object: T): void {
    const versioned = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version++) } };
    this.#tell(this.cache.put(versioned));
  }

  remove(object: T): void {
    this.#tell(this.cache.remove(object));
  }

  #tell(changes: readonly CacheChange<T>[]): void {
    for (const change of changes) {
      for (const handler of this.#handlers) {
        if (change.kind === 'added') handler.added?.(change.object);
        else if (change.kind === 'deleted') handler.deleted?.(change.object);
        else handler.updated?.(change.object, change.previous);
      }
    }
  }
}
