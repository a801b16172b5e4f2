/** An in-memory cluster that answers at once, to measure the scheduler without an API server. */
import { type KubeObject, keyOf, type ObjectName } from '#api/meta.ts';
import type { ResourceId } from '#api/resources.ts';
import type { Pod } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import type { Informers } from '#client/informers.ts';
import { ObjectsInformer } from '#control/scheduler/objects-informer.testing.ts';

/** Informers and a client for objects in memory. Bindings and deletions take effect at once. */
export class HollowCluster {
  bound = 0;
  events = 0;
  unscheduled = 0;
  readonly #informers = new Map<string, ObjectsInformer>();
  #serial = 0;

  readonly informers = { informer: (id: ResourceId) => this.#informer(id) } as unknown as Pick<Informers, 'informer'>;

  readonly client = {
    resource: () => ({
      patch: (name: ObjectName) => {
        this.unscheduled++;
        return Promise.resolve(this.#informer('pods').cache.get(keyOf({ metadata: name } as KubeObject)));
      },
      delete: async (name: ObjectName) => {
        await Promise.resolve();
        this.#informer('pods').remove(keyOf({ metadata: name } as KubeObject));
      },
    }),
    bind: async ({ metadata, target }: { metadata: ObjectName; target: { name?: string } }) => {
      await Promise.resolve();
      const pods = this.#informer('pods');
      const pod = pods.cache.get(keyOf({ metadata } as KubeObject)) as Pod;
      this.bound++;
      // Make a new object, as a watch would deliver it.
      const { spec } = structuredClone({ spec: pod.spec });
      pods.set({ ...pod, metadata: this.#versioned(pod.metadata), spec: { ...spec, nodeName: target.name } } as Pod);
    },
  } as unknown as Client;

  add(id: ResourceId, object: KubeObject): void {
    const { metadata } = object;
    this.#informer(id).set({ ...object, metadata: this.#versioned({ ...metadata, uid: `uid-${this.#serial}` }) } as KubeObject);
  }

  #versioned(metadata: KubeObject['metadata']): KubeObject['metadata'] {
    return { ...metadata, resourceVersion: String(++this.#serial) };
  }

  #informer(id: ResourceId): ObjectsInformer {
    return this.#informers.getOrInsertComputed(id, () => new ObjectsInformer());
  }
}
