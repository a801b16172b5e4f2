/**
 * The generic registry: creates, replaces and deletes objects of every kind, with optimistic concurrency, around the
 * kind's {@link Strategy}. Reads are served from the watch caches (see `listing.ts`, `watching.ts`).
 *
 * Source: apiserver `pkg/registry/generic/registry/store.go`, `pkg/registry/rest/{create,update}.go`.
 */
import { collectFieldErrors, type FieldError } from '#api/field-error.ts';
import { parseExact, stringifyExact } from '#api/int64.ts';
import { apiVersionOf, type KubeObject, type ObjectName, sameJson } from '#api/meta.ts';
import type { Resource, ResourceId } from '#api/resources.ts';
import { ApiError, alreadyExists, conflict, internalError, invalid, notFound } from '#api/status.ts';
import type { DeleteOptions } from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';
import { StoreError } from '#control/store/errors.ts';
import type { Store, WriteResult } from '#control/store/store.ts';
import type { AdmissionChain } from '../admission/chain.ts';
import type { AdmissionAttributes, Operation } from '../admission/plugin.ts';
import type { CacheFeed } from '../cache/cache-feed.ts';
import { withRevision } from '../cache/cache-feed.ts';
import { CachedObject, copyOf } from '../cache/cached-object.ts';
import { checkStorable, isLarge, isLargeText, isTrackable, letOthersIn, type ObjectSize, sizeOf } from '../cache/object-size.ts';
import type { KindCatalog } from '../catalog.ts';
import type { ObjectPatcher, TrackRequest } from '../patch/patch.ts';
import type { ServerLog } from '../serving/server-log.ts';
import { validateManagedFields } from '../validation/object-meta.ts';
import { checkPreconditions, isFinalized, planDeletion } from './deletion.ts';
import { ExpiryLeases } from './expiry-leases.ts';
import { storageKey, toStored } from './object-keys.ts';
import type { DeletionStep, RequestContext, Strategy, UpdatedPart } from './strategy.ts';
import {
  checkIdentity,
  fillRequestFields,
  fillSystemFields,
  keepSystemFields,
  keepTimesOfUnchangedFields,
  optimisticLockMessage,
  uidPrecondition,
} from './system-fields.ts';

export interface RegistryDeps {
  store: Store;
  clock: Clock;
  log: ServerLog;
  feed: CacheFeed;
  catalog: KindCatalog;
  patcher: ObjectPatcher;
  admission: AdmissionChain;
  /** `trackManagedFields` of large objects, off the event loop. */
  trackElsewhere(request: TrackRequest): Promise<void>;
  random: () => number;
}

export interface WriteContext extends RequestContext {
  fieldManager: string;
  dryRun: boolean;
  /** The request was admitted as a whole (a binding, an eviction): the writes it is made of are not admitted again, as upstream. */
  admitted?: boolean;
  /** It deletes a collection: admission is told no name. */
  ofCollection?: boolean;
}

/** What admission sees of an object in place of the object: a Scale of a Deployment. Pure. */
export interface AdmissionView {
  of(object: KubeObject): KubeObject;
  /** The object with what plugins changed in its view. */
  into(object: KubeObject, view: KubeObject): KubeObject;
}

export interface UpdateRequest {
  /**
   * Makes the new object from a copy of the stored one; called again after a lost race. `undefined`: there is none yet.
   * @param bytes of the stored one's JSON
   */
  transform(current: KubeObject | undefined, bytes: number): KubeObject | Promise<KubeObject>;
  /** '': the object itself. */
  subresource: string;
  /** Nothing of what `transform` returns belongs to what it was given: then it is given the stored object itself. */
  returnsOwn?: boolean;
  /** Which part the strategy lets through; `bypass`: the caller changed only what its endpoint may. */
  mode: UpdatedPart | 'bypass';
  /** Server-side apply creates what is not there (true), other patches never do (false); absent: as the kind's strategy says. */
  forceCreate?: boolean;
  /** managedFields are already in place (server-side apply), or the endpoint owns no fields (binding, eviction). */
  fieldsTracked?: boolean;
  /** Absent: admission sees the object itself. */
  view?: AdmissionView;
}

const maxGeneratedNameTries = 8;
/** Every lost race means that another write went through; this many in a row is a livelock worth reporting. */
const maxRaces = 100;

export class Registry {
  readonly #deps: RegistryDeps;
  readonly #leases: ExpiryLeases;

  constructor(deps: RegistryDeps) {
    this.#deps = deps;
    this.#leases = new ExpiryLeases(deps.store, deps.clock);
  }

