/** An API in memory for the scheduler's tests: informers, binding, status patches, deletion with a grace period. */
import { deepFreeze } from '#api/deep-freeze.ts';
import { type KubeObject, nameToKey, type ObjectName } from '#api/meta.ts';
import type { ResourceId } from '#api/resources.ts';
import type { Pod, PodCondition } from '#api/types.generated.ts';
import type { Client, Patch } from '#client/client.ts';
import type { EventRecorder } from '#client/event-recorder.ts';
import type { InformerHandler } from '#client/informer.ts';
import type { Informers } from '#client/informers.ts';
import { ObjectsInformer } from './objects-informer.testing.ts';

export class FakeCluster {
  /** The recorded events `Type Reason: message`, in order. */
  readonly events: string[] = [];
  readonly patches: Patch[] = [];
  /** Returns the error with which the binding of a pod fails. */
  bindError: ((podName: string) => Error | undefined) | undefined;
  /** Returns the error with which the update of an object fails. */
  updateError: ((object: KubeObject) => Error | undefined) | undefined;
  /** When false, bindings succeed, but the pods do not show their node. */
  showBindings = true;
  /** Status patches wait for this promise. */
  patchDelay: Promise<void> = Promise.resolve();
  readonly #objects = new Map<ResourceId, FakeInformer>();

  readonly recorder: EventRecorder = {
    event: (_about, type, reason, message) => this.events.push(`${type} ${reason}: ${message}`),
  };
  readonly informers = { informer: (id: ResourceId) => this.#informer(id) } as unknown as Pick<Informers, 'informer'>;
  readonly client = {
    resource: (id: ResourceId) => ({
      update: async (object: KubeObject) => this.#update(id, object),
      patch: (name: ObjectName, patch: Patch) => this.#patchStatus(name, patch),
      delete: async (name: ObjectName) => this.#startDeletion(name),
    }),
    bind: async ({ metadata, target }: { metadata: ObjectName; target: { name?: string } }) => {
      const error = this.bindError?.(metadata.name);
      if (error !== undefined) throw error;
      const bound = this.pod(metadata.name);
      if (bound === undefined) throw new Error('pod not found');
      if (!this.showBindings) return;
      this.put('pods', { ...bound, spec: { ...bound.spec, nodeName: target.name } } as Pod);
    },
  } as unknown as Client;

  /** Creates or replaces objects. */
  put(id: ResourceId, ...objects: KubeObject[]): void {
    for (const object of objects) this.#informer(id).set(deepFreeze(object));
  }

  remove(id: ResourceId, key: string): void {
    this.#informer(id).remove(key);
  }

  /** The pod with this name in namespace `default`. */
  pod(name: string): Pod | undefined {
    return this.#informer('pods').cache.get(`default/${name}`) as Pod | undefined;
  }

  #informer(id: ResourceId): FakeInformer {
    const known = this.#objects.get(id) ?? new FakeInformer();
    this.#objects.set(id, known);
    return known;
  }

  async #patchStatus(name: ObjectName, patch: Patch): Promise<void> {
    this.patches.push(patch);
    await this.patchDelay;
    const current = this.#informer('pods').cache.get(nameToKey({ namespace: name.namespace, name: name.name })) as
      | Pod
      | undefined;
    if (current === undefined) return;
    const { status } = patch.body as unknown as { status: { conditions?: PodCondition[]; nominatedNodeName?: string | null } };
    const fresh = status.conditions ?? [];
    const kept = (current.status?.conditions ?? []).filter(({ type }) => !fresh.some((condition) => condition.type === type));
    const nominatedNodeName =
      status.nominatedNodeName === undefined ? current.status?.nominatedNodeName : (status.nominatedNodeName ?? undefined);
    this.put('pods', { ...current, status: { ...current.status, conditions: [...kept, ...fresh], nominatedNodeName } } as Pod);
  }

  #update(id: ResourceId, object: KubeObject): KubeObject {
    const error = this.updateError?.(object);
    if (error !== undefined) throw error;
    const stored = deepFreeze({
      ...object,
      metadata: { ...object.metadata, resourceVersion: String(Number(object.metadata.resourceVersion) + 1) },
    });
    this.put(id, stored);
    return stored;
  }

  #startDeletion({ namespace, name }: ObjectName): void {
    const current = this.#informer('pods').cache.get(nameToKey({ namespace, name })) as Pod;
    this.put('pods', { ...current, metadata: { ...current.metadata, deletionTimestamp: '2026-01-01T00:00:30Z' } });
  }
}

/** An informer that calls its handlers asynchronously after a change, as a watch does. */
class FakeInformer extends ObjectsInformer {
  protected override tell(call: (handler: InformerHandler<KubeObject>) => void): void {
    queueMicrotask(() => super.tell(call));
  }
}
