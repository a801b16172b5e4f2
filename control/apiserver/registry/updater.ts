/**
 * Updates, patches and server-side apply: computes the new object from the stored one and stores it, again after every lost race.
 *
 * Source: apiserver `pkg/registry/generic/registry/store.go` (Update), `pkg/registry/rest/update.go` (BeforeUpdate),
 * `pkg/storage/etcd3/store.go` (GuaranteedUpdate).
 */
import type { FieldError } from '#api/field-error.ts';
import { sameSteps } from '#api/json-steps.ts';
import { type KubeObject, type ObjectName, sameJson } from '#api/meta.ts';
import type { Resource } from '#api/resources.ts';
import { conflict, notFound } from '#api/status.ts';
import { atOnce } from '#api/steps.ts';
import { inTurns, letOthersIn } from '#client/turns.ts';
import { CachedObject } from '../cache/cached-object.ts';
import { isLarge, isLargeText } from '../cache/object-size.ts';
import { updateAttributes } from './admission-attributes.ts';
import type { Creator } from './creator.ts';
import { isFinalized } from './deletion.ts';
import { copyInTurns, type ObjectChecks } from './object-checks.ts';
import { storageKey } from './object-keys.ts';
import type { ObjectReader } from './object-reader.ts';
import { maxRaces, type ObjectWriter, takeBack } from './object-writer.ts';
import type { CachedQuotaStore } from './quota-store.ts';
import type { RegistryDeps } from './registry-deps.ts';
import { settled } from './settled.ts';
import type { Strategy } from './strategy.ts';
import {
  checkIdentity,
  keepSystemFields,
  keepTimesOfUnchangedFields,
  optimisticLockMessage,
  submittedRevision,
  uidPrecondition,
} from './system-fields.ts';
import type { UpdateRequest, WriteContext } from './write-request.ts';

/** What updates need. */
export interface UpdaterParts {
  reader: ObjectReader;
  checks: ObjectChecks;
  writer: ObjectWriter;
  creator: Creator;
  quotas: CachedQuotaStore;
}

/** Updates objects of any kind; a part of the Registry. */
export class Updater {
  readonly #deps: RegistryDeps;
  readonly #parts: UpdaterParts;

  constructor(deps: RegistryDeps, parts: UpdaterParts) {
    this.#deps = deps;
    this.#parts = parts;
  }

  /** See `Registry.update`. */
  async update(
    resource: Resource,
    name: ObjectName,
    request: UpdateRequest,
    context: WriteContext,
  ): Promise<{ object: CachedObject; created: boolean }> {
    for (let race = 0; race < maxRaces; race++) {
      const current = await this.#parts.reader.find(resource, name);
      if (current === undefined) return { object: await this.#create(resource, name, request, context), created: true };
      const object = await this.#changed(resource, current, request, context);
      const updated = await this.#updateOnce(resource, current, object, request, context);
      if (updated !== undefined) return { object: updated, created: false };
    }
    throw conflict({ group: resource.group, name: resource.plural }, name.name, optimisticLockMessage);
  }

  /** There is nothing to update: creates the object where request and kind allow that. */
  async #create(resource: Resource, name: ObjectName, request: UpdateRequest, context: WriteContext): Promise<CachedObject> {
    const { strategy } = this.#deps.catalog.kind(resource);
    const allowed = request.subresource === '' && (request.forceCreate ?? strategy.allowCreateOnUpdate === true);
    if (!allowed) throw notFound({ group: resource.group, name: resource.plural }, name.name);
    const object = await request.transform(undefined, 0);
    // The revision is only read, so that a malformed one is refused: no object is stored that it could differ from.
    submittedRevision(object);
    delete (object.metadata as Partial<typeof object.metadata>).resourceVersion;
    const uid = object.metadata.uid ?? '';
    if (uid !== '') {
      if (request.forceCreate !== true) throw uidPrecondition(resource, name.name, storageKey(resource, name), uid, '');
      const why = `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`;
      throw conflict({ group: resource.group, name: resource.plural }, name.name, why);
    }
    return await this.#parts.creator.createOnce(resource, name.namespace ?? '', object, context, request.fieldsTracked);
  }