  strategy(resource: Resource): Strategy {
    return this.#deps.catalog.kind(resource).strategy;
  }

  /** A built-in row, for those who look at other kinds than the one that they serve. */
  resource(id: ResourceId): Resource {
    return this.#deps.catalog.builtIn(id);
  }

  /** The object as it is now, in the resource's view of it. @throws ApiError 404 */
  async get(resource: Resource, name: ObjectName): Promise<CachedObject> {
    const found = await this.find(resource, name);
    if (found === undefined) throw notFound({ group: resource.group, name: resource.plural }, name.name);
    return found;
  }

  async find(resource: Resource, name: ObjectName): Promise<CachedObject | undefined> {
    await this.#deps.feed.fresh();
    const key = storageKey(resource, name);
    const why = this.#deps.feed.undecodable(key);
    // Neither there nor absent: to say 404 would invite a create, which cannot succeed.
    if (why !== undefined) throw internalError(`data from the storage is not transformable or decodable: ${key}: ${why}`);
    const cached = this.#deps.feed.cache(resource.storagePrefix).get(key);
    return cached === undefined ? undefined : this.#deps.catalog.fromStored(resource, cached);
  }

  /** @param submitted is the registry's from now on. @throws ApiError 409 when the name is taken, 422 when the object is invalid */
  async create(resource: Resource, namespace: string, submitted: KubeObject, context: WriteContext): Promise<CachedObject> {
    const generated = (submitted.metadata.name ?? '') === '' && (submitted.metadata.generateName ?? '') !== '';
    for (let attempt = 1; ; attempt++) {
      try {
        // Only a generated name is tried again: then the object has to be as it was sent.
        return await this.#createOnce(resource, namespace, generated ? copyOf(submitted) : submitted, context);
      } catch (error) {
        const taken = error instanceof ApiError && error.reason === 'AlreadyExists';
        if (!generated || !taken || attempt >= maxGeneratedNameTries) throw error;
      }
    }
  }

