/**
 * ConfigMaps and Secrets that pods of this node refer to: fetched when needed, kept for a short while.
 *
 * There is no watch, because a node may only read the objects that its pods name.
 */
import { nameToKey } from '#api/meta.ts';
import { isNotFound } from '#api/status.ts';
import type { ConfigMap, Secret } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import type { Clock } from '#client/clock.ts';
import type { ReferencedObjects } from './container/env.ts';
import { ReferenceNotFound } from './container/env.ts';

const freshMs = 10_000;

/**
 * Reads objects through a cache. A cached object is used for 10 s, or longer while the API server cannot be reached. `collect` drops
 * objects that no pod has read for 5 min.
 */
export function createReferencedObjects(client: Client, clock: Clock): ReferencedObjects & { collect(): void } {
  const configMaps = new FreshObjects<ConfigMap>('configmap', clock, (namespace, name) =>
    client.resource('configmaps').get({ namespace, name }),
  );
  const secrets = new FreshObjects<Secret>('secret', clock, (namespace, name) =>
    client.resource('secrets').get({ namespace, name }),
  );
  return {
    configMap: (namespace, name) => configMaps.get(namespace, name),
    secret: (namespace, name) => secrets.get(namespace, name),
    collect() {
      configMaps.collect();
      secrets.collect();
    },
  };
}

class FreshObjects<T> {
  readonly #kind: 'configmap' | 'secret';
  readonly #clock: Clock;
  readonly #fetch: (namespace: string, name: string) => Promise<T>;
  readonly #entries = new Map<string, { object: T; atMs: number; usedMs: number }>();
  readonly #inFlight = new Map<string, Promise<T>>();

  constructor(kind: 'configmap' | 'secret', clock: Clock, fetch: (namespace: string, name: string) => Promise<T>) {
    this.#kind = kind;
    this.#clock = clock;
    this.#fetch = fetch;
  }

  async get(namespace: string, name: string): Promise<T> {
    const key = nameToKey({ namespace, name });
    const known = this.#entries.get(key);
    if (known !== undefined) known.usedMs = this.#clock.now();
    if (known !== undefined && this.#clock.now() - known.atMs < freshMs) return known.object;
    const running = this.#inFlight.get(key) ?? this.#load(key, namespace, name);
    this.#inFlight.set(key, running);
    try {
      return await running;
    } catch (error) {
      if (isNotFound(error)) {
        this.#entries.delete(key);
        throw new ReferenceNotFound(this.#kind, name);
      }
      // The API server cannot be reached: an old object is better than none.
      if (known !== undefined) return known.object;
      throw error;
    } finally {
      this.#inFlight.delete(key);
    }
  }

  async #load(key: string, namespace: string, name: string): Promise<T> {
    const object = await this.#fetch(namespace, name);
    const atMs = this.#clock.now();
    this.#entries.set(key, { object, atMs, usedMs: atMs });
    return object;
  }

  /** Drops objects that no pod has read for 5 min. It does not look at their age, because objects get old while the API server is away. */
  collect(): void {
    for (const [key, { usedMs }] of this.#entries) if (this.#clock.now() - usedMs > 300_000) this.#entries.delete(key);
  }
}
