/** An informer over objects that a test or benchmark sets. */
import { type KubeObject, keyOf } from '#api/meta.ts';
import type { Informer, InformerHandler } from '#client/informer.ts';

/** Calls its handlers at each change; a subclass may call them later. */
export class ObjectsInformer implements Informer<KubeObject> {
  readonly synced = true;
  readonly #byKey = new Map<string, KubeObject>();
  readonly #handlers = new Set<InformerHandler<KubeObject>>();
  readonly cache = {
    get: (key: string) => this.#byKey.get(key),
    list: (namespace?: string) =>
      [...this.#byKey.values()].filter(({ metadata }) => namespace === undefined || metadata.namespace === namespace),
    ownedBy: () => [],
    onNode: () => [],
  };

  untilSynced(): Promise<void> {
    return Promise.resolve();
  }

  subscribe(handler: InformerHandler<KubeObject>): () => void {
    this.#handlers.add(handler);
    for (const object of this.#byKey.values()) handler.added?.(object);
    return () => this.#handlers.delete(handler);
  }

  set(object: KubeObject): void {
    const key = keyOf(object);
    const previous = this.#byKey.get(key);
    this.#byKey.set(key, object);
    this.tell((handler) => (previous === undefined ? handler.added?.(object) : handler.updated?.(object, previous)));
  }

  remove(key: string): void {
    const object = this.#byKey.get(key);
    this.#byKey.delete(key);
    if (object !== undefined) this.tell((handler) => handler.deleted?.(object));
  }

  /** Calls all handlers. */
  protected tell(call: (handler: InformerHandler<KubeObject>) => void): void {
    for (const handler of this.#handlers) call(handler);
  }
}