  async #createOnce(
    resource: Resource,
    namespace: string,
    object: KubeObject,
    context: WriteContext,
    fieldsTracked = false,
  ): Promise<CachedObject> {
    const strategy = this.strategy(resource);
    await this.#deps.feed.fresh();
    const pause = isLarge(object) ? letOthersIn : undefined;
    fillRequestFields(resource, namespace, object);
    strategy.setDefaults?.(object);
    await pause?.();
    const attributes = attributesOf('create', resource, object.metadata, '', object, undefined, context);
    await this.#deps.admission.mutate(attributes, context);
    await pause?.();
    fillSystemFields(object, this.#deps.clock.now(), this.#deps.random);
    strategy.prepareForCreate?.(object, context);
    await pause?.();
    strategy.setDefaults?.(object);
    await pause?.();
    const validate = (): FieldError[] => strategy.validate(object);
    const size = pause === undefined ? undefined : await this.#checkLarge(resource, object, validate);
    if (!fieldsTracked) await this.#track(resource, object, undefined, '', context, size);
    this.#throwIfInvalid(
      resource,
      object,
      collectFieldErrors(size === undefined ? validate : () => errorsOfManagedFields(object)),
    );
    await pause?.();
    for (const warning of strategy.warnings?.(object, undefined) ?? []) context.warn(warning);
    await this.#deps.admission.validate({ ...attributes, name: object.metadata.name }, context);
    return await this.#putNew(resource, object, strategy, context);
  }

  async #putNew(resource: Resource, object: KubeObject, strategy: Strategy, context: WriteContext): Promise<CachedObject> {
    const key = storageKey(resource, object.metadata);
    const existing = this.#deps.feed.cache(resource.storagePrefix).get(key);
    if (existing !== undefined) throw this.#exists(resource, existing.object);
    const undo = await strategy.allocate?.(object, undefined, context.dryRun);
    if (context.dryRun) return new CachedObject(key, 0, object);
    try {
      const result = await this.#put(resource, key, object, 0);
      if (result.kind === 'conflict') {
        await this.#deps.feed.reach(result.revision);
        throw this.#exists(resource, this.#deps.feed.cache(resource.storagePrefix).get(key)?.object ?? object);
      }
      return new CachedObject(key, result.revision, withRevision(object, result.revision));
    } catch (error) {
      await this.#takeBack(undo, error);
      throw error;
    }
  }

  /** After a failed write. Where it is not known whether it has happened, what was taken stays taken: better than given out twice. */
  async #takeBack(undo: (() => Promise<void>) | undefined, error: unknown): Promise<void> {
    if (error instanceof StoreError && error.code === 'unavailable') return;
    await undo?.();
  }

  #exists(resource: Resource, existing: KubeObject): ApiError {
    const error = alreadyExists({ group: resource.group, name: resource.plural }, existing.metadata.name);
    if (existing.metadata.deletionTimestamp === undefined) return error;
    return new ApiError({ ...error.status, message: `object is being deleted: ${error.message}` });
  }

  /**
   * Changes the stored object; the write happens only if it is still the one that `transform` saw.
   * An update that changes nothing is not written and keeps the resourceVersion.
   */
  async update(
    resource: Resource,
    name: ObjectName,
    request: UpdateRequest,
    context: WriteContext,
  ): Promise<{ object: CachedObject; created: boolean }> {
    for (let race = 0; race < maxRaces; race++) {
      const current = await this.find(resource, name);
      if (current === undefined) return { object: await this.#createByUpdate(resource, name, request, context), created: true };
      const object = await this.#changed(resource, current, request, context);
      const updated = await this.#updateOnce(resource, current, object, request, context);
      if (updated !== undefined) return { object: updated, created: false };
    }
    throw conflict({ group: resource.group, name: resource.plural }, name.name, optimisticLockMessage);
  }

  async #createByUpdate(
    resource: Resource,
    name: ObjectName,
    request: UpdateRequest,
    context: WriteContext,
  ): Promise<CachedObject> {
    const allowed = request.subresource === '' && (request.forceCreate ?? this.strategy(resource).allowCreateOnUpdate === true);
    if (!allowed) throw notFound({ group: resource.group, name: resource.plural }, name.name);
    const object = await request.transform(undefined, 0);
    const uid = object.metadata.uid ?? '';
    if (uid !== '') {
      if (request.forceCreate !== true) throw uidPrecondition(resource, name.name, storageKey(resource, name), uid, '');
      const why = `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`;
      throw conflict({ group: resource.group, name: resource.plural }, name.name, why);
    }
    return await this.#createOnce(resource, name.namespace ?? '', object, context, request.fieldsTracked);
  }

  /** What the request makes of the stored object, with what admission makes of that. */
  async #changed(resource: Resource, current: CachedObject, request: UpdateRequest, context: WriteContext): Promise<KubeObject> {
    const old = current.object;
    const object = await request.transform(request.returnsOwn === true ? old : await copyInTurns(current), current.bytes);
    if (context.admitted === true) return object;
    if (request.mode !== 'bypass') this.strategy(resource).setDefaults?.(object);
    if (isLargeText(current.bytes)) await letOthersIn();
    const attributes = updateAttributes(resource, object, old, request, context);
    await this.#deps.admission.mutate(attributes, context);
    return request.view === undefined ? object : request.view.into(object, attributes.object as KubeObject);
  }

  /** @returns undefined when the race was lost */
  async #updateOnce(
    resource: Resource,
    current: CachedObject,
    object: KubeObject,
    request: UpdateRequest,
    context: WriteContext,
  ): Promise<CachedObject | undefined> {
    const old = current.object;
    const strategy = this.strategy(resource);
    const pause = isLargeText(current.bytes) || isLarge(object) ? letOthersIn : undefined;
    checkIdentity(resource, current, object, strategy);
    keepSystemFields(resource, object, old);
    if (request.mode !== 'bypass') {
      strategy.setDefaults?.(object);
      await pause?.();
      strategy.prepareForUpdate?.(object, old, context, request.mode);
      await pause?.();
    }
    const { mode } = request;
    const validate = (): FieldError[] => {
      if (mode === 'bypass') return [];
      return strategy.validateUpdate === undefined ? strategy.validate(object) : strategy.validateUpdate(object, old, mode);
    };
    const size = pause === undefined ? undefined : await this.#checkLarge(resource, object, validate);
    if (request.fieldsTracked !== true) await this.#track(resource, object, old, request.subresource, context, size);
    await pause?.();
    keepTimesOfUnchangedFields(object, old);
    if (mode !== 'bypass') {
      this.#throwIfInvalid(
        resource,
        object,
        collectFieldErrors(size === undefined ? validate : () => errorsOfManagedFields(object)),
      );
      await pause?.();
      for (const warning of strategy.warnings?.(object, old) ?? []) context.warn(warning);
      await pause?.();
    }
    if (context.admitted !== true)
      await this.#deps.admission.validate(updateAttributes(resource, object, old, request, context), context);
    return await this.#putUpdated(resource, current, object, strategy, context, pause);
  }

  async #putUpdated(
    resource: Resource,
    current: CachedObject,
    object: KubeObject,
    strategy: Strategy,
    context: WriteContext,
    pause: (() => Promise<void>) | undefined,
  ): Promise<CachedObject | undefined> {
    const old = current.object;
    if (isFinalized(object, old) && strategy.mayRemove?.(object) !== false) {
      return await this.#remove(resource, current, object, context);
    }
    if (sameJson(object, old)) return current;
    await pause?.();
    const undo = await strategy.allocate?.(object, old, context.dryRun);
    if (context.dryRun) return new CachedObject(current.key, current.revision, object);
    const result = await this.#put(resource, current.key, object, current.revision).catch(async (error: unknown) => {
      await this.#takeBack(undo, error);
      throw error;
    });
    if (result.kind === 'conflict') {
      await undo?.();
      await this.#deps.feed.reach(result.revision);
      return undefined;
    }
    await strategy.committed?.(object, old, result.revision);
    return new CachedObject(current.key, result.revision, withRevision(object, result.revision));
  }

  /**
   * Deletes, or marks as being deleted.
   * @returns the last known state, and whether the object is gone
   */
  async delete(
    resource: Resource,
    name: ObjectName,
    options: Partial<DeleteOptions>,
    context: WriteContext,
  ): Promise<{ object: CachedObject; deleted: boolean }> {
    await this.#deps.feed.fresh();
    const key = storageKey(resource, name);
    if (options.ignoreStoreReadErrorWithClusterBreakingPotential === true && this.#deps.feed.undecodable(key) !== undefined) {
      await this.#admitDelete(resource, name, undefined, context);
      return { object: await this.#removeUndecodable(resource, key, name, context), deleted: true };
    }
    for (let race = 0; race < maxRaces; race++) {
      const current = await this.get(resource, name);
      checkPreconditions(current.object, options, { group: resource.group, name: resource.kind });
      const step = this.#planDeletion(resource, current, options);
      if (step.kind === 'pending') return { object: current, deleted: false };
      await this.#admitDelete(resource, name, current.object, context);
      if (step.kind === 'remove' || step.thenRemove) {
        const removed = await this.#remove(resource, current, step.kind === 'mark' ? step.object : current.object, context);
        if (removed !== undefined) return { object: removed, deleted: true };
        continue;
      }
      const marked = await this.#mark(resource, current, step.object, context);
      if (marked !== undefined) return { object: marked, deleted: false };
    }
    throw conflict({ group: resource.group, name: resource.plural }, name.name, optimisticLockMessage);
  }

  /** Upstream's way out (KEP-3926): without finalizers, preconditions and grace, which nobody can read. */
  async #removeUndecodable(resource: Resource, key: string, name: ObjectName, context: WriteContext): Promise<CachedObject> {
    const metadata = { name: name.name, ...(name.namespace === undefined ? {} : { namespace: name.namespace }) };
    const last = { apiVersion: apiVersionOf(resource.group, resource.version), kind: resource.kind, metadata };
    if (context.dryRun) return new CachedObject(key, 0, last as KubeObject);
    const { revision } = await this.#deps.store.delete(key);
    return new CachedObject(key, revision, withRevision(last as KubeObject, revision));
  }

  async #admitDelete(
    resource: Resource,
    { name, namespace }: ObjectName,
    old: KubeObject | undefined,
    context: WriteContext,
  ): Promise<void> {
    if (context.admitted === true) return;
    const told = { name: context.ofCollection === true ? '' : name, namespace };
    const attributes = attributesOf('delete', resource, told, '', undefined, old, context);
    await this.#deps.admission.mutate(attributes, context);
    await this.#deps.admission.validate(attributes, context);
  }

  #planDeletion(resource: Resource, current: CachedObject, options: Partial<DeleteOptions>): DeletionStep {
    const nowMs = this.#deps.clock.now();
    const strategy = this.strategy(resource);
    return strategy.planDeletion?.(current.object, options, nowMs) ?? planDeletion(current.object, options, strategy, nowMs);
  }

  async #mark(
    resource: Resource,
    current: CachedObject,
    object: KubeObject,
    context: WriteContext,
  ): Promise<CachedObject | undefined> {
    if (sameJson(object, current.object)) return current;
    if (context.dryRun) return new CachedObject(current.key, current.revision, object);
    const result = await this.#put(resource, current.key, object, current.revision);
    if (result.kind === 'ok') return new CachedObject(current.key, result.revision, withRevision(object, result.revision));
    await this.#deps.feed.reach(result.revision);
    return undefined;
  }

  /** @returns undefined when the race was lost */
  async #remove(
    resource: Resource,
    current: CachedObject,
    last: KubeObject,
    context: WriteContext,
  ): Promise<CachedObject | undefined> {
    if (context.dryRun) return new CachedObject(current.key, current.revision, last);
    const result = await this.#deps.store.delete(current.key, { expectedRevision: current.revision });
    if (result.kind === 'conflict') {
      await this.#deps.feed.reach(result.revision);
      return undefined;
    }
    await this.strategy(resource).release?.(current.object, result.revision);
    return new CachedObject(current.key, result.revision, withRevision(copyOf(last), result.revision));
  }

  async #put(resource: Resource, key: string, object: KubeObject, expectedRevision: number): Promise<WriteResult> {
    const { ttlSeconds } = this.strategy(resource);
    const lease = ttlSeconds === undefined ? undefined : await this.#leases.current(ttlSeconds);
    const value = toStored(this.#deps.catalog.toStored(resource, object));
    const isLong = isLargeText(value.length);
    if (isLong) await letOthersIn();
    const result = await this.#deps.store.put(key, value, { expectedRevision, lease });
    // The caches read it in the same turn, and what comes next is the answer.
    if (isLong) await letOthersIn();
    return result;
  }

  /**
   * Validates a large object, step by step, with other requests in between. What is sent as managedFields is left out: the server makes
   * its own of it first.
   */
  async #checkLarge(resource: Resource, object: KubeObject, validate: () => FieldError[]): Promise<ObjectSize> {
    const { managedFields } = object.metadata;
    delete object.metadata.managedFields;
    const size = sizeOf(object);
    await letOthersIn();
    this.#throwIfInvalid(resource, object, collectFieldErrors(validate));
    checkStorable(size);
    if (managedFields !== undefined) object.metadata.managedFields = managedFields;
    await letOthersIn();
    return size;
  }

  /** @param size of a large object: it is tracked in the decoding thread */
  async #track(
    resource: Resource,
    object: KubeObject,
    live: KubeObject | undefined,
    subresource: string,
    context: WriteContext,
    size: ObjectSize | undefined,
  ): Promise<void> {
    if (size !== undefined && !isTrackable(size)) {
      delete object.metadata.managedFields;
      return;
    }
    const { fieldManager } = context;
    const request = { object, live, typeName: resource.schema, fieldManager, subresource, nowMs: this.#deps.clock.now() };
    if (size === undefined) this.#deps.patcher.trackManagedFields(request);
    else await this.#deps.trackElsewhere(request);
  }

  #throwIfInvalid(resource: Resource, object: KubeObject, problems: readonly FieldError[]): void {
    if (problems.length > 0) throw invalid({ group: resource.group, name: resource.kind }, object.metadata.name ?? '', problems);
  }

  /** For `RequestContext.read`: another object that an admission check asks for. */
  async read(id: ResourceId, namespace: string | undefined, name: string): Promise<KubeObject | undefined> {
    const found = await this.find(this.resource(id), { namespace, name });
    return found?.object;
  }
}

