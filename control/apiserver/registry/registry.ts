/**
 * The generic registry: reads, creates, replaces and deletes single objects of every kind, with optimistic concurrency, around the kind's
 * {@link Strategy}. Lists and watches are served from the watch caches (`rest/listing.ts`, `rest/watching.ts`).
 *
 *   Creator, Updater, Deleter → ObjectChecks, ObjectWriter → store;  ObjectReader ← watch caches
 *
 * Source: apiserver `pkg/registry/generic/registry/store.go`.
 */
import type { KubeObject, ObjectName } from '#api/meta.ts';
import type { Resource, ResourceId } from '#api/resources.ts';
import type { DeleteOptions } from '#api/types.generated.ts';
import type { CachedObject } from '../cache/cached-object.ts';
import { Creator } from './creator.ts';
import { Deleter } from './deleter.ts';
import { ObjectChecks } from './object-checks.ts';
import { ObjectReader } from './object-reader.ts';
import { ObjectWriter } from './object-writer.ts';
import { CachedQuotaStore } from './quota-store.ts';
import type { RegistryDeps } from './registry-deps.ts';
import type { Strategy } from './strategy.ts';
import { Updater } from './updater.ts';
import type { UpdateRequest, WriteContext } from './write-request.ts';

/** Reads and writes of single objects of every kind; see the top of this file. All methods reject with ApiError or StoreError. */
export class Registry {
  readonly #deps: RegistryDeps;
  readonly #reader: ObjectReader;
  readonly #creator: Creator;
  readonly #updater: Updater;
  readonly #deleter: Deleter;

  constructor(deps: RegistryDeps) {
    this.#deps = deps;
    const reader = new ObjectReader(deps.feed, deps.catalog);
    const checks = new ObjectChecks(deps);
    const writer = new ObjectWriter(deps);
    this.#reader = reader;
    const quotas = new CachedQuotaStore(deps, checks, writer);
    this.#creator = new Creator(deps, checks, writer, quotas);
    this.#updater = new Updater(deps, { reader, checks, writer, creator: this.#creator, quotas });
    this.#deleter = new Deleter(deps, reader, writer);
  }

  /** @throws ApiError 404 when the kind is no longer served */
  strategy(resource: Resource): Strategy {
    return this.#deps.catalog.kind(resource).strategy;
  }

  /** A built-in row, for those who look at other kinds than the one that they serve. */
  resource(id: ResourceId): Resource {
    return this.#deps.catalog.builtIn(id);
  }

  /**
   * The object as it is now, in the resource's view of it; never older than a write acknowledged before.
   * @throws ApiError 404 when there is none, 500 when the stored value cannot be read
   */
  get(resource: Resource, name: ObjectName): Promise<CachedObject> {
    return this.#reader.get(resource, name);
  }

  /** As {@link get}; undefined when there is none. @throws ApiError 500 when the stored value cannot be read */
  find(resource: Resource, name: ObjectName): Promise<CachedObject | undefined> {
    return this.#reader.find(resource, name);
  }

  /** For `RequestContext.read`: another object that an admission check asks for. @throws ApiError 500 as {@link find} */
  read(id: ResourceId | Resource, namespace: string | undefined, name: string): Promise<KubeObject | undefined> {
    return this.#reader.read(id, namespace, name);
  }

  /** For `RequestContext.list`: the objects of another kind that an admission check asks for. */
  list(id: ResourceId | Resource, namespace: string | undefined): Promise<readonly KubeObject[]> {
    return this.#reader.list(id, namespace);
  }

  /**
   * Stores a new object; resolves when it is on disk (with `context.dryRun`: when it could be). A generated name that is taken is replaced
   * by another, up to eight times.
   * @param namespace the request's; '' for a cluster-scoped kind
   * @param submitted is the registry's from now on
   * @throws ApiError 400 when the object says another namespace, 403 from admission, 409 when the name is taken, 422 when the object is
   * invalid @throws StoreError
   */
  create(resource: Resource, namespace: string, submitted: KubeObject, context: WriteContext): Promise<CachedObject> {
    return this.#creator.create(resource, namespace, submitted, context);
  }

  /**
   * Changes the stored object; the write happens only if it is still the one that `request.transform` saw, else all is done again.
   * An update that changes nothing is not written and keeps the resourceVersion.
   * @throws ApiError 403 from admission, 404 when there is none and the update may not create, 409 when uid or resourceVersion differ or a
   * hundred races in a row were lost, 422 when the object is invalid @throws StoreError
   */
  update(
    resource: Resource,
    name: ObjectName,
    request: UpdateRequest,
    context: WriteContext,
  ): Promise<{ object: CachedObject; created: boolean }> {
    return this.#updater.update(resource, name, request, context);
  }

  /**
   * Deletes, or marks as being deleted.
   * @returns the last known state, and whether the object is gone
   * @throws ApiError 403 from admission, 404 when there is none, 409 when a precondition does not hold or a hundred races in a row were
   * lost @throws StoreError
   */
  delete(
    resource: Resource,
    name: ObjectName,
    options: Partial<DeleteOptions>,
    context: WriteContext,
  ): Promise<{ object: CachedObject; deleted: boolean }> {
    return this.#deleter.delete(resource, name, options, context);
  }
}