  /** The new object that the request and then the mutating plugins make of the stored one. */
  async #changed(resource: Resource, current: CachedObject, request: UpdateRequest, context: WriteContext): Promise<KubeObject> {
    const old = current.object;
    const object = await request.transform(request.returnsOwn === true ? old : await copyInTurns(current), current.bytes);
    if (context.admitted === true) return object;
    if (request.mode !== 'bypass') this.#deps.catalog.kind(resource).strategy.setDefaults?.(object);
    if (isLargeText(current.bytes)) await letOthersIn();
    const attributes = updateAttributes(resource, object, old, request, context);
    await this.#deps.admission.mutate(attributes, context);
    if (request.subresource === '') await this.#deps.catalog.kind(resource).strategy.checkWriter?.(object, old, context);
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
    const { mode, subresource } = request;
    const { checks } = this.#parts;
    const { strategy } = this.#deps.catalog.kind(resource);
    const old = current.object;
    const pause = isLargeText(current.bytes) || isLarge(object) ? letOthersIn : undefined;
    checkIdentity(resource, current, object, strategy);
    keepSystemFields(resource, object, old);
    if (mode !== 'bypass') {
      strategy.setDefaults?.(object);
      await pause?.();
      strategy.prepareForUpdate?.(object, old, context, mode);
      await pause?.();
    }
    const errors = (): FieldError[] => {
      if (mode === 'bypass') return [];
      return strategy.validateUpdate === undefined ? strategy.validate(object) : strategy.validateUpdate(object, old, mode);
    };
    const large = pause === undefined ? undefined : mode === 'bypass' ? [] : (strategy.checks?.(object, old, mode) ?? [errors]);
    const size = large === undefined ? undefined : await checks.checkLarge(resource, object, large);
    const resetFields = strategy.resetFields?.[subresource];
    if (request.fieldsTracked !== true)
      await checks.track(resource, { object, live: old, subresource, resetFields, size }, context);
    const times = keepTimesOfUnchangedFields(object, old);
    if (pause === undefined) atOnce(times);
    else await inTurns(times);
    if (mode !== 'bypass') {
      await checks.validate(resource, object, errors, size);
      await pause?.();
      for (const warning of strategy.warnings?.(object, old) ?? []) context.warn(warning);
      await pause?.();
    }
    const put = (): Promise<CachedObject | undefined> => this.#put(resource, current, object, strategy, context, pause);
    if (context.admitted === true) return await put();
    const attributes = updateAttributes(resource, object, old, request, context);
    await this.#deps.admission.validate(attributes, context);
    const reservation = await this.#deps.admission.reserve(attributes, context, this.#parts.quotas);
    return await settled(reservation, put, (result) => result !== undefined);
  }

  /** Storage migration: such an object is written although nothing changes. It is stored in another version, or with another key. */
  async #isOutdated(resource: Resource, key: string): Promise<boolean> {
    const { catalog, feed, store } = this.#deps;
    if (catalog.isOutdated(resource, feed.cache(resource.storagePrefix).get(key))) return true;
    return store.isStale !== undefined && (await store.isStale(key));
  }

  /**
   * Stores it; or removes it, when the last finalizer of an object that is being deleted has gone.
   * @returns undefined when the race was lost
   */
  async #put(
    resource: Resource,
    current: CachedObject,
    object: KubeObject,
    strategy: Strategy,
    context: WriteContext,
    pause: (() => Promise<void>) | undefined,
  ): Promise<CachedObject | undefined> {
    const { writer } = this.#parts;
    const old = current.object;
    if (isFinalized(object, old) && strategy.mayRemove?.(object) !== false)
      return await writer.remove(resource, current, object, context);
    const isSame = pause === undefined ? sameJson(object, old) : await inTurns(sameSteps(object, old));
    await pause?.();
    if (isSame && !(await this.#isOutdated(resource, current.key))) return current;
    const undo = await strategy.allocate?.(object, old, context.dryRun);
    if (context.dryRun) return new CachedObject(current.key, current.revision, object);
    const result = await writer.put(resource, current.key, object, current.revision).catch(async (error: unknown) => {
      await takeBack(undo, error);
      throw error;
    });
    if (result.kind === 'conflict') {
      await undo?.();
      return undefined;
    }
    await strategy.committed?.(object, old, result.revision);
    return result.written;
  }
}