const errorsOfManagedFields = ({ metadata }: KubeObject): FieldError[] =>
  validateManagedFields(metadata.managedFields ?? [], 'metadata.managedFields');

/** {@link copyOf}, with other requests in between where that takes long. */
async function copyInTurns({ object, bytes }: CachedObject): Promise<KubeObject> {
  if (!isLargeText(bytes)) return copyOf(object);
  const text = stringifyExact(object);
  await letOthersIn();
  const copy = parseExact(text) as KubeObject;
  await letOthersIn();
  return copy;
}

function attributesOf(
  operation: Operation,
  resource: Resource,
  { name, namespace }: Partial<ObjectName>,
  subresource: string,
  object: KubeObject | undefined,
  oldObject: KubeObject | undefined,
  { user, dryRun }: WriteContext,
): AdmissionAttributes {
  return {
    operation,
    resource,
    kind: object?.kind ?? resource.kind,
    subresource,
    namespace: resource.namespaced ? (namespace ?? '') : '',
    name: name ?? '',
    user,
    dryRun,
    object,
    oldObject,
    options: undefined,
  };
}

function updateAttributes(
  resource: Resource,
  object: KubeObject,
  old: KubeObject,
  { subresource, view }: UpdateRequest,
  context: WriteContext,
): AdmissionAttributes {
  const [seen, seenOld] = view === undefined ? [object, old] : [view.of(object), view.of(old)];
  return attributesOf('update', resource, old.metadata, subresource, seen, seenOld, context);
}
