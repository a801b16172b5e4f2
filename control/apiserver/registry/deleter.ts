/**
 * Deletes: removes the object, or marks it as being deleted while finalizers or a grace period hold it. `deletion.ts` decides what to do; this
 * file does it, and starts again after every lost race.
 *
 * Source: apiserver `pkg/registry/generic/registry/store.go` (Delete), KEP-3926 for values that cannot be read.
 */
import { apiVersionOf, type KubeObject, type ObjectName, sameJson } from '#api/meta.ts';
import type { Resource } from '#api/resources.ts';
import { conflict } from '#api/status.ts';
import type { DeleteOptions } from '#api/types.generated.ts';
import { withRevision } from '../cache/cache-feed.ts';
import { CachedObject } from '../cache/cached-object.ts';
import { deleteAttributes } from './admission-attributes.ts';
import { checkPreconditions, planDeletion } from './deletion.ts';
import { storageKey } from './object-keys.ts';
import type { ObjectReader } from './object-reader.ts';
import { maxRaces, type ObjectWriter } from './object-writer.ts';
import type { RegistryDeps } from './registry-deps.ts';
import type { DeletionStep } from './strategy.ts';
import { optimisticLockMessage } from './system-fields.ts';
import type { WriteContext } from './write-request.ts';

/** Deletes objects of any kind; a part of the Registry. */
export class Deleter {
  readonly #deps: RegistryDeps;
  readonly #reader: ObjectReader;
  readonly #writer: ObjectWriter;

  constructor(deps: RegistryDeps, reader: ObjectReader, writer: ObjectWriter) {
    this.#deps = deps;
    this.#reader = reader;
    this.#writer = writer;
  }

  /** See `Registry.delete`. */
  async delete(
    resource: Resource,
    name: ObjectName,
    options: Partial<DeleteOptions>,
    context: WriteContext,
  ): Promise<{ object: CachedObject; deleted: boolean }> {
    await this.#deps.feed.fresh();
    const key = storageKey(resource, name);
    if (options.ignoreStoreReadErrorWithClusterBreakingPotential === true && this.#deps.feed.undecodable(key) !== undefined) {
      await this.#admit(resource, name, undefined, context);
      return { object: await this.#removeUndecodable(resource, key, name, context), deleted: true };
    }
    for (let race = 0; race < maxRaces; race++) {
      const current = await this.#reader.get(resource, name);
      checkPreconditions(current.object, options, { group: resource.group, name: resource.kind });
      const step = this.#plan(resource, current, options);
      if (step.kind === 'pending') return { object: current, deleted: false };
      await this.#admit(resource, name, current.object, context);
      if (step.kind === 'remove' || step.thenRemove) {
        const last = step.kind === 'mark' ? step.object : current.object;
        const removed = await this.#writer.remove(resource, current, last, context);
        if (removed !== undefined) return { object: removed, deleted: true };
        continue;
      }
      const marked = await this.#mark(resource, current, step.object, context);
      if (marked !== undefined) return { object: marked, deleted: false };
    }
    throw conflict({ group: resource.group, name: resource.plural }, name.name, optimisticLockMessage);
  }

  /**
   * Removes a value that cannot be decoded, without regard to finalizers, preconditions and grace period, which cannot be decoded either
   * (as upstream).
   */
  async #removeUndecodable(resource: Resource, key: string, name: ObjectName, context: WriteContext): Promise<CachedObject> {
    const metadata = { name: name.name, ...(name.namespace === undefined ? {} : { namespace: name.namespace }) };
    const last = { apiVersion: apiVersionOf(resource.group, resource.version), kind: resource.kind, metadata };
    if (context.dryRun) return new CachedObject(key, 0, last as KubeObject);
    const { revision } = await this.#deps.store.delete(key);
    return new CachedObject(key, revision, withRevision(last as KubeObject, revision));
  }

  async #admit(resource: Resource, name: ObjectName, old: KubeObject | undefined, context: WriteContext): Promise<void> {
    if (context.admitted === true) return;
    const attributes = deleteAttributes(resource, name, old, context);
    await this.#deps.admission.mutate(attributes, context);
    await this.#deps.admission.validate(attributes, context);
  }

  #plan(resource: Resource, current: CachedObject, options: Partial<DeleteOptions>): DeletionStep {
    const nowMs = this.#deps.clock.now();
    const { strategy } = this.#deps.catalog.kind(resource);
    return strategy.planDeletion?.(current.object, options, nowMs) ?? planDeletion(current.object, options, strategy, nowMs);
  }

  /** Stores the object with its deletionTimestamp. @returns undefined when another write came first */
  async #mark(
    resource: Resource,
    current: CachedObject,
    object: KubeObject,
    context: WriteContext,
  ): Promise<CachedObject | undefined> {
    if (sameJson(object, current.object)) return current;
    if (context.dryRun) return new CachedObject(current.key, current.revision, object);
    const result = await this.#writer.put(resource, current.key, object, current.revision);
    return result.kind === 'conflict' ? undefined : result.written;
  }
}
