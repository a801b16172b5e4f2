/**
 * Creates: from a submitted object to a stored one.
 *
 * Source: apiserver `pkg/registry/rest/create.go` (BeforeCreate), `pkg/registry/generic/registry/store.go` (Create).
 */
import type { FieldError } from '#api/field-error.ts';
import type { KubeObject } from '#api/meta.ts';
import type { Resource } from '#api/resources.ts';
import { ApiError, alreadyExists } from '#api/status.ts';
import { letOthersIn } from '#client/turns.ts';
import { CachedObject, copyOf } from '../cache/cached-object.ts';
import { isLarge } from '../cache/object-size.ts';
import { createAttributes } from './admission-attributes.ts';
import type { ObjectChecks } from './object-checks.ts';
import { storageKey } from './object-keys.ts';
import { type ObjectWriter, takeBack } from './object-writer.ts';
import type { CachedQuotaStore } from './quota-store.ts';
import type { RegistryDeps } from './registry-deps.ts';
import { settled } from './settled.ts';
import type { Strategy } from './strategy.ts';
import { dropRevision, fillRequestFields, fillSystemFields } from './system-fields.ts';
import type { WriteContext } from './write-request.ts';

/** Upstream's number (`maxNameGenerationCreateAttempts`). */
const maxGeneratedNameTries = 8;

/** Creates objects of any kind; a part of the Registry. */
export class Creator {
  readonly #deps: RegistryDeps;
  readonly #checks: ObjectChecks;
  readonly #writer: ObjectWriter;
  readonly #quotas: CachedQuotaStore;

  constructor(deps: RegistryDeps, checks: ObjectChecks, writer: ObjectWriter, quotas: CachedQuotaStore) {
    this.#deps = deps;
    this.#checks = checks;
    this.#writer = writer;
    this.#quotas = quotas;
  }

  /** See `Registry.create`. */
  async create(resource: Resource, namespace: string, submitted: KubeObject, context: WriteContext): Promise<CachedObject> {
    const generated = (submitted.metadata.name ?? '') === '' && (submitted.metadata.generateName ?? '') !== '';
    for (let attempt = 1; ; attempt++) {
      try {
        // With a generated name another try may follow, which needs the object as it was sent.
        return await this.createOnce(resource, namespace, generated ? copyOf(submitted) : submitted, context);
      } catch (error) {
        const taken = error instanceof ApiError && error.reason === 'AlreadyExists';
        if (!generated || !taken || attempt >= maxGeneratedNameTries) throw error;
      }
    }
  }

  /**
   * One try of {@link create}.
   * @param object is changed
   * @param fieldsTracked whether its managedFields are set already (server-side apply)
   * @throws ApiError 409 when the name is taken, also a generated one; 422 when the object is invalid
   */
  async createOnce(
    resource: Resource,
    namespace: string,
    object: KubeObject,
    context: WriteContext,
    fieldsTracked = false,
  ): Promise<CachedObject> {
    const { strategy } = this.#deps.catalog.kind(resource);
    await this.#deps.feed.fresh();
    const pause = isLarge(object) ? letOthersIn : undefined;
    fillRequestFields(resource, namespace, object);
    strategy.setDefaults?.(object);
    await pause?.();
    const attributes = createAttributes(resource, object, context);
    await this.#deps.admission.mutate(attributes, context);
    await strategy.checkWriter?.(object, undefined, context);
    await pause?.();
    fillSystemFields(object, this.#deps.clock.now(), this.#deps.random);
    strategy.prepareForCreate?.(object, context);
    await pause?.();
    // Defaults once more: plugins and prepareForCreate may have added parts that have defaults themselves.
    strategy.setDefaults?.(object);
    await pause?.();
    const errors = (): FieldError[] => strategy.validate(object);
    const checks = pause === undefined ? undefined : (strategy.checks?.(object, undefined, '') ?? [errors]);
    const size = checks === undefined ? undefined : await this.#checks.checkLarge(resource, object, checks);
    const resetFields = strategy.resetFields?.[''];
    if (!fieldsTracked)
      await this.#checks.track(resource, { object, live: undefined, subresource: '', resetFields, size }, context);
    await this.#checks.validate(resource, object, errors, size);
    await pause?.();
    for (const warning of strategy.warnings?.(object, undefined) ?? []) context.warn(warning);
    const named = { ...attributes, name: object.metadata.name };
    await this.#deps.admission.validate(named, context);
    const reservation = await this.#deps.admission.reserve(named, context, this.#quotas);
    return await settled(reservation, () => this.#put(resource, object, strategy, context));
  }

  async #put(resource: Resource, object: KubeObject, strategy: Strategy, context: WriteContext): Promise<CachedObject> {
    dropRevision(object);
    const key = storageKey(resource, object.metadata);
    const existing = this.#deps.feed.cache(resource.storagePrefix).get(key);
    if (existing !== undefined) throw existsError(resource, existing.object);
    const undo = await strategy.allocate?.(object, undefined, context.dryRun);
    if (context.dryRun) return new CachedObject(key, 0, object);
    try {
      const result = await this.#writer.put(resource, key, object, 0);
      if (result.kind === 'conflict')
        throw existsError(resource, this.#deps.feed.cache(resource.storagePrefix).get(key)?.object ?? object);
      return result.written;
    } catch (error) {
      await takeBack(undo, error);
      throw error;
    }
  }
}

function existsError(resource: Resource, existing: KubeObject): ApiError {
  const error = alreadyExists({ group: resource.group, name: resource.plural }, existing.metadata.name);
  if (existing.metadata.deletionTimestamp === undefined) return error;
  return new ApiError({ ...error.status, message: `object is being deleted: ${error.message}` });
}
